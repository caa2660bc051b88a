// polder run: a model on given inputs, once.
#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/input_file.h"
#include "cli/model_options.h"
#include "cli/output_file.h"
#include "ops/cast.h"
#include "platform/file.h"
#include "platform/memory.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {
    {"--input", "[NAME=]FILE",
     "an input: .npy, .jpg, .png or .wav, or 'zeros', or for a scalar or vector its numbers with "
     "commas;\n                            without a name, in order",
     true},
    POLDER_INPUT_OPTIONS,
    {"--output-dir", "DIR", "writes each output as DIR/NAME.npy"},
    POLDER_RUN_OPTIONS,
    POLDER_MODEL_OPTIONS,
    {"--json", "", "prints the outputs as JSON; what is not finite is null"}};

// A name as a file name: what is not letter, digit, '.', '-' or '_' becomes '_'.
std::string file_name(std::string name) {
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-') c = '_';
  }
  return name.empty() ? "output" : name;
}

// Element `i` as a number of JSON, integers exact.
nlohmann::ordered_json element(const TensorView& tensor, std::int64_t i) {
  switch (tensor.type) {
    case DataType::kF32: return tensor.as<float>()[i];
    case DataType::kF64: return tensor.as<double>()[i];
    case DataType::kF16: return ops::f16_to_f32(tensor.as<std::uint16_t>()[i]);
    case DataType::kBF16: return ops::bf16_to_f32(tensor.as<std::uint16_t>()[i]);
    case DataType::kI8: return tensor.as<std::int8_t>()[i];
    case DataType::kU8:
    case DataType::kBool: return tensor.as<std::uint8_t>()[i];
    case DataType::kI16: return tensor.as<std::int16_t>()[i];
    case DataType::kU16: return tensor.as<std::uint16_t>()[i];
    case DataType::kI32: return tensor.as<std::int32_t>()[i];
    case DataType::kU32: return tensor.as<std::uint32_t>()[i];
    case DataType::kI64: return tensor.as<std::int64_t>()[i];
    case DataType::kU64: return tensor.as<std::uint64_t>()[i];
    case DataType::kNone: break;
  }
  return nullptr;
}

std::string text_of(const TensorView& tensor, std::int64_t i) {
  const nlohmann::ordered_json number = element(tensor, i);
  return number.is_number_float() ? fmt::format("{:g}", number.get<double>()) : number.dump();
}

// The outputs' names, each followed by its index where an earlier one has the same.
std::vector<std::string> distinct(std::vector<std::string> names) {
  for (std::size_t i = 1; i < names.size(); ++i) {
    const auto here = names.begin() + std::ptrdiff_t(i);
    while (std::find(names.begin(), here, *here) != here) *here += fmt::format("_{}", i);
  }
  return names;
}

std::vector<std::string> output_names(const Session& session) {
  std::vector<std::string> names;
  for (const Port& port : session.outputs()) names.push_back(port.name);
  return distinct(std::move(names));
}

// The file of each input of the model, in the model's order.
Result<std::vector<std::string>> input_files(const Args& args, std::span<const Port> ports) {
  std::vector<std::string> files(ports.size());
  std::size_t next = 0;
  for (const std::string& text : args.all("--input")) {
    const auto named = std::ranges::find_if(
        ports, [&](const Port& port) { return text.starts_with(port.name + "="); });
    const bool has_name = named != ports.end();
    const std::size_t equals = text.find('=');
    if (!has_name && equals != text.npos && !MappedFile::open(text).ok()) {
      std::string known;
      for (const Port& port : ports)
        known += fmt::format("{}'{}'", known.empty() ? "" : ", ", port.name);
      return fail(Code::kInvalid, "--input {}: the model has no input '{}'; it has {}", text,
                  text.substr(0, equals), known);
    }
    while (!has_name && next < files.size() && !files[next].empty()) ++next;
    const std::size_t index = has_name ? std::size_t(named - ports.begin()) : next;
    if (index >= ports.size())
      return fail(Code::kInvalid, "--input {}: one too many; the model has {} input{}", text,
                  ports.size(), ports.size() == 1 ? "" : "s");
    if (!files[index].empty())
      return fail(Code::kInvalid, "--input {}: input '{}' is given twice", text, ports[index].name);
    files[index] = has_name ? text.substr(named->name.size() + 1) : text;
  }
  return files;
}

