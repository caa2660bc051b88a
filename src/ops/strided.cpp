// Moving elements: what slicing, padding, broadcasting and the like share.
#include "ops/strided.h"

#include <algorithm>
#include <cstring>

#include "kernel/table.h"
#include "ops/broadcast.h"
#include "ops/types.h"

namespace polder::ops {

void copy_plain(const StridedCopy& copy) {
  if (copy.dims.elements() == 0) return;
  const int last = copy.dims.rank() - 1;
  const std::int64_t row = last >= 0 ? copy.dims[last] : 1;
  const std::int64_t step = last >= 0 ? copy.strides[std::size_t(last)] : 1;
  const Shape outer(last >= 0 ? copy.dims.dims().first(std::size_t(last))
                              : std::span<const std::int64_t>());
  const std::array<std::array<std::int64_t, kMaxRank>, 1> strides{copy.strides};
  dispatch_size(copy.type, [&]<class T>() {
    const T* in = static_cast<const T*>(copy.in);
    T* out = static_cast<T*>(copy.out);
    for_each_broadcast(outer, strides, [&](std::int64_t i, const std::array<std::int64_t, 1>& at) {
      if (step == 1) {
        std::memcpy(out + i * row, in + at[0], std::size_t(row) * sizeof(T));
        return;
      }
      for (std::int64_t j = 0; j < row; ++j) out[i * row + j] = in[at[0] + j * step];
    });
  });
}

void copy_vector(const RunContext& run, const StridedCopy& copy) {
  kernel::CopyArgs args;
  args.in = copy.in;
  args.out = copy.out;
  args.element_size = int(size_of(copy.type));
  args.rank = copy.dims.rank();
  std::ranges::copy(copy.dims, args.dims);
  std::copy_n(copy.strides.begin(), args.rank, args.strides);
  kernel::merge_dims(args);
  kernel::run(run.parallel, run.kernels.copy, args);
}

Status copy_whole(const RunContext& run) {
  const TensorView& in = run.in(0);
  const TensorView& out = run.out(0);
  if (out.data != in.data && in.bytes() > 0) std::memcpy(out.data, in.data, in.bytes());
  return {};
}

}  // namespace polder::ops
