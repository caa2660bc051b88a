// ReverseSequence: the first elements along attribute "time_axis" in reverse, as many as input 1
// says for each place along "batch_axis"; the rest stays.
#include <cstring>

#include "ops/axes.h"
#include "ops/strided.h"
#include "ops/tools.h"

namespace polder::ops::reverse_sequence {
namespace {

struct Params {
  std::int64_t time_axis, batch_axis;
};

void parse(AttrReader& attrs, Params& p) {
  p.time_axis = attrs.integer("time_axis", 0, -kMaxRank, kMaxRank - 1);
  p.batch_axis = attrs.integer("batch_axis", 1, -kMaxRank, kMaxRank - 1);
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  TRY(context.expect_type(1, kIndexTypes));
  TRY(context.expect_rank(0, 2, kMaxRank));
  TRY(context.expect_rank(1, 1, 1));
  const Dims& in = context.dims(0);
  TRY_VALUE(const int time, normal_axis(p.time_axis, in.rank()));
  TRY_VALUE(const int batch, normal_axis(p.batch_axis, in.rank()));
  if (time == batch) return fail(Code::kInvalid, "time and batch are both axis {}", time);
  const Dim& count = context.dims(1)[0];
  if (count.known() && in[batch].known() && !(count == in[batch])) {
    return fail(Code::kInvalid, "{} lengths for a batch of {}", count.bound, in[batch].bound);
  }
  context.output(0, context.type(0), in);
  return {};
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const TensorView &in = run.in(0), &lengths = run.in(1), &out = run.out(0);
  const Shape& shape = in.shape;
  const int time = *normal_axis(p.time_axis, shape.rank());
  const int batch = *normal_axis(p.batch_axis, shape.rank());
  const auto strides = dense_strides(shape);
  const std::int64_t step = strides[std::size_t(time)], n = shape[time];
  // What lies behind both axes moves as one block.
  const std::int64_t block = strides[std::size_t(std::max(time, batch))];
  const std::size_t bytes = std::size_t(block) * size_of(in.type);
  for (std::int64_t at = 0; at < shape.elements(); at += block) {
    const std::int64_t t = at / step % n, b = at / strides[std::size_t(batch)] % shape[batch];
    const std::int64_t length = int_at(lengths, b);
    if (length < 0 || length > n) {
      return fail(Code::kInvalid, "ReverseSequence: length {} of sequence {} is outside 0..{}",
                  length, b, n);
    }
    const std::int64_t from = t < length ? at + (length - 1 - 2 * t) * step : at;
    std::memcpy(mutable_element(out, at), element(in, from), bytes);
  }
  return {};
}

Status from_tflite(ImportContext& node) {
  return node.finish("ReverseSequence", node.inputs,
                     {{"time_axis", node.attrs.integer("seq_dim", 0)},
                      {"batch_axis", node.attrs.integer("batch_dim", 0)}});
}

std::vector<Sample> samples() {
  return {{"time first", {{.shape = {4, 3, 2}}, {DataType::kI64, {3}, {4, 0, 2}}}},
          {"batch first",
           {{.shape = {2, 5}}, {DataType::kI64, {2}, {3, 1}}},
           {{"time_axis", std::int64_t(1)}, {"batch_axis", std::int64_t(0)}}}};
}

constexpr OnnxRule kOnnx[] = {{"ReverseSequence"}};
constexpr TfliteRule kTflite[] = {{"REVERSE_SEQUENCE", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "ReverseSequence",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::reverse_sequence