struct GivenInput {
  OwnedTensor tensor;
  bool is_picture = false;
};

std::vector<TensorView> views_of(const std::vector<GivenInput>& given) {
  std::vector<TensorView> views;
  for (const auto& [tensor, is_picture] : given)
    views.push_back({const_cast<std::byte*>(tensor.data.view.data()), tensor.type, tensor.shape});
  return views;
}

Result<OwnedTensor> given_tensor(const std::string& model, const std::string& file,
                                 const Port& port, const InputOptions& options, bool& is_picture) {
  if (port.shape.rank() <= 1 && parse_numbers("--input", file)) return written_input(file, port);
  if (file != "zeros")
    return within_memory(file, [&] { return read_input(file, port, options, &is_picture); });
  auto tensor = zeros(port);
  if (!tensor) return std::move(tensor).error().at(fmt::format("{}: input '{}'", model, port.name));
  return tensor;
}

Status read_inputs(const Args& args, const Session& session, const std::vector<std::string>& files,
                   std::vector<GivenInput>& given) {
  const auto ports = session.inputs();
  TRY_VALUE(const InputOptions options, input_options(args));
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (files[i].empty()) {
      return fail(Code::kInvalid, "input '{}' {} {} is not given: --input {}={}, or {}=zeros",
                  ports[i].name, type_name(ports[i].type), ports[i].extents_text(), ports[i].name,
                  ports[i].shape.rank() == 0 ? "NUMBER" : "FILE", ports[i].name);
    }
    bool is_picture = false;
    TRY_VALUE(OwnedTensor tensor,
              given_tensor(args.positional()[0], files[i], ports[i], options, is_picture));
    given.push_back({std::move(tensor), is_picture});
  }
  return {};
}

// --- Sizes that a model does not take, though it leaves them free ---

constexpr std::int64_t kLikelyStep = 32;  // of models that halve a picture five times

// Whether the width and the height of a picture for this input are the user's to choose.
bool is_free(const Port& port, const PictureAxes& axes) {
  return port.shape[axes.width] < 0 && port.shape[axes.height] < 0;
}

// Whether the model runs with zeros for its pictures, each as large as `size` says of its shape.
template <class Size>
bool runs_on_zeros(Session& session, const std::vector<GivenInput>& given, const Size& size) {
  std::vector<OwnedTensor> made;
  std::vector<TensorView> views = views_of(given);
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (!given[i].is_picture) continue;
    Port trial = session.inputs()[i];
    trial.shape = size(trial, given[i].tensor.shape);
    auto picture = trial.shape.elements() > 0 ? zeros(trial) : fail(Code::kInvalid, "no size");
    if (!picture) return false;
    views[i] = {const_cast<std::byte*>(picture->data.view.data()), trial.type, trial.shape};
    made.push_back(std::move(*picture));
  }
  return session.run(views).ok();
}

// The size in place of that of a picture for this input, in steps and at most as it allows.
Shape in_steps(const Port& port, Shape shape) {
  const auto axes = picture_axes(port);
  if (!axes || !is_free(port, *axes)) return shape;
  for (const int axis : {axes->width, axes->height}) {
    shape[axis] =
        std::min((shape[axis] + kLikelyStep - 1) / kLikelyStep, port.bounds[axis] / kLikelyStep) *
        kLikelyStep;
  }
  return shape;
}

