// Runs a model on each tile, or on each window of audio, through whatever Executor was injected.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/fail.h"
#include "pipeline/steps/steps.h"

namespace polder::pipeline {
namespace {

constexpr Option kOptions[] = {
    {.name = "model",
     .type = OptionType::kString,
     .required = true,
     .doc = "The model: .tflite, .onnx or a plan; relative to the pipeline file.",
     .fixed = true},
    {.name = "every",
     .type = OptionType::kInteger,
     .fallback = "1",
     .unit = "packets",
     .min = 1,
     .max = 1000,
     .doc = "Run on every n-th packet only; the others are passed over."},
    {.name = "threads",
     .type = OptionType::kInteger,
     .fallback = "1",
     .min = 1,
     .max = 64,
     .doc = "Threads of one run."},
    {.name = "shapes",
     .type = OptionType::kTable,
     .doc = "Extents of inputs, by name, of an ONNX model with free dimensions, such as "
            "`{ image = [1, 3, 480, 640] }`; -1 is what the model says."},
    {.name = "bounds",
     .type = OptionType::kTable,
     .doc = "Largest extents of free dimensions, by their name or as \"input[axis]\", such as "
            "`{ N = 8, \"image[2]\" = 960 }`."},
    {.name = "constants",
     .type = OptionType::kTable,
     .doc = "Inputs that keep one value, by name, such as `{ sr = 16000 }`."},
    {.name = "carry",
     .type = OptionType::kStrings,
     .doc =
         "\"output:input\": what a run leaves in the output is the input of the next; zero at the "
         "start. For recurrent models."},
};

constexpr std::int64_t kMaxInputBytes = std::int64_t(1) << 30;

// An input that the pipeline does not feed: a constant or carried state.
struct KeptInput {
  Tensor tensor;
  int from_output = -1;
};

// Options `shapes` and `bounds`.
Status read_sizes(const Settings& settings, ModelRequest& request) {
  if (const TomlValue* shapes = settings.find("shapes")) {
    for (const auto& [name, value] : shapes->members) {
      auto& extents = request.shapes.emplace_back(name, std::vector<std::int64_t>()).second;
      for (const TomlValue& item : value.items) extents.push_back(item.integer);
      const auto whole = [](const TomlValue& item) { return item.kind == TomlKind::kInteger; };
      if (value.kind != TomlKind::kArray || !std::ranges::all_of(value.items, whole))
        return fail(Code::kInvalid, "{}: '{}' must be an array of whole numbers, such as [1, 576]",
                    settings.place("shapes"), name);
    }
  }
  if (const TomlValue* bounds = settings.find("bounds")) {
    for (const auto& [name, value] : bounds->members) {
      if (value.kind != TomlKind::kInteger)
        return fail(Code::kInvalid, "{}: '{}' must be a whole number", settings.place("bounds"),
                    name);
      request.bounds.emplace_back(name, value.integer);
    }
  }
  return {};
}

class InferStep final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings,
                                            const Environment& environment) {
    auto step = std::make_unique<InferStep>();
    const std::string path = path_in(environment.input_folder, settings.string("model"));
    if (!environment.open_model)
      return fail(Code::kUnavailable, "{}: this program has no engine to run {}",
                  settings.place("model"), path);
    ModelRequest request{.path = path, .threads = int(settings.integer("threads"))};
    TRY(read_sizes(settings, request));
    auto opened = environment.open_model(request);
    if (!opened.ok()) return std::move(opened).error().at(settings.place("model"));
    step->executor_ = std::move(opened).value();
    step->place_ = settings.place("model");
    step->every_ = std::uint64_t(settings.integer("every"));
    step->kept_.resize(step->executor_->inputs().size());
    step->fed_.assign(step->executor_->inputs().size(), true);
    TRY(step->keep_constants(settings));
    TRY(step->keep_carried(settings));
    const auto fed = std::ranges::find(step->fed_, true);
    if (fed == step->fed_.end() || std::ranges::count(step->fed_, true) != 1)
      return fail(Code::kInvalid,
                  "{}: the pipeline feeds one input, but {} has {} that neither "
                  "'constants' nor 'carry' names",
                  settings.place("model"), path, std::ranges::count(step->fed_, true));
    step->feed_ = int(fed - step->fed_.begin());
    const Port& port = step->executor_->inputs()[std::size_t(step->feed_)];
    if (port.type != DataType::kF32)
      return fail(Code::kUnsupported, "{}: input '{}' of {} is {}; the pipeline feeds f32",
                  settings.place("model"), port.name, path, type_name(port.type));
    return std::unique_ptr<Node>(std::move(step));
  }

