// Conv and ConvTranspose against sums written the other way round: by scattering.
#include "ops/op_values_test.h"

namespace polder::ops {
namespace {

using Ints = std::vector<std::int64_t>;

struct Case2d {
  std::int64_t h, w, channels, outputs, kh, kw, groups;
  std::int64_t stride_h, stride_w, dilation_h, dilation_w;
  std::int64_t pads[4];  // top, left, bottom, right

  std::int64_t out_h() const {
    return (h + pads[0] + pads[2] - (kh - 1) * dilation_h - 1) / stride_h + 1;
  }
  std::int64_t out_w() const {
    return (w + pads[1] + pads[3] - (kw - 1) * dilation_w - 1) / stride_w + 1;
  }
  std::int64_t depth() const { return channels / groups; }
  Attrs attrs() const {
    return {{"strides", Ints{stride_h, stride_w}},
            {"dilations", Ints{dilation_h, dilation_w}},
            {"pads", Ints(pads, pads + 4)},
            {"groups", groups}};
  }
};

// Calls f(input element, weight element (OHWI), output element) for each product of the sums.
template <class F>
void for_each_product(const Case2d& c, F&& f) {
  const std::int64_t out_per_group = c.outputs / c.groups;
  for (std::int64_t y = 0; y < c.h; ++y)
    for (std::int64_t x = 0; x < c.w; ++x)
      for (std::int64_t ky = 0; ky < c.kh; ++ky)
        for (std::int64_t kx = 0; kx < c.kw; ++kx) {
          const std::int64_t ty = y + c.pads[0] - ky * c.dilation_h;
          const std::int64_t tx = x + c.pads[1] - kx * c.dilation_w;
          if (ty < 0 || tx < 0 || ty % c.stride_h || tx % c.stride_w) continue;
          const std::int64_t oy = ty / c.stride_h, ox = tx / c.stride_w;
          if (oy >= c.out_h() || ox >= c.out_w()) continue;
          for (std::int64_t ch = 0; ch < c.channels; ++ch)
            for (std::int64_t o = 0; o < out_per_group; ++o) {
              const std::int64_t out = ch / c.depth() * out_per_group + o;
              f((y * c.w + x) * c.channels + ch,
                ((out * c.kh + ky) * c.kw + kx) * c.depth() + ch % c.depth(),
                (oy * c.out_w() + ox) * c.outputs + out);
            }
        }
}

constexpr Case2d kCases[] = {{7, 6, 5, 19, 3, 3, 1, 1, 1, 1, 1, {1, 1, 1, 1}},
                             {9, 8, 4, 6, 3, 2, 2, 2, 3, 1, 2, {0, 2, 1, 0}},
                             {8, 8, 18, 18, 3, 3, 18, 2, 2, 1, 1, {1, 0, 0, 1}},
                             {6, 7, 3, 9, 3, 3, 3, 1, 1, 2, 1, {2, 1, 2, 1}},
                             {5, 5, 16, 33, 1, 1, 1, 1, 1, 1, 1, {0, 0, 0, 0}}};

TEST(Conv, SumsWhatScatteringSums) {
  for (const Case2d& c : kCases) {
    const auto x = pseudo_random(c.h * c.w * c.channels, 1);
    const auto w = pseudo_random(c.outputs * c.kh * c.kw * c.depth(), 2);
    std::vector<double> expected(std::size_t(c.out_h() * c.out_w() * c.outputs));
    for_each_product(c, [&](auto i, auto k, auto o) {
      expected[std::size_t(o)] += x[std::size_t(i)] * w[std::size_t(k)];
    });
    expect_output("Conv",
                  {"case",
                   {input_of({1, c.h, c.w, c.channels}, x),
                    input_of({c.outputs, c.kh, c.kw, c.depth()}, w, true)},
                   c.attrs()},
                  expected);
  }
}

TEST(ConvTranspose, SumsWhatScatteringSums) {
  for (const Case2d& c : kCases) {
    // It maps what is Conv's output to Conv's input; what strides skipped needs output_padding.
    const std::int64_t reach_h = (c.kh - 1) * c.dilation_h + 1;
    const std::int64_t reach_w = (c.kw - 1) * c.dilation_w + 1;
    const std::int64_t rest_h = (c.h + c.pads[0] + c.pads[2] - reach_h) % c.stride_h;
    const std::int64_t rest_w = (c.w + c.pads[1] + c.pads[3] - reach_w) % c.stride_w;
    const auto x = pseudo_random(c.out_h() * c.out_w() * c.outputs, 3);
    const auto w = pseudo_random(c.outputs * c.kh * c.kw * c.depth(), 4);
    // OHWI of the convolution, seen from the transposed one: [kh, kw, its outputs, depth].
    const std::int64_t out_per_group = c.outputs / c.groups;
    std::vector<double> turned(w.size());
    std::vector<double> expected(std::size_t(c.h * c.w * c.channels));
    for_each_product(c, [&](auto i, auto k, auto o) {
      const std::int64_t tap = k / c.depth() % (c.kh * c.kw);
      const std::int64_t from = o % c.outputs % out_per_group, to = i % c.channels;
      turned[std::size_t((tap * c.channels + to) * out_per_group + from)] = w[std::size_t(k)];
      expected[std::size_t(i)] += x[std::size_t(o)] * w[std::size_t(k)];
    });
    Attrs attrs = c.attrs();
    attrs.set("output_padding", Ints{rest_h, rest_w});
    expect_output("ConvTranspose",
                  {"case",
                   {input_of({1, c.out_h(), c.out_w(), c.outputs}, x),
                    input_of({c.kh, c.kw, c.channels, out_per_group}, turned, true)},
                   attrs},
                  expected);
  }
}

TEST(Conv, EpilogueInItsOrder) {
  const std::vector<double> x = {1, -2}, w = {1, 0, 0, 1}, bias = {0.5, 0.5}, residual = {-3, 4};
  Sample sample = {"residual, then relu",
                   {input_of({1, 1, 1, 2}, x), input_of({2, 1, 1, 2}, w, true),
                    input_of({2}, bias, true), input_of({1, 1, 1, 2}, residual)},
                   {{"activation", "clamp"}}};
  expect_output("Conv", sample, {0, 2.5});
  sample.name = "relu, then residual";
  sample.attrs.set("residual_after", std::int64_t(1));
  expect_output("Conv", sample, {-1.5, 4});
}

TEST(Conv, SamePaddingPutsTheOddOneWhereItSays) {
  const std::vector<double> x = {1, 2, 3, 4}, w = {10, 1};
  Sample sample = {"upper",
                   {input_of({1, 4, 1}, x), input_of({1, 2, 1}, w, true)},
                   {{"auto_pad", "same_upper"}}};
  expect_output("Conv", sample, {12, 23, 34, 40});
  sample.name = "lower";
  sample.attrs.set("auto_pad", "same_lower");
  expect_output("Conv", sample, {1, 12, 23, 34});
}

TEST(Conv, ErrorsNameTheShapes) {
  const OpDef& def = *find_op("Conv");
  const auto message = [&](Shape x, Shape w, std::int64_t groups) {
    Case test =
        make_case(def, {"bad", {{.shape = x}, {.shape = w}}, {{"groups", groups}}}, Known::kShapes);
    const Status status = infer_case(test);
    return status ? std::string("none") : status.error().message;
  };
  EXPECT_NE(message({1, 8, 8, 4}, {6, 3, 3, 5}, 1).find("4 channels"), std::string::npos);
  EXPECT_NE(message({1, 8, 8, 4}, {5, 3, 3, 2}, 2).find("5 output channels"), std::string::npos);
  EXPECT_NE(message({1, 2, 8, 4}, {6, 3, 3, 4}, 1).find("does not fit"), std::string::npos);
}

}  // namespace
}  // namespace polder::ops
