// BatchToSpace: gathers blocks of pixels from the batch into the spatial dimensions and crops them.
#include <cstring>

#include "ops/space_batch.h"

namespace polder::ops::batch_to_space {
namespace {

Status infer(InferContext& context) {
  const BlockParams& p = context.params<BlockParams>();
  Dims dims = context.dims(0);
  TRY(context.expect_rank(0, p.count + 1, kMaxRank));
  if (dims[0].known() && dims[0].bound % p.all() != 0) {
    return fail(Code::kInvalid, "a batch of {} does not divide into blocks of {}", dims[0].bound,
                p.all());
  }
  const std::int64_t batch = dims[0].bound / p.all();
  dims[0] = dims[0].known() ? Dim(batch) : context.new_dim(batch);
  for (int i = 0; i < p.count; ++i) {
    Dim& dim = dims[i + 1];
    const std::int64_t extent =
        std::min(dim.bound, kUnbounded / p.blocks[i]) * p.blocks[i] - p.begins[i] - p.ends[i];
    if (extent < 0) {
      return fail(Code::kInvalid, "cropping {} and {} off {} blocks of {}", p.begins[i], p.ends[i],
                  dim.bound, p.blocks[i]);
    }
    dim = dim.known() ? Dim(extent) : context.new_dim(extent);
  }
  context.output(0, context.type(0), dims);
  return {};
}

Status reference(const RunContext& run) {
  const BlockParams& p = run.as<BlockParams>();
  const TensorView &in = run.in(0), &out = run.out(0);
  if (out.shape.elements() == 0) return {};
  const std::int64_t block = elements_behind(p, in.shape);
  const std::size_t bytes = std::size_t(block) * size_of(in.type);
  for_each_block_pixel(p, in.shape, out.shape, [&](std::int64_t from, std::int64_t to) {
    if (to < 0) return;
    std::memcpy(mutable_element(out, to * block), element(in, from * block), bytes);
  });
  return {};
}

Status from_tflite(ImportContext& node) { return finish_blocks(node, "BatchToSpace"); }
constexpr TfliteRule kTflite[] = {{"BATCH_TO_SPACE_ND", from_tflite}};

std::vector<Sample> samples() {
  return block_samples(8, 3, 5, {{2, 6, 10, 3}, {4, 4, 3, 2}, {4, 4}});
}

}  // namespace

extern const OpDef def = {
    .name = "BatchToSpace",
    .parse = parser<BlockParams, parse_blocks>,
    .params_bytes = sizeof(BlockParams),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.tflite = kTflite, .samples = samples};

}  // namespace polder::ops::batch_to_space
