// BatchToSpace and SpaceToBatch of TFLite: attributes "blocks" and, for each spatial dimension,
// what is cropped or padded at both ends ("begins", "ends"). Tensors are [batch, spatial...,
// rest...].
#pragma once

#include <cmath>

#include "ops/axes.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops {

inline constexpr int kMaxBlockAxes = 3;

struct BlockParams {
  std::int64_t blocks[kMaxBlockAxes], begins[kMaxBlockAxes], ends[kMaxBlockAxes];
  int count;

  std::int64_t all() const {
    std::int64_t product = 1;
    for (int i = 0; i < count; ++i) product *= blocks[i];
    return product;
  }
};

inline void parse_blocks(AttrReader& attrs, BlockParams& p) {
  constexpr std::int64_t kMost = 1 << 16;
  p.count = attrs.integers("blocks", p.blocks, 0, 1, kMost);
  const int begins = attrs.integers("begins", p.begins, 0, 0, kMost);
  const int ends = attrs.integers("ends", p.ends, 0, 0, kMost);
  if (begins != p.count || ends != p.count)
    attrs.reject("blocks, begins and ends differ in length");
}

// Visits every pixel of the side with many batches: f(pixel there, pixel on the spatial side or
// -1), both counted in blocks of what lies behind the spatial dimensions.
template <class F>
void for_each_block_pixel(const BlockParams& p, const Shape& batched, const Shape& spatial, F&& f) {
  std::int64_t pixels = batched[0];
  for (int i = 0; i < p.count; ++i) pixels *= batched[i + 1];
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
    std::int64_t rest = pixel, position[kMaxBlockAxes] = {};
    for (int i = p.count - 1; i >= 0; --i) {
      position[i] = rest % batched[i + 1];
      rest /= batched[i + 1];
    }
    // The batch's leading digits are the place in the block.
    std::int64_t place = rest / spatial[0], to = rest % spatial[0];
    std::int64_t places[kMaxBlockAxes] = {};
    for (int i = p.count - 1; i >= 0; --i) {
      places[i] = place % p.blocks[i];
      place /= p.blocks[i];
    }
    bool inside = true;
    for (int i = 0; i < p.count; ++i) {
      const std::int64_t at = position[i] * p.blocks[i] + places[i] - p.begins[i];
      inside = inside && at >= 0 && at < spatial[i + 1];
      to = to * spatial[i + 1] + at;
    }
    f(pixel, inside ? to : -1);
  }
}

// Elements behind the spatial dimensions.
inline std::int64_t elements_behind(const BlockParams& p, const Shape& shape) {
  std::int64_t elements = 1;
  for (int i = p.count + 1; i < shape.rank(); ++i) elements *= shape[i];
  return elements;
}

// Inputs 1 (blocks) and 2 ([spatial, 2] crops or pads) become attributes.
inline Status finish_blocks(ImportContext& node, std::string_view op) {
  TRY_VALUE(const std::vector<std::int64_t> blocks, node.constant_ints(1));
  TRY_VALUE(const std::vector<double> pairs, constant_reals(node, 2));
  if (pairs.size() != 2 * blocks.size()) {
    return fail(Code::kInvalid, "{} blocks, {} crops or pads", blocks.size(), pairs.size());
  }
  constexpr double kMost = 1 << 30;
  for (const double x : pairs) {
    if (!(std::abs(x) <= kMost) || x != std::floor(x))
      return fail(Code::kInvalid, "input 2 holds {}; whole numbers up to 2^30 expected", x);
  }
  std::vector<std::int64_t> begins, ends;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    begins.push_back(std::int64_t(pairs[2 * i]));
    ends.push_back(std::int64_t(pairs[2 * i + 1]));
  }
  return node.finish(op, {node.in(0)}, {{"blocks", blocks}, {"begins", begins}, {"ends", ends}});
}

// `shapes` of the outputs.
inline std::vector<Sample> block_samples(std::int64_t batch, std::int64_t height,
                                         std::int64_t width, const Shape (&shapes)[3]) {
  using Ints = std::vector<std::int64_t>;
  return {{"square",
           {{.shape = {batch, height, width, 3}}},
           {{"blocks", Ints{2, 2}}, {"begins", Ints{0, 0}}, {"ends", Ints{0, 0}}},
           {shapes[0]}},
          {"ends",
           {{.shape = {batch, height, width, 2}}},
           {{"blocks", Ints{2, 1}}, {"begins", Ints{1, 0}}, {"ends", Ints{1, 2}}},
           {shapes[1]}},
          {"one axis",
           {{DataType::kU8, {batch, height}, {}, false, 0, 255}},
           {{"blocks", Ints{2}}, {"begins", Ints{0}}, {"ends", Ints{2}}},
           {shapes[2]}}};
}

}  // namespace polder::ops
