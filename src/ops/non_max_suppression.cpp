// NonMaxSuppression: of the boxes [batch, boxes, 4] and scores [batch, classes, boxes] the best of
// each class that do not overlap a better one by more than a share of their union (intersection
// over union): rows of batch, class and box. Further inputs, all optional: the most boxes of a
// class (0: none), the share, and the score that must be exceeded. Boxes are two opposite corners
// y1, x1, y2, x2, or with "center_point_box" centre x, y, width and height.
#include <algorithm>

#include "ops/axes.h"
#include "ops/tools.h"

namespace polder::ops::non_max_suppression {
namespace {

struct Params {
  bool centers;
};

void parse(AttrReader& attrs, Params& p) { p.centers = attrs.flag("center_point_box", false); }

Status infer(InferContext& context) {
  for (int i = 0; i < 2; ++i) {
    TRY(context.expect_type(i, {DataType::kF32}));
    TRY(context.expect_rank(i, 3, 3));
  }
  for (int i = 2; i < 5; ++i) {
    if (!context.has(i)) continue;
    TRY(context.expect_type(i, {i == 2 ? DataType::kI64 : DataType::kF32}));
    if (context.dims(i).known() && context.dims(i).max_elements() != 1) {
      return fail(Code::kInvalid, "input {} is {}; one number expected", i, context.dims(i).text());
    }
  }
  const Dims &boxes = context.dims(0), &scores = context.dims(1);
  const auto differ = [](const Dim& a, const Dim& b) { return a.known() && b.known() && a != b; };
  if (differ(boxes[0], scores[0]) || differ(boxes[1], scores[2]) || differ(boxes[2], Dim(4))) {
    return fail(Code::kInvalid, "boxes {} and scores {}", boxes.text(), scores.text());
  }
  std::int64_t most = boxes[1].bound;
  if (double given = 0; !context.has(2)) most = 0;
  else if (context.scalar(2, given)) most = std::int64_t(std::clamp(given, 0.0, double(most)));
  const Shape bounds = {scores[0].bound, scores[1].bound, most};
  context.output(0, DataType::kI64, {context.new_dim(std::min(bounds.elements(), kUnbounded)), 3});
  return {};
}

struct Corners {
  float y1, x1, y2, x2;
};

Corners corners_of(const float* box, bool centers) {
  if (centers) {
    return {box[1] - box[3] / 2, box[0] - box[2] / 2, box[1] + box[3] / 2, box[0] + box[2] / 2};
  }
  return {std::min(box[0], box[2]), std::min(box[1], box[3]), std::max(box[0], box[2]),
          std::max(box[1], box[3])};
}

float overlap(const Corners& a, const Corners& b) {
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (height <= 0 || width <= 0) return 0;
  const float shared = height * width;
  const float both = (a.y2 - a.y1) * (a.x2 - a.x1) + (b.y2 - b.y1) * (b.x2 - b.x1);
  return shared / (both - shared);
}

// Positions of a class's boxes, best first.
std::size_t workspace(const NodeInfo& node) {
  const Dims& boxes = node.in(0).dims;
  return boxes.rank() == 3 ? std::size_t(boxes[1].bound) * sizeof(std::int32_t) : 0;
}

struct Limits {
  std::int64_t most = 0;
  float share = 0, score = -std::numeric_limits<float>::infinity();
};

// Keeps the chosen ones at the front of `order` and returns how many there are.
std::int64_t suppress(const float* boxes, const float* scores, std::int64_t count,
                      const Limits& limits, bool centers, std::int32_t* order) {
  std::int64_t candidates = 0, kept = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (scores[i] > limits.score) order[candidates++] = std::int32_t(i);
  }
  std::sort(order, order + candidates, [&](std::int32_t a, std::int32_t b) {
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
  });
  for (std::int64_t i = 0; i < candidates && kept < limits.most; ++i) {
    const Corners box = corners_of(boxes + 4 * order[i], centers);
    bool clear = true;
    for (std::int64_t j = 0; j < kept && clear; ++j) {
      clear = overlap(box, corners_of(boxes + 4 * order[j], centers)) <= limits.share;
    }
    if (clear) order[kept++] = order[i];
  }
  return kept;
}

Status reference(const RunContext& run) {
  const TensorView &boxes = run.in(0), &scores = run.in(1);
  TensorView& out = run.out(0);
  Limits limits;
  if (run.has(2)) limits.most = *run.in(2).as<std::int64_t>();
  if (run.has(3)) limits.share = *run.in(3).as<float>();
  if (run.has(4)) limits.score = *run.in(4).as<float>();
  const std::int64_t count = boxes.shape[1], classes = scores.shape[1];
  auto* order = reinterpret_cast<std::int32_t*>(run.workspace);
  std::int64_t* row = out.as<std::int64_t>();
  std::int64_t found = 0;
  for (std::int64_t batch = 0; batch < scores.shape[0]; ++batch) {
    for (std::int64_t c = 0; c < classes; ++c) {
      const float* of_class = scores.as<float>() + (batch * classes + c) * count;
      const std::int64_t kept = suppress(boxes.as<float>() + batch * count * 4, of_class, count,
                                         limits, run.as<Params>().centers, order);
      for (std::int64_t i = 0; i < kept; ++i, row += 3) {
        row[0] = batch, row[1] = c, row[2] = order[i];
      }
      found += kept;
    }
  }
  out.shape = {found, 3};
  return {};
}

std::vector<Sample> samples() {
  const SampleInput boxes = {.shape = {1, 6, 4},
                             .values = {0, 0,  1, 1,  0, 0.1,  1, 1.1,  0, -0.1, 1, 0.9,
                                        0, 10, 1, 11, 0, 10.1, 1, 11.1, 0, 100,  1, 101}};
  const SampleInput scores = {.shape = {1, 1, 6}, .values = {0.9, 0.75, 0.6, 0.95, 0.5, 0.3}};
  const auto real = [](double x) { return SampleInput{.shape = {1}, .values = {x}}; };
  const SampleInput three = {DataType::kI64, {1}, {3}};
  return {{"by overlap", {boxes, scores, three, real(0.5), real(0)}, {}, {{3, 3}}},
          {"by score", {boxes, scores, three, real(0.5), real(0.4)}, {}, {{2, 3}}},
          {"none", {boxes, scores}, {}, {{0, 3}}},
          {"random",
           {{.shape = {2, 20, 4}, .low = 0, .high = 1},
            {.shape = {2, 3, 20}, .low = 0, .high = 1},
            {DataType::kI64, {}, {5}},
            real(0.3)},
           {{"center_point_box", std::int64_t(1)}},
           {{30, 3}}}};
}

constexpr OnnxRule kOnnx[] = {{"NonMaxSuppression"}};

}  // namespace

extern const OpDef def = {
    .name = "NonMaxSuppression",
    .min_inputs = 2,
    .max_inputs = 5,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .reference_workspace = workspace,
    .finds_extents = true,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::non_max_suppression
