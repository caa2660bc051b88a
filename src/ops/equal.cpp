// Equal: whether a == b, with broadcasting. TFLite's NOT_EQUAL is its negation.
#include <algorithm>

#include "ops/broadcast.h"
#include "ops/samples.h"

namespace polder::ops::equal {
namespace {

constexpr std::initializer_list<DataType> kComparable = {
    DataType::kF32, DataType::kF64, DataType::kI8,  DataType::kU8,  DataType::kI16, DataType::kU16,
    DataType::kI32, DataType::kU32, DataType::kI64, DataType::kU64, DataType::kBool};

struct Function {
  template <class T>
  static bool apply(T a, T b) {
    return a == b;
  }
};

// For chains that compute shapes: an extent never equals a negative number.
void compare_ints(InferContext& context) {
  IntList a, b, out;
  if (!context.ints(0, a) || !context.ints(1, b)) return;
  const int count = std::max(a.size(), b.size());
  for (int i = 0; i < count; ++i) {
    if ((a.size() != count && a.size() != 1) || (b.size() != count && b.size() != 1)) return;
    const Dim &x = a[a.size() == 1 ? 0 : i], &y = b[b.size() == 1 ? 0 : i];
    const bool surely_not =
        (x.known() && x.bound < 0 && !y.known()) || (y.known() && y.bound < 0 && !x.known());
    if (x == y) out.push_back(1);
    else if (surely_not || (x.known() && y.known())) out.push_back(0);
    else return;
  }
  context.output_ints(0, out);
}

Status infer(InferContext& context) {
  TRY(infer_binary(context, kComparable, DataType::kBool));
  if (context.inferred(0).dims.rank() <= 1) compare_ints(context);
  return {};
}

constexpr OnnxRule kOnnx[] = {{"Equal"}};
Status not_equal(ImportContext& node) {
  TRY_VALUE(const ValueId equal, node.emit("Equal", node.inputs));
  return node.finish("LogicalNot", {equal});
}
constexpr TfliteRule kTflite[] = {{"EQUAL"}, {"NOT_EQUAL", not_equal}};

}  // namespace

extern const OpDef def = {
    .name = "Equal",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_binary<Function>,
};
extern const OpTools tools = {.onnx = kOnnx,
                              .tflite = kTflite,
                              .samples = comparison_samples,
                              .commute = Commute::kElementwise};

}  // namespace polder::ops::equal
