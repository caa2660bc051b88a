// Strided copies and resizing.
#include "kernel/testing.h"

namespace polder::kernel {
namespace {

class CopyTest : public IsaTest {};
class ResizeTest : public IsaTest {};

// Copies numbered elements and compares with an index walk.
template <class T>
void check_copy(const Kernels& kernels, const std::vector<std::int64_t>& dims,
                const std::vector<std::int64_t>& strides) {
  SCOPED_TRACE(testing::Message() << sizeof(T) << " bytes " << testing::PrintToString(dims)
                                  << " by " << testing::PrintToString(strides));
  std::int64_t size = 1, lowest = 0, highest = 0;
  for (std::size_t d = 0; d < dims.size(); ++d) {
    size *= dims[d];
    const std::int64_t reach = (dims[d] - 1) * strides[d];
    (reach < 0 ? lowest : highest) += reach;
  }
  if (size == 0) lowest = highest = 0;
  std::vector<T> in(std::size_t(highest - lowest + 1));
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = T(i * 7 + 3);
  Guarded<T> out(size), apart(size);
  CopyArgs args;
  args.in = in.data() - lowest;
  args.out = out.data();
  args.element_size = sizeof(T);
  args.rank = int(dims.size());
  std::copy(dims.begin(), dims.end(), args.dims);
  std::copy(strides.begin(), strides.end(), args.strides);
  merge_dims(args);
  kernels.copy(args, 0, tasks(args));
  out.check();
  for (std::int64_t i = 0; i < size; ++i) {
    std::int64_t rest = i, at = -lowest;
    for (std::size_t d = dims.size(); d-- > 0; rest /= dims[d]) at += rest % dims[d] * strides[d];
    ASSERT_EQ(out[i], in[std::size_t(at)]) << "element " << i;
  }
  args.out = apart.data();
  run_tasks_apart(kernels.copy, args);
  ASSERT_EQ(std::memcmp(apart.data(), out.data(), std::size_t(size) * sizeof(T)), 0);
}

template <class T>
void check_copies(const Kernels& kernels) {
  check_copy<T>(kernels, {}, {});
  check_copy<T>(kernels, {5}, {1});
  check_copy<T>(kernels, {100003}, {1});
  check_copy<T>(kernels, {3, 100, 70}, {7000, 1, 100});  // NCHW -> NHWC
  check_copy<T>(kernels, {2, 50, 3}, {150, 1, 50});
  check_copy<T>(kernels, {2, 3, 50}, {150, 1, 3});  // NHWC -> NCHW
  check_copy<T>(kernels, {7, 5, 11, 6}, {66, 462, 6, 1});
  check_copy<T>(kernels, {7, 5, 11, 6}, {330, 1, 30, 5});
  check_copy<T>(kernels, {4, 5, 6, 7}, {1, 4, 20, 120});  // all reversed
  check_copy<T>(kernels, {9, 13}, {13, -1});              // flipped
  check_copy<T>(kernels, {9, 13}, {-26, 2});              // stepped
  check_copy<T>(kernels, {9, 13, 4}, {0, 1, 0});          // broadcast
  check_copy<T>(kernels, {3, 0, 2}, {2, 2, 1});
  check_copy<T>(kernels, {33, 65}, {1, 33});
  check_copy<T>(kernels, {2, 9000}, {1, 2});
}

TEST_P(CopyTest, AllStridesAndSizes) {
  check_copies<std::uint8_t>(kernels());
  check_copies<std::uint16_t>(kernels());
  check_copies<std::uint32_t>(kernels());
  check_copies<std::uint64_t>(kernels());
}

TEST_P(ResizeTest, WeighsItsTaps) {
  for (int taps : {1, 2, 4}) {
    for (int channels : {1, 3, 16, 37}) {
      const int in_h = 7, in_w = 9, out_h = 13, out_w = 20, batch = 2;
      const auto in = random_floats(std::int64_t(batch) * in_h * in_w * channels, 1);
      const auto wy = random_floats(out_h * taps, 2), wx = random_floats(out_w * taps, 3);
      std::vector<std::int32_t> iy(std::size_t(out_h * taps)), ix(std::size_t(out_w * taps));
      for (std::size_t i = 0; i < iy.size(); ++i) iy[i] = std::int32_t(i * 5 % in_h);
      for (std::size_t i = 0; i < ix.size(); ++i) ix[i] = std::int32_t(i * 7 % in_w);
      const std::int64_t size = std::int64_t(batch) * out_h * out_w * channels;
      Guarded<float> out(size), apart(size);
      ResizeArgs args{in.data(),
                      out.data(),
                      batch,
                      in_h,
                      in_w,
                      channels,
                      out_h,
                      out_w,
                      taps,
                      iy.data(),
                      taps > 1 ? wy.data() : nullptr,
                      ix.data(),
                      taps > 1 ? wx.data() : nullptr};
      kernels().resize(args, 0, tasks(args));
      out.check();
      for (std::int64_t i = 0; i < size; ++i) {
        const int c = int(i % channels), x = int(i / channels % out_w);
        const int y = int(i / channels / out_w % out_h), b = int(i / channels / out_w / out_h);
        double sum = 0;
        for (int t = 0; t < taps * taps; ++t) {
          const int ty = y * taps + t / taps, tx = x * taps + t % taps;
          const double w = taps > 1 ? double(wy[ty]) * wx[tx] : 1;
          sum += w * in[((b * in_h + iy[ty]) * in_w + ix[tx]) * channels + c];
        }
        ASSERT_NEAR(out[i], sum, taps > 1 ? 1e-5 : 0) << i;
      }
      args.out = apart.data();
      run_tasks_apart(kernels().resize, args);
      ASSERT_EQ(std::memcmp(apart.data(), out.data(), std::size_t(size) * 4), 0);
    }
  }
}

POLDER_FOR_EACH_ISA(CopyTest);
POLDER_FOR_EACH_ISA(ResizeTest);

}  // namespace
}  // namespace polder::kernel