  Status process(std::span<const Packet> inputs, Emitter& out) override {
    const auto& in = inputs[0].as<Tensors>();
    auto& result = out.acquire<Tensors>();
    result.tile_width = in.tile_width;
    result.tile_height = in.tile_height;
    result.source_width = in.source_width;
    result.source_height = in.source_height;
    result.crops = in.crops;
    const bool runs = inputs[0].seq % every_ == 0;
    const int outputs = int(executor_->outputs().size());
    result.resize(runs ? in.run_count : 0, outputs);
    if (result.run_count == 0) out.pass_over();
    for (int i = 0; i < result.run_count; ++i) {
      TRY(run(in.runs[std::size_t(i)][0]));
      for (int k = 0; k < outputs; ++k) {
        Tensor& tensor = result.runs[std::size_t(i)][std::size_t(k)];
        const TensorView view = executor_->output(k);
        tensor.name = executor_->outputs()[std::size_t(k)].name;
        tensor.reset(view.type, view.shape);
        std::memcpy(tensor.data.data(), view.data, view.bytes());
      }
    }
    out.emit(inputs[0]);
    return {};
  }

 private:
  Result<int> find_port(std::span<const Port> ports, std::string_view name,
                        const std::string& place, std::string_view what) const {
    std::string known;
    for (std::size_t i = 0; i < ports.size(); ++i) {
      if (ports[i].name == name) return int(i);
      known += (known.empty() ? "'" : ", '") + ports[i].name + "'";
    }
    return fail(Code::kInvalid, "{}: the model has no {} '{}'; it has {}", place, what, name,
                known);
  }

  Status keep(int input, const std::string& place) {
    const Port& port = executor_->inputs()[std::size_t(input)];
    if (!fed_[std::size_t(input)])
      return fail(Code::kInvalid,
                  "{}: input '{}' is named a second time in 'constants' and 'carry'", place,
                  port.name);
    Shape shape = port.shape;
    for (int axis = 0; axis < shape.rank(); ++axis)
      if (shape[axis] < 0) shape[axis] = 1;
    if (shape.elements() > kMaxInputBytes / 8)
      return fail(Code::kExhausted, "{}: input '{}' of {} is too large", place, port.name,
                  shape.text());
    kept_[std::size_t(input)].tensor.reset(port.type, shape);
    fed_[std::size_t(input)] = false;
    return {};
  }

  static Status fill(Tensor& tensor, const TomlValue& value, std::string_view name,
                     const std::string& place) {
    const auto count = std::size_t(tensor.shape.elements());
    const bool is_whole = value.kind == TomlKind::kInteger;
    const auto refuse = [&](std::string_view wanted) {
      return fail(Code::kInvalid, "{}: input '{}' is {}; its constant must be {}", place, name,
                  type_name(tensor.type), wanted);
    };
    if (tensor.type == DataType::kI64) {
      if (!is_whole) return refuse("a whole number");
      std::fill_n(reinterpret_cast<std::int64_t*>(tensor.data.data()), count, value.integer);
    } else if (tensor.type == DataType::kI32) {
      const auto number = std::int32_t(value.integer);
      if (!is_whole || number != value.integer) return refuse("a whole number of 32 bits");
      std::fill_n(reinterpret_cast<std::int32_t*>(tensor.data.data()), count, number);
    } else if (tensor.type == DataType::kF32) {
      const bool is_number = is_whole || value.kind == TomlKind::kFloat;
      if (!is_number || !(std::abs(value.number) <= std::numeric_limits<float>::max()))
        return refuse("a number");
      std::fill_n(tensor.f32(), count, float(value.number));
    } else {
      return fail(Code::kUnsupported, "{}: input '{}' is {}; constants are f32, i32 or i64", place,
                  name, type_name(tensor.type));
    }
    return {};
  }

  Status keep_constants(const Settings& settings) {
    const TomlValue* constants = settings.find("constants");
    if (!constants) return {};
    const std::string place = settings.place("constants");
    for (const auto& [name, value] : constants->members) {
      const auto found = find_port(executor_->inputs(), name, place, "input");
      if (!found.ok())
        return fail(Code::kInvalid,
                    "{}. One that was fixed when the model was compiled ('polder compile --bind') "
                    "is none any more: leave it out here",
                    found.error().message);
      const int input = *found;
      TRY(keep(input, place));
      Tensor& tensor = kept_[std::size_t(input)].tensor;
      TRY(fill(tensor, value, name, place));
    }
    return {};
  }

