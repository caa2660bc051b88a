#include "kernel/split.h"

namespace polder::kernel {
namespace {

constexpr double kTaskMacs = 5e5;  // some 10 us of a fast core
constexpr std::int64_t kMaxTasks = 32;
constexpr std::int64_t kRowMultiple = 12;  // whole register tiles on every instruction set

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

ProductSplit cut(std::int64_t rows, std::int64_t row_block, std::int64_t panels,
                 std::int64_t panel_block) {
  return {row_block, ceil_div(rows, row_block), panel_block, ceil_div(panels, panel_block)};
}

}  // namespace

ProductSplit split_product(std::int64_t m, std::int64_t n, std::int64_t k) {
  const std::int64_t panels = ceil_div(n, kPanelWidth);
  const double macs = double(m) * double(n) * double(std::max<std::int64_t>(k, 1));
  const auto want = std::clamp<std::int64_t>(std::int64_t(macs / kTaskMacs), 1, kMaxTasks);
  const std::int64_t smallest = std::min<std::int64_t>(m, 7 * kRowMultiple);
  std::int64_t row_block = std::max(ceil_div(m, want), smallest);
  row_block = std::min(m, ceil_div(row_block, kRowMultiple) * kRowMultiple);
  const std::int64_t row_blocks = ceil_div(m, row_block);
  const std::int64_t panel_blocks = std::min(panels, ceil_div(want, row_blocks));
  // An even number of panels, as some tiles are two panels wide.
  const std::int64_t panel_block = std::min(panels, ceil_div(panels, 2 * panel_blocks) * 2);
  return cut(m, row_block, panels, panel_block);
}

ProductSplit split_row(std::int64_t n, std::int64_t k) {
  // Streaming weights: a task reads at least 256 KB of them, in whole groups of panels.
  const std::int64_t panels = ceil_div(n, kPanelWidth), groups = ceil_div(panels, kGemvGroup);
  const std::int64_t group_bytes = k * kPanelWidth * kGemvGroup * 4;
  const std::int64_t per_task =
      std::max(ceil_div(262144, group_bytes), ceil_div(groups, kMaxTasks));
  return cut(1, 1, panels, std::min(panels, per_task * kGemvGroup));
}

ProductSplit split(const ConvArgs& args) {
  const std::int64_t m = output_pixels(args), n = args.out_c / args.groups;
  const std::int64_t depth =
      std::int64_t(args.kernel_h) * args.kernel_w * (args.in_c / args.groups);
  return m == 1 && is_pointwise(args) ? split_row(n, depth) : split_product(m, n, depth);
}

ProductSplit split(const GemmArgs& args) {
  return args.m == 1 ? split_row(args.n, args.k) : split_product(args.m, args.n, args.k);
}

ProductSplit split(const MatMulArgs& args) { return split_product(args.m, args.n, args.k); }

namespace {

// About 20 us a task, as telling a thread costs 1-2 us, and at most 64 tasks. `cost_ns` is a rough
// figure for one unit.
UnitSplit split_units(std::int64_t units, double cost_ns) {
  const std::int64_t by_time = std::int64_t(20000 / std::max(cost_ns, 0.01)) + 1;
  return {units, std::max(by_time, ceil_div(units, 64))};
}

std::int64_t product(const std::int64_t* dims, int count) {
  std::int64_t n = 1;
  for (int i = 0; i < count; ++i) n *= dims[i];
  return n;
}

UnitSplit split_columns(std::int64_t outer, std::int64_t n, std::int64_t inner, double cost_ns) {
  const std::int64_t chunks = inner == 1 ? 1 : ceil_div(inner, kInnerChunk);
  return split_units(outer * chunks, cost_ns * double(n) * double(std::min(inner, kInnerChunk)));
}

}  // namespace

UnitSplit split(const DepthwiseArgs& a) {
  const double macs = double(a.out_w) * a.channels * a.multiplier * a.kernel_h * a.kernel_w;
  return split_units(std::int64_t(a.batch) * a.out_h, macs / 20);
}

UnitSplit split(const BinaryArgs& a) {
  const std::int64_t length = a.dims[a.rank - 1];
  return split_units(product(a.dims, a.rank - 1) * row_chunks(length),
                     double(std::min(length, kRowChunk)) / 4);
}

UnitSplit split(const PoolArgs& a) {
  const double reads = double(a.out_dims[2]) * a.channels * a.kernel[0] * a.kernel[1] * a.kernel[2];
  return split_units(std::int64_t(a.batch) * a.out_dims[0] * a.out_dims[1], reads / 20);
}

UnitSplit split(const ReduceArgs& a) { return split_columns(a.outer, a.n, a.inner, 0.1); }
UnitSplit split(const SoftmaxArgs& a) { return split_columns(a.outer, a.n, a.inner, 1); }
UnitSplit split(const LayerNormArgs& a) { return split_units(a.rows, double(a.n) / 2); }

CopyPlan plan(const CopyArgs& a) {
  const int last = a.rank - 1;
  if (a.strides[last] == 1 || a.dims[last] == 1) return {CopyPlan::Kind::kRuns, last};
  for (int d = last - 1; d >= 0; --d) {
    if (a.strides[d] == 1 && a.dims[d] > 1) return {CopyPlan::Kind::kTranspose, d};
  }
  return {CopyPlan::Kind::kStrided, last};
}

UnitSplit split(const CopyArgs& a) {
  const CopyPlan p = plan(a);
  const std::int64_t all = product(a.dims, a.rank), length = a.dims[a.rank - 1];
  if (all == 0) return {0, 1};
  if (p.kind == CopyPlan::Kind::kTranspose) {
    const std::int64_t blocks = ceil_div(a.dims[p.fast], kTransposeBlock);
    return split_units(all / a.dims[p.fast] / length * blocks,
                       double(std::min(a.dims[p.fast], kTransposeBlock)) * double(length));
  }
  const double per_element = p.kind == CopyPlan::Kind::kRuns ? 0.1 : 1;
  return split_units(all / length * row_chunks(length),
                     per_element * double(std::min(length, kRowChunk)));
}

UnitSplit split(const ResizeArgs& a) {
  return split_units(std::int64_t(a.batch) * a.out_h,
                     double(a.out_w) * a.channels * a.taps * a.taps / 10);
}

int tasks(const ConvArgs& args) { return int(args.groups * split(args).tasks()); }
int tasks(const GemmArgs& args) { return int(split(args).tasks()); }
int tasks(const MatMulArgs& args) { return int(split(args).tasks()); }
int tasks(const DepthwiseArgs& args) { return split(args).tasks(); }
int tasks(const UnaryArgs& args) { return UnitSplit{args.count, kElementsPerTask}.tasks(); }
int tasks(const BinaryArgs& args) { return split(args).tasks(); }
int tasks(const F16ToF32Args& args) { return UnitSplit{args.count, kElementsPerTask}.tasks(); }
int tasks(const F32ToF16Args& args) { return UnitSplit{args.count, kElementsPerTask}.tasks(); }
int tasks(const PoolArgs& args) { return split(args).tasks(); }
int tasks(const ReduceArgs& args) { return split(args).tasks(); }
int tasks(const SoftmaxArgs& args) { return split(args).tasks(); }
int tasks(const LayerNormArgs& args) { return split(args).tasks(); }
int tasks(const CopyArgs& args) { return split(args).tasks(); }
int tasks(const ResizeArgs& args) { return split(args).tasks(); }
int tasks(const LstmCellArgs&) { return 1; }  // a step is small; the products around it are split
int tasks(const GruCellArgs&) { return 1; }

void merge_dims(BinaryArgs& args) {
  int rank = 0;
  for (int d = 0; d < args.rank; ++d) {
    if (args.dims[d] == 1) continue;
    const std::int64_t n = args.dims[d], a = args.a_strides[d], b = args.b_strides[d];
    if (rank > 0 && args.a_strides[rank - 1] == a * n && args.b_strides[rank - 1] == b * n) {
      args.dims[rank - 1] *= n;
      args.a_strides[rank - 1] = a;
      args.b_strides[rank - 1] = b;
      continue;
    }
    args.dims[rank] = n;
    args.a_strides[rank] = a;
    args.b_strides[rank++] = b;
  }
  if (rank == 0) {  // one element
    args.dims[rank] = 1;
    args.a_strides[rank] = args.b_strides[rank] = 1;
    ++rank;
  }
  args.rank = rank;
}

void merge_dims(CopyArgs& args) {
  int rank = 0;
  for (int d = 0; d < args.rank; ++d) {
    if (args.dims[d] == 1) continue;
    const std::int64_t n = args.dims[d], stride = args.strides[d];
    if (rank > 0 && args.strides[rank - 1] == stride * n) {
      args.dims[rank - 1] *= n;
      args.strides[rank - 1] = stride;
      continue;
    }
    args.dims[rank] = n;
    args.strides[rank++] = stride;
  }
  if (rank == 0) {
    args.dims[rank] = 1;
    args.strides[rank++] = 1;
  }
  args.rank = rank;
}

}  // namespace polder::kernel
