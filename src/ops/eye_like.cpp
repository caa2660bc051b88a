// EyeLike: ones on the diagonal that attribute "k" moves to the right, zeros elsewhere, in the
// shape of a matrix and the type of attribute "dtype" (default: the matrix's).
#include <cstring>

#include "ops/rules.h"
#include "ops/types.h"

namespace polder::ops::eye_like {
namespace {

struct Params {
  std::int64_t k;
  DataType type;
};

void parse(AttrReader& attrs, Params& p) {
  p.k = attrs.integer("k", 0, -kMaxElements, kMaxElements);
  p.type = read_type(attrs, "dtype", DataType::kNone);
}

Status infer(InferContext& context) {
  TRY(context.expect_rank(0, 2, 2));
  const DataType asked = context.params<Params>().type;
  const DataType type = asked == DataType::kNone ? context.type(0) : asked;
  if (type == DataType::kF16 || type == DataType::kBF16) {
    return fail(Code::kUnsupported, "a matrix of {}", type_name(type));
  }
  context.output(0, type, context.dims(0));
  return {};
}

Status reference(const RunContext& run) {
  const TensorView& out = run.out(0);
  const std::int64_t k = run.as<Params>().k;
  std::memset(out.data, 0, out.bytes());
  dispatch(out.type, [&]<class T>() {
    for (std::int64_t row = 0; row < out.shape[0]; ++row) {
      const std::int64_t column = row + k;
      if (column >= 0 && column < out.shape[1]) out.as<T>()[row * out.shape[1] + column] = T(1);
    }
  });
  return {};
}

Status from_onnx(ImportContext& node) {
  Attrs attrs = {{"k", node.attrs.integer("k", 0)}};
  if (node.attrs.has("dtype")) {
    TRY_VALUE(const DataType type, onnx_type(node.attrs.integer("dtype", 0)));
    attrs.set("dtype", std::string(type_name(type)));
  }
  return node.finish("EyeLike", {node.in(0)}, std::move(attrs));
}

std::vector<Sample> samples() {
  return {{"f32", {{.shape = {4, 5}}}},
          {"i64", {{.shape = {3, 5}}}, {{"k", std::int64_t(-1)}, {"dtype", "i64"}}}};
}

constexpr OnnxRule kOnnx[] = {{"EyeLike", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "EyeLike",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::eye_like
