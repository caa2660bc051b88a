// SpaceToBatch: pads the spatial dimensions with zeros and spreads the pixels of each block over
// the batch.
#include <cstring>

#include "ops/space_batch.h"

namespace polder::ops::space_to_batch {
namespace {

Status infer(InferContext& context) {
  const BlockParams& p = context.params<BlockParams>();
  Dims dims = context.dims(0);
  TRY(context.expect_rank(0, p.count + 1, kMaxRank));
  for (int i = 0; i < p.count; ++i) {
    Dim& dim = dims[i + 1];
    const std::int64_t padded = dim.bound + p.begins[i] + p.ends[i];
    if (dim.known() && padded % p.blocks[i] != 0) {
      return fail(Code::kInvalid, "{} padded by {} and {} does not divide into blocks of {}",
                  dim.bound, p.begins[i], p.ends[i], p.blocks[i]);
    }
    dim = dim.known() ? Dim(padded / p.blocks[i]) : context.new_dim(padded / p.blocks[i]);
  }
  std::int64_t batch = 0;
  if (__builtin_mul_overflow(dims[0].bound, p.all(), &batch)) batch = kUnbounded;
  dims[0] = dims[0].known() ? Dim(batch) : context.new_dim(batch);
  context.output(0, context.type(0), dims);
  return {};
}

Status reference(const RunContext& run) {
  const BlockParams& p = run.as<BlockParams>();
  const TensorView &in = run.in(0), &out = run.out(0);
  if (out.shape.elements() == 0) return {};
  if (in.shape.elements() == 0) {
    std::memset(out.data, 0, out.bytes());
    return {};
  }
  const std::int64_t block = elements_behind(p, in.shape);
  const std::size_t bytes = std::size_t(block) * size_of(in.type);
  for_each_block_pixel(p, out.shape, in.shape, [&](std::int64_t to, std::int64_t from) {
    std::byte* pixel = mutable_element(out, to * block);
    if (from < 0) std::memset(pixel, 0, bytes);
    else std::memcpy(pixel, element(in, from * block), bytes);
  });
  return {};
}

Status from_tflite(ImportContext& node) { return finish_blocks(node, "SpaceToBatch"); }
constexpr TfliteRule kTflite[] = {{"SPACE_TO_BATCH_ND", from_tflite}};

std::vector<Sample> samples() {
  return block_samples(2, 4, 6, {{8, 2, 3, 3}, {4, 3, 8, 2}, {4, 3}});
}

}  // namespace

extern const OpDef def = {
    .name = "SpaceToBatch",
    .parse = parser<BlockParams, parse_blocks>,
    .params_bytes = sizeof(BlockParams),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.tflite = kTflite, .samples = samples};

}  // namespace polder::ops::space_to_batch
