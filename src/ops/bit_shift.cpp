// BitShift: unsigned integers shifted by the bits of input 1, in attribute "direction" LEFT or
// RIGHT; a shift by the width or more leaves 0.
#include "ops/broadcast.h"
#include "ops/tools.h"

namespace polder::ops::bit_shift {
namespace {

struct Params {
  bool right;
};

void parse(AttrReader& attrs, Params& p) {
  static constexpr std::string_view kNames[] = {"LEFT", "RIGHT"};
  p.right = attrs.choice("direction", kNames, 0) == 1;
}

template <bool right>
struct Function {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_unsigned_v<T>) {
      if (b >= T(8 * sizeof(T))) return 0;
      return right ? T(a >> b) : T(std::uint64_t(a) << b);
    } else {
      return a;  // not reached: inference takes unsigned types only
    }
  }
};

Status reference(const RunContext& run) {
  if (run.as<Params>().right) return reference_binary<Function<true>>(run);
  return reference_binary<Function<false>>(run);
}

Status infer(InferContext& context) {
  return infer_binary(context, {DataType::kU8, DataType::kU16, DataType::kU32, DataType::kU64});
}

std::vector<Sample> samples() {
  const SampleInput a = {DataType::kU16, {4}, {1, 40000, 3, 65535}};
  const SampleInput b = {DataType::kU16, {4}, {4, 1, 15, 16}};
  return {{"left", {a, b}, {{"direction", "LEFT"}}}, {"right", {a, b}, {{"direction", "RIGHT"}}}};
}

constexpr OnnxRule kOnnx[] = {{"BitShift"}};

}  // namespace

extern const OpDef def = {
    .name = "BitShift",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .in_place = 0b11,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::bit_shift
