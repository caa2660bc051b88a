// Broadcasting: shared by every operator of several inputs that works element by element.
#include "ops/broadcast.h"

#include <algorithm>

#include "kernel/table.h"

namespace polder::ops {

namespace {
// The common extent of two; false when they cannot meet.
bool meet(const Dim& a, const Dim& b, Dim& out) {
  if (a == b || b.is(1)) return out = a, true;
  if (a.is(1)) return out = b, true;
  if (a.known() && b.known()) return false;
  if (a.known()) return out = a, true;
  if (b.known()) return out = b, true;
  out = a.bound >= b.bound ? a : b;
  return true;
}
}  // namespace

Status broadcast_dims(const InferContext& context, int first, int count, Dims& out) {
  int rank = 0;
  for (int i = first; i < first + count; ++i) rank = std::max(rank, context.rank(i));
  out = Dims();
  for (int axis = 0; axis < rank; ++axis) {
    Dim dim = 1;
    for (int i = first; i < first + count; ++i) {
      const int own = axis - (rank - context.rank(i));
      if (own < 0) continue;
      const Dim before = dim;
      if (!meet(before, context.dims(i)[own], dim)) {
        return fail(Code::kInvalid,
                    "shapes {} and {} do not broadcast: {} against {} in dimension {}",
                    context.dims(first).text(), context.dims(i).text(), before.bound,
                    context.dims(i)[own].bound, axis);
      }
    }
    out.push_back(dim);
  }
  return {};
}

void propagate_ints(InferContext& context, IntFunction f, std::int64_t least_b) {
  IntList a, b, out;
  if (!context.ints(0, a) || !context.ints(1, b) || a.size() == 0 || b.size() == 0) return;
  if (a.size() != b.size() && a.size() != 1 && b.size() != 1) return;
  const int count = std::max(a.size(), b.size());
  for (int i = 0; i < count; ++i) {
    const Dim& x = a[a.size() == 1 ? 0 : i];
    const Dim& y = b[b.size() == 1 ? 0 : i];
    const bool known = x.known() && y.known();
    std::int64_t value = 0;
    // The bound of the result is the result of the bounds, as long as the function rises with its
    // operands: not with negative factors and the like.
    if (!known && (x.bound < 0 || y.bound < 0)) return;
    if (!f(x.bound, !y.known() && least_b >= 0 ? least_b : y.bound, value)) return;
    if (known) out.push_back(value);
    else if (y.known() && value == x.bound) out.push_back(x);  // x + 0, x * 1
    else if (x.known() && value == y.bound && least_b < 0) out.push_back(y);
    else out.push_back(context.new_dim(value));
  }
  context.output_ints(0, out);
}

Status infer_binary(InferContext& context, std::initializer_list<DataType> types, DataType out_type,
                    IntFunction ints, std::int64_t least_b) {
  TRY(context.expect_type(0, types));
  if (context.type(0) != context.type(1)) {
    return fail(Code::kInvalid, "inputs are {} and {}; equal types expected",
                type_name(context.type(0)), type_name(context.type(1)));
  }
  Dims dims;
  TRY(broadcast_dims(context, 0, 2, dims));
  context.output(0, out_type == DataType::kNone ? context.type(0) : out_type, dims);
  if (ints) propagate_ints(context, ints, least_b);
  return {};
}

std::array<std::int64_t, kMaxRank> broadcast_strides(const Shape& in, const Shape& out) {
  std::array<std::int64_t, kMaxRank> strides{};
  std::int64_t stride = 1;
  for (int axis = in.rank() - 1; axis >= 0; --axis) {
    const int target = axis + out.rank() - in.rank();
    if (target < 0) break;
    strides[std::size_t(target)] = in[axis] == 1 ? 0 : stride;
    stride *= in[axis];
  }
  return strides;
}

Status run_vector_binary(const RunContext& run, kernel::Binary op) {
  const TensorView& a = run.in(0);
  const TensorView& b = run.in(1);
  const TensorView& out = run.out(0);
  kernel::BinaryArgs args;
  args.op = op;
  args.a = a.as<float>();
  args.b = b.as<float>();
  args.out = out.as<float>();
  args.rank = out.shape.rank();
  std::ranges::copy(out.shape, args.dims);
  std::ranges::copy(broadcast_strides(a.shape, out.shape), args.a_strides);
  std::ranges::copy(broadcast_strides(b.shape, out.shape), args.b_strides);
  kernel::merge_dims(args);
  kernel::run(run.parallel, run.kernels.binary, args);
  return {};
}

}  // namespace polder::ops
