// LSTM, GRU and RNN against their equations, written for one hidden element, and against each
// other's directions.
#include <cmath>

#include "ops/op_values_test.h"

namespace polder::ops {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

SampleInput fixed(Shape shape, std::vector<double> values) {
  return input_of(shape, std::move(values), true);
}

const std::vector<double> kX = {0.5, -1, 0.25};  // three steps of one row of one element

TEST(Lstm, FollowsItsEquations) {
  // Gates i, o, f, c.
  const double w[] = {0.5, -0.5, 0.25, 1}, r[] = {0.75, 0.5, -0.25, 0.5};
  const double wb[] = {0.1, 0.2, 0.3, 0.4}, rb[] = {-0.1, 0, 0.1, 0.2};
  const double p[] = {0.5, -0.25, 0.125};  // i, o, f
  double h = 0.25, c = -0.5;
  std::vector<double> y;
  for (const double x : kX) {
    double sum[4];
    for (int g = 0; g < 4; ++g) sum[g] = w[g] * x + r[g] * h + wb[g] + rb[g];
    const double i = sigmoid(sum[0] + p[0] * c), f = sigmoid(sum[2] + p[2] * c);
    c = f * c + i * std::tanh(sum[3]);
    h = sigmoid(sum[1] + p[1] * c) * std::tanh(c);
    y.push_back(h);
  }
  std::vector<double> bias(wb, wb + 4);
  bias.insert(bias.end(), rb, rb + 4);
  const Sample sample = {"peepholes",
                         {input_of({3, 1, 1}, kX),
                          fixed({1, 4, 1}, {w, w + 4}),
                          fixed({1, 4, 1}, {r, r + 4}),
                          fixed({1, 8}, bias),
                          {.type = DataType::kNone},
                          input_of({1, 1, 1}, {0.25}),
                          input_of({1, 1, 1}, {-0.5}),
                          fixed({1, 3}, {p, p + 3})},
                         {},
                         {{3, 1, 1, 1}, {1, 1, 1}, {1, 1, 1}}};
  expect_output("LSTM", sample, y);
  const auto got = run_values("LSTM", sample, kernel::best_isa());
  expect_near(got.at(1), {h});
  expect_near(got.at(2), {c});
}

TEST(Gru, FollowsItsEquations) {
  // Gates z, r, h.
  const double w[] = {0.5, -0.5, 1}, r[] = {0.75, 0.5, -0.5};
  const double wb[] = {0.1, 0.2, 0.3}, rb[] = {-0.1, 0.3, 0.25};
  for (const bool linear : {false, true}) {
    double h = 0.25;
    std::vector<double> y;
    for (const double x : kX) {
      const double z = sigmoid(w[0] * x + r[0] * h + wb[0] + rb[0]);
      const double reset = sigmoid(w[1] * x + r[1] * h + wb[1] + rb[1]);
      const double product = linear ? reset * (r[2] * h + rb[2]) : r[2] * (reset * h) + rb[2];
      h = (1 - z) * std::tanh(w[2] * x + wb[2] + product) + z * h;
      y.push_back(h);
    }
    const Sample sample = {linear ? "linear before reset" : "reset before linear",
                           {input_of({3, 1, 1}, kX),
                            fixed({1, 3, 1}, {w, w + 3}),
                            fixed({1, 3, 1}, {r, r + 3}),
                            fixed({1, 6}, {0.1, 0.2, 0.3, -0.1, 0.3, 0.25}),
                            {.type = DataType::kNone},
                            input_of({1, 1, 1}, {0.25})},
                           {{"linear_before_reset", std::int64_t(linear)}},
                           {{3, 1, 1, 1}, {1, 1, 1}}};
    expect_output("GRU", sample, y);
  }
}

TEST(Rnn, FollowsItsEquation) {
  double h = 0;
  std::vector<double> y;
  for (const double x : kX) y.push_back(h = std::tanh(0.5 * x - 0.75 * h + 0.1 + 0.2));
  expect_output("RNN",
                {"tanh",
                 {input_of({3, 1, 1}, kX), fixed({1, 1, 1}, {0.5}), fixed({1, 1, 1}, {-0.75}),
                  fixed({1, 2}, {0.1, 0.2})},
                 {},
                 {{3, 1, 1, 1}, {1, 1, 1}}},
                y);
}

// Two rows, of 3 and 2 steps, walked backwards: as walking the reversed rows forwards.
TEST(Rnn, ReverseBeginsWhereEachRowEnds) {
  const std::vector<double> w = {0.5}, r = {-0.75};
  const auto run = [&](std::vector<double> x, std::vector<double> lengths, const char* direction) {
    const auto steps = std::int64_t(x.size() / 2);
    return run_values("RNN",
                      {direction,
                       {input_of({steps, 2, 1}, std::move(x)),
                        fixed({1, 1, 1}, w),
                        fixed({1, 1, 1}, r),
                        {.type = DataType::kNone},
                        {DataType::kI32, {2}, std::move(lengths)}},
                       {{"direction", direction}},
                       {{steps, 1, 2, 1}, {1, 2, 1}}},
                      kernel::best_isa());
  };
  const auto reverse = run({1, 4, 2, 5, 3, 9}, {3, 2}, "reverse");
  const auto forward = run({3, 5, 2, 4, 1, 9}, {3, 2}, "forward");
  expect_near(reverse.at(1), forward.at(1));
  const auto& y = forward.at(0);
  expect_near(reverse.at(0), {y[4], y[3], y[2], y[1], y[0], 0});
  EXPECT_EQ(y[5], 0);
}

}  // namespace
}  // namespace polder::ops
