#include "agent/decisions.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "runtime/golden.h"

namespace polder::agent {
namespace {

constexpr float kSameBox = 0.5F;  // intersection over union

// The extents of the picture that a model sees, channels first or last.
std::pair<int, int> size_of(std::span<const TensorView> inputs) {
  for (const TensorView& input : inputs) {
    if (input.shape.rank() != 4) continue;
    const bool is_last = input.shape[3] <= 4;
    const int rows = is_last ? 1 : 2;
    return {int(input.shape[rows + 1]), int(input.shape[rows])};
  }
  return {1, 1};
}

// The decoder of a pipeline, once more, for what either of two models has found.
class Decoder {
 public:
  explicit Decoder(std::unique_ptr<pipeline::Node> node)
      : node_(std::move(node)),
        tensors_(pipeline::PayloadKind::kTensors, 1),
        detections_(pipeline::PayloadKind::kDetections, 1) {}

  Result<std::vector<pipeline::Detection>> boxes(std::span<const TensorView> inputs,
                                                 const Executor& model) {
    pipeline::Packet packet;
    packet.payload = tensors_.acquire();
    auto& in = static_cast<pipeline::Tensors&>(*packet.payload.get());
    const auto [width, height] = size_of(inputs);
    in.tile_width = in.source_width = width;
    in.tile_height = in.source_height = height;
    in.crops = {{.region = {0, 0, float(width), float(height)}}};
    const int outputs = int(model.outputs().size());
    in.resize(1, outputs);
    for (int k = 0; k < outputs; ++k) {
      const TensorView view = model.output(k);
      pipeline::Tensor& tensor = in.runs[0][std::size_t(k)];
      tensor.name = model.outputs()[std::size_t(k)].name;
      tensor.reset(view.type, view.shape);
      std::memcpy(tensor.data.data(), view.data, view.bytes());
    }
    pipeline::Emitter out(&detections_);
    TRY(node_->process({&packet, 1}, out));
    return out.packet().as<pipeline::Detections>().items;
  }

 private:
  std::unique_ptr<pipeline::Node> node_;
  pipeline::PayloadPool tensors_, detections_;
};

std::vector<double> scores_of(std::span<const pipeline::Detection> boxes) {
  std::vector<double> scores;
  for (const pipeline::Detection& box : boxes) scores.push_back(box.score);
  return scores;
}

// On each row of the last axis.
double agreement_of_rows(const TensorView& some, const TensorView& others) {
  const std::int64_t width = some.shape[some.shape.rank() - 1];
  const std::int64_t rows = some.shape.elements() / width;
  std::int64_t same = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto best = [&](const TensorView& view) {
      const float* const from = view.as<float>() + row * width;
      return std::max_element(from, from + width) - from;
    };
    same += best(some) == best(others);
  }
  return rows == 0 ? 1 : double(same) / double(rows);
}

const pipeline::NodeSpec* next_step(const pipeline::Graph& graph, int node) {
  for (const pipeline::EdgeSpec& edge : graph.edges) {
    if (edge.from != node) continue;
    const pipeline::NodeSpec& next = graph.nodes[std::size_t(edge.to)];
    if (next.type->output == pipeline::PayloadKind::kDetections || next.type->name == "vad_smooth")
      return &next;
  }
  return nullptr;
}

// Names of the outputs in "output:input".
std::vector<std::string> carried_by(const pipeline::NodeSpec& infer) {
  std::vector<std::string> names = infer.settings.strings("carry");
  for (std::string& name : names) name.resize(std::min(name.find(':'), name.size()));
  return names;
}

}  // namespace

double agreement_of_boxes(std::span<const pipeline::Detection> some,
                          std::span<const pipeline::Detection> others) {
  const std::size_t all = some.size() + others.size();
  std::vector<bool> taken(others.size());
  std::size_t pairs = 0;
  for (const pipeline::Detection& one : some) {
    float most = kSameBox;
    std::size_t best = others.size();
    for (std::size_t i = 0; i < others.size(); ++i) {
      if (taken[i] || others[i].label != one.label) continue;
      const float overlap = iou(one.box, others[i].box);
      if (overlap >= most) most = overlap, best = i;
    }
    if (best == others.size()) continue;
    taken[best] = true;
    ++pairs;
  }
  return all == 0 ? 1 : 2 * double(pairs) / double(all);
}

double agreement_of_outputs(const Executor& old_one, const Executor& new_one,
                            std::span<const std::string> carried, Tolerance tolerance) {
  double sum = 0;
  int count = 0;
  for (int i = 0; i < int(old_one.outputs().size()); ++i) {
    const Port& port = old_one.outputs()[std::size_t(i)];
    if (std::ranges::find(carried, port.name) != carried.end()) continue;
    const TensorView some = old_one.output(i), others = new_one.output(i);
    const int rank = some.shape.rank();
    const bool has_rows = some.type == DataType::kF32 && rank > 0 && some.shape[rank - 1] > 1 &&
                          some.shape == others.shape;
    double largest = 0;
    sum +=
        has_rows
            ? agreement_of_rows(some, others)
            : double(
                  check_close(others, some, tolerance.absolute, tolerance.relative, largest).ok());
    ++count;
  }
  return count == 0 ? 1 : sum / count;
}

Result<Compare> comparison_of(const pipeline::Graph& graph, int node, const std::string& folder,
                              Tolerance tolerance) {
  const pipeline::NodeSpec* const next = next_step(graph, node);
  if (!next)
    return Compare(
        [carried = carried_by(graph.nodes[std::size_t(node)]), tolerance](
            std::span<const TensorView>, const Executor& old_one, const Executor& new_one) {
          return Decisions{agreement_of_outputs(old_one, new_one, carried, tolerance), {}, {}};
        });
  if (next->type->name == "vad_smooth") {
    const int output = int(next->settings.integer("output"));
    const auto on = float(next->settings.number("on"));
    return Compare([output, on](std::span<const TensorView>, const Executor& old_one,
                                const Executor& new_one) {
      // Silence, where it is no number.
      const auto speech = [&](const Executor& model) {
        const TensorView view = model.output(output);
        const bool is_number = view.type == DataType::kF32 && view.shape.elements() > 0;
        return is_number ? *view.as<float>() : 0.0F;
      };
      const float before = speech(old_one), now = speech(new_one);
      return Decisions{double((before >= on) == (now >= on)), {before}, {now}};
    });
  }
  pipeline::Environment environment;
  environment.input_folder = folder;
  TRY_VALUE(std::unique_ptr<pipeline::Node> made, next->type->make(next->settings, environment));
  auto decoder = std::make_shared<Decoder>(std::move(made));
  return Compare([decoder = std::move(decoder)](std::span<const TensorView> inputs,
                                                const Executor& old_one, const Executor& new_one) {
    const auto some = decoder->boxes(inputs, old_one);
    const auto others = decoder->boxes(inputs, new_one);
    if (!some.ok() || !others.ok()) return Decisions();
    return Decisions{agreement_of_boxes(*some, *others), scores_of(*some), scores_of(*others)};
  });
}

}  // namespace polder::agent