// What to do about an error of a run that takes pictures: says a size only where runs show that it
// is the size. With zeros in place of the pictures the model fails, too, and with larger ones it
// does not. Empty where that is not so.
std::string size_advice(Session& session, const std::vector<GivenInput>& given) {
  for (std::size_t i = 0; i < given.size(); ++i) {
    const Port& port = session.inputs()[i];
    const auto axes = picture_axes(port);
    if (!given[i].is_picture || !axes || !is_free(port, *axes)) continue;
    const Shape& own = given[i].tensor.shape;
    const Shape better = in_steps(port, own);
    if (better == own) continue;
    const auto as_given = [](const Port&, const Shape& shape) { return shape; };
    if (runs_on_zeros(session, given, as_given) || !runs_on_zeros(session, given, in_steps)) break;
    return fmt::format(
        "; input '{}' was given as {}, a size that the model does not take; it runs with "
        "--size {},{}",
        port.name, own.text(), better[axes->width], better[axes->height]);
  }
  return "";
}

// --- Output ---

void print_text(const Session& session) {
  constexpr std::int64_t kShown = 8;
  const std::vector<std::string> names = output_names(session);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const TensorView out = session.output(int(i));
    fmt::print("{} {} {}:", one_line(names[i]), type_name(out.type), out.shape.text());
    const std::int64_t count = out.shape.elements();
    for (std::int64_t k = 0; k < std::min(count, kShown); ++k) fmt::print(" {}", text_of(out, k));
    fmt::print("{}\n", count > kShown ? " ..." : "");
  }
}

void print_json(const Session& session) {
  nlohmann::ordered_json outputs = nlohmann::ordered_json::object();
  const std::vector<std::string> names = output_names(session);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const TensorView out = session.output(int(i));
    nlohmann::ordered_json data = nlohmann::ordered_json::array();
    for (std::int64_t k = 0; k < out.shape.elements(); ++k) data.push_back(element(out, k));
    const std::vector<std::int64_t> shape(out.shape.begin(), out.shape.end());
    outputs[names[i]] = {
        {"type", type_name(out.type)}, {"shape", shape}, {"data", std::move(data)}};
  }
  fmt::print("{}\n", nlohmann::ordered_json{{"outputs", outputs}}.dump(
                         -1, ' ', true, nlohmann::json::error_handler_t::replace));
}

Status write_outputs(const Session& session, const Args& args) {
  const std::string folder = args.text("--output-dir");
  TRY(make_folders(folder));
  std::vector<std::string> names = output_names(session);
  for (std::string& name : names) name = file_name(name);
  names = distinct(std::move(names));
  // All are written before any appears: a disk that fills leaves none.
  DiskStore disk;
  std::vector<std::unique_ptr<OutputFile>> files;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string path = folder + "/" + names[i] + ".npy";
    TRY(check_output(path, args, "--output-dir"));
    TRY_VALUE(const std::string bytes, npy_bytes(session.output(int(i)), path));
    TRY_VALUE(auto file, disk.create(path));
    TRY(file->write(bytes));
    files.push_back(std::move(file));
  }
  for (const auto& file : files) TRY(file->commit());
  return {};
}

Result<int> run(const Args& args) {
  TRY_VALUE(const ModelOptions options, model_options(args));
  TRY_VALUE(const auto session, open_session(args.positional()[0], options.open));
  TRY_VALUE(const std::vector<std::string> files, input_files(args, session->inputs()));
  std::vector<GivenInput> given;
  TRY(read_inputs(args, *session, files, given));
  const std::vector<TensorView> views = views_of(given);
  if (Status status = session->run(views); !status) {
    Error error = std::move(status).error();
    if (error.code == Code::kInvalid) error.message += size_advice(*session, given);
    return std::move(error).at(args.positional()[0]);
  }
  if (args.has("--output-dir")) TRY(write_outputs(*session, args));
  if (args.has("--json")) print_json(*session);
  else print_text(*session);
  return 0;
}

}  // namespace

const Command kRun = {
    .name = "run",
    .summary = "Runs a model once on given inputs and prints or writes the outputs.",
    .arguments = "MODEL",
    .example =
        "  polder run classifier.onnx --input photo.jpg --mean 123.7,116.3,103.5 "
        "--scale 0.0171,0.0175,0.0174\n"
        "  polder run model.tflite --input image=image.npy --output-dir out --json",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