  Status keep_carried(const Settings& settings) {
    for (const std::string& pair : settings.strings("carry")) {
      const std::string place = settings.place("carry");
      const std::size_t colon = pair.find(':');
      if (colon == std::string::npos)
        return fail(Code::kInvalid, "{}: '{}' must read \"output:input\"", place, pair);
      TRY_VALUE(const int output,
                find_port(executor_->outputs(), pair.substr(0, colon), place, "output"));
      TRY_VALUE(const int input,
                find_port(executor_->inputs(), pair.substr(colon + 1), place, "input"));
      TRY(keep(input, place));
      KeptInput& kept = kept_[std::size_t(input)];
      kept.from_output = output;
      const Port& from = executor_->outputs()[std::size_t(output)];
      const bool is_free = std::ranges::find(from.shape, -1) != from.shape.end();
      if (from.type != kept.tensor.type || (!is_free && !(from.shape == kept.tensor.shape)))
        return fail(Code::kInvalid, "{}: \"{}\": the output is {} {}, the input {} {}", place, pair,
                    type_name(from.type), from.shape.text(), type_name(kept.tensor.type),
                    kept.tensor.shape.text());
    }
    return {};
  }

  // Whether what comes has the extents that the model takes.
  static bool fits(const Shape& given, const Port& port) {
    if (given.rank() != port.shape.rank()) return false;
    for (int axis = 0; axis < given.rank(); ++axis) {
      if (port.shape[axis] < 0 ? given[axis] > port.bounds[axis] : given[axis] != port.shape[axis])
        return false;
    }
    return true;
  }

  // Whether a side of a picture that the model leaves free is no multiple of 32.
  static bool is_odd_size(const Shape& given, const Port& port) {
    if (port.shape.rank() != 4) return false;
    for (int axis = 1; axis < 4; ++axis)
      if (port.shape[axis] < 0 && given[axis] % 32 != 0) return true;
    return false;
  }

  // After a run of `tensor` failed; the error is known already.
  bool fails_on_zeros(const Tensor& tensor) {
    Tensor zeros;
    zeros.reset(tensor.type, tensor.shape);
    std::ranges::fill(zeros.data, std::byte{});
    views_[std::size_t(feed_)] = zeros.view();
    return !executor_->run(views_).ok();
  }

  Status run(const Tensor& tensor) {
    const Port& port = executor_->inputs()[std::size_t(feed_)];
    if (const Shape given = tensor.view().shape; !fits(given, port))
      return fail(Code::kInvalid,
                  "{}: input '{}' takes {}, and {} comes: set 'size' (tile, letterbox), 'layout' "
                  "(normalise) or 'context' (audio_window) to suit",
                  place_, port.name, port.extents_text(), given.text());
    views_.clear();
    for (std::size_t i = 0; i < kept_.size(); ++i)
      views_.push_back(int(i) == feed_ ? tensor.view() : kept_[i].tensor.view());
    if (Status status = executor_->run(views_); !status) {
      Error error = std::move(status).error();
      if (error.code == Code::kInvalid && is_odd_size(tensor.shape, port) && fails_on_zeros(tensor))
        error.message += fmt::format(
            "; input '{}' came as {}, and zeros of that size fail, too: the model may take other "
            "sizes only, such as multiples of 32",
            port.name, tensor.shape.text());
      return std::move(error).at(place_);
    }
    for (KeptInput& kept : kept_) {
      if (kept.from_output < 0) continue;
      const TensorView left = executor_->output(kept.from_output);
      if (left.type != kept.tensor.type || !(left.shape == kept.tensor.shape))
        return fail(Code::kInvalid, "{}: carried output '{}' is {}, the input is {}", place_,
                    executor_->outputs()[std::size_t(kept.from_output)].name, left.shape.text(),
                    kept.tensor.shape.text());
      std::memcpy(kept.tensor.data.data(), left.data, left.bytes());
    }
    return {};
  }

  std::unique_ptr<Executor> executor_;
  std::string place_;
  std::uint64_t every_ = 1;
  std::vector<KeptInput> kept_;  // by input
  std::vector<bool> fed_;
  int feed_ = 0;
  std::vector<TensorView> views_;
};

constexpr InputPort kInputs[] = {{"tensors", bit(PayloadKind::kTensors)}};

}  // namespace

const NodeType kInfer{
    .name = "infer",
    .group = "step",
    .doc = "Runs a model on the tensor of each tile or window.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kTensors,
    .make = InferStep::make,
};

}  // namespace polder::pipeline
