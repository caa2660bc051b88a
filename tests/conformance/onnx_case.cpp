#include "onnx_case.h"

#include <onnx.pb.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "compile/compile.h"
#include "import/onnx.h"
#include "platform/file.h"

namespace polder::conformance {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFileBytes = std::size_t(1) << 30;
// The tolerances of ONNX's own backend test.
constexpr double kRelative = 1e-3, kAbsolute = 1e-7;
// Bound at compile time: inputs no larger than this, integers first.
constexpr std::int64_t kMaxBound = 64;

struct Data {
  std::vector<OwnedTensor> inputs, outputs;
};

struct Model {
  std::vector<std::string> inputs;  // as the test data counts them
  std::string op, type;
};

Result<Model> read_model(const std::string& path) {
  TRY_VALUE(const std::string bytes, read_file(path, kMaxFileBytes));
  onnx::ModelProto proto;
  if (!proto.ParseFromString(bytes)) return fail(Code::kCorrupt, "{}: not a model", path);
  Model model;
  for (const auto& node : proto.graph().node()) {
    if (!model.op.empty() && node.op_type() == "Constant") continue;
    if (model.op.empty() || model.op == "Constant") model.op = node.op_type();
  }
  for (const auto& input : proto.graph().input()) model.inputs.push_back(input.name());
  const auto& values = proto.graph().input_size() ? proto.graph().input() : proto.graph().output();
  if (!values.empty()) {
    const auto& type = values[0].type();
    model.type = type.has_tensor_type()
                     ? onnx::TensorProto::DataType_Name(
                           onnx::TensorProto::DataType(type.tensor_type().elem_type()))
                     : (type.has_sequence_type() ? "sequence" : "optional");
  }
  return model;
}

Result<std::vector<OwnedTensor>> read_tensors(const std::string& folder, const std::string& kind) {
  std::vector<OwnedTensor> tensors;
  for (int i = 0;; ++i) {
    const std::string path = fmt::format("{}/{}_{}.pb", folder, kind, i);
    if (!fs::exists(path)) return tensors;
    TRY_VALUE(const std::string bytes, read_file(path, kMaxFileBytes));
    auto tensor = read_onnx_tensor(std::as_bytes(std::span(bytes)));
    if (!tensor.ok()) return std::move(tensor).error().at(path);
    tensors.push_back(std::move(tensor).value());
  }
}

// ONNX's test data holds bf16 as the integers of its bits.
void retype_bf16(OwnedTensor& tensor) {
  if (tensor.type == DataType::kU16) tensor.type = DataType::kBF16;
}

ImportOptions options_for(const Model& model, const Data& data, int eagerness, int& bound) {
  ImportOptions options;
  bound = 0;
  for (std::size_t i = 0; i < model.inputs.size() && i < data.inputs.size(); ++i) {
    const OwnedTensor& tensor = data.inputs[i];
    options.shapes.emplace_back(model.inputs[i],
                                std::vector(tensor.shape.begin(), tensor.shape.end()));
    const bool integer = tensor.type == DataType::kI64 || tensor.type == DataType::kI32 ||
                         tensor.type == DataType::kBool;
    const bool bind = tensor.shape.elements() <= kMaxBound &&
                      ((eagerness >= 1 && integer && i > 0) || (eagerness >= 2 && i > 0) ||
                       (eagerness >= 3 && integer) || eagerness >= 4);
    if (!bind) continue;
    options.bindings.emplace_back(model.inputs[i], tensor);
    ++bound;
  }
  return options;
}

// Whether an error asks for what binding an input or bounding an extent can give.
bool asks_for_more(const Error& error) {
  return error.message.find("bind") != std::string::npos ||
         error.message.find("bound") != std::string::npos;
}

Result<std::unique_ptr<Session>> open_model(const std::string& path, const Model& model,
                                            const Data& data, const SessionOptions& how,
                                            int& bound) {
  for (int eagerness = 0;; ++eagerness) {
    const auto attempt = [&]() -> Result<std::unique_ptr<Session>> {
      TRY_VALUE(Graph graph, import_onnx(path, options_for(model, data, eagerness, bound)));
      TRY_VALUE(const auto plan,
                compile::compile(std::move(graph), {.target = how.isa.value_or(kernel::best_isa()),
                                                    .pack = !how.reference,
                                                    .source = path}));
      TRY_VALUE(Plan loaded, plan.load());
      return Session::open(std::move(loaded), how);
    };
    auto session = attempt();
    if (session.ok() || eagerness == 4 || !asks_for_more(session.error())) return session;
  }
}

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t(half & 0x8000) << 16;
  const std::uint32_t exponent = (half >> 10) & 31, mantissa = half & 1023;
  if (exponent == 0) {
    const float value = std::ldexp(float(mantissa), -24);
    return sign ? -value : value;
  }
  const std::uint32_t bits =
      sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | (mantissa << 13);
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

double element(const std::byte* data, DataType type, std::int64_t i) {
  const auto at = [&]<class T>() {
    T value;
    std::memcpy(&value, data + std::size_t(i) * sizeof(T), sizeof(T));
    return value;
  };
  if (type == DataType::kF32) return at.operator()<float>();
  if (type == DataType::kF64) return at.operator()<double>();
  if (type == DataType::kF16) return half_to_float(at.operator()<std::uint16_t>());
  const std::uint32_t bits = std::uint32_t(at.operator()<std::uint16_t>()) << 16;  // bf16
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

bool is_float(DataType type) {
  return type == DataType::kF32 || type == DataType::kF64 || type == DataType::kF16 ||
         type == DataType::kBF16;
}

bool close(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::abs(a - b) <= kAbsolute + kRelative * std::abs(b);
}

Status compare(const TensorView& got, const OwnedTensor& expected, int index) {
  if (got.type != expected.type || !(got.shape == expected.shape)) {
    return fail(Code::kInvalid, "output {}: {} {} made, {} {} expected", index, type_name(got.type),
                got.shape.text(), type_name(expected.type), expected.shape.text());
  }
  const auto* a = static_cast<const std::byte*>(got.data);
  const std::byte* b = expected.data.view.data();
  const std::size_t size = size_of(got.type);
  for (std::int64_t i = 0; i < got.shape.elements(); ++i) {
    if (is_float(got.type)) {
      const double x = element(a, got.type, i), y = element(b, got.type, i);
      if (close(x, y)) continue;
      return fail(Code::kInvalid, "output {}: element {} is {}, {} expected", index, i, x, y);
    }
    if (std::memcmp(a + std::size_t(i) * size, b + std::size_t(i) * size, size) != 0) {
      std::int64_t x = 0, y = 0;
      std::memcpy(&x, a + std::size_t(i) * size, size);
      std::memcpy(&y, b + std::size_t(i) * size, size);
      return fail(Code::kInvalid, "output {}: element {} is {}, {} expected", index, i, x, y);
    }
  }
  return {};
}

Status run_data(Session& session, const Model& model, const Data& data) {
  std::vector<TensorView> inputs;
  for (const Port& port : session.inputs()) {
    const auto at = std::ranges::find(model.inputs, port.name) - model.inputs.begin();
    if (std::size_t(at) >= data.inputs.size()) {
      return fail(Code::kInvalid, "no test data for input '{}'", port.name);
    }
    const OwnedTensor& tensor = data.inputs[std::size_t(at)];
    inputs.push_back({const_cast<std::byte*>(tensor.data.view.data()), tensor.type, tensor.shape});
  }
  // Twice: what a run leaves behind must not change the next.
  TRY(session.run(inputs));
  TRY(session.run(inputs));
  if (session.outputs().size() < data.outputs.size()) {
    return fail(Code::kInvalid, "{} outputs made, {} expected", session.outputs().size(),
                data.outputs.size());
  }
  for (std::size_t i = 0; i < data.outputs.size(); ++i) {
    TRY(compare(session.output(int(i)), data.outputs[i], int(i)));
  }
  return {};
}

Status run_all(const Case& test, const Model& model, const SessionOptions& how, Verdict& verdict) {
  const std::string path = test.folder + "/model.onnx";
  for (int set = 0;; ++set) {
    const std::string folder = fmt::format("{}/test_data_set_{}", test.folder, set);
    if (!fs::exists(folder)) {
      return set ? Status() : Status(fail(Code::kNotFound, "{}: no test data", test.folder));
    }
    // The model first: it says best why it is not supported, the data only that it holds no tensor.
    Data data;
    auto inputs = read_tensors(folder, "input");
    auto outputs = read_tensors(folder, "output");
    if (inputs.ok()) data.inputs = std::move(*inputs);
    auto session = open_model(path, model, data, how, verdict.bound);
    if (!session.ok()) return std::move(session).error();
    if (!inputs.ok()) return std::move(inputs).error();
    if (!outputs.ok()) return std::move(outputs).error();
    data.outputs = std::move(*outputs);
    for (const Port& port : (*session)->inputs()) {
      const auto at =
          std::size_t(std::ranges::find(model.inputs, port.name) - model.inputs.begin());
      if (port.type == DataType::kBF16 && at < data.inputs.size()) retype_bf16(data.inputs[at]);
    }
    for (std::size_t i = 0; i < data.outputs.size() && i < (*session)->outputs().size(); ++i) {
      if ((*session)->outputs()[i].type == DataType::kBF16) retype_bf16(data.outputs[i]);
    }
    TRY(run_data(**session, model, data));
  }
}

}  // namespace

std::vector<Case> find_cases(const std::string& data) {
  std::vector<Case> cases;
  for (const char* suite : {"node", "simple", "pytorch-operator", "pytorch-converted"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(data + "/" + suite, error)) {
      if (!fs::exists(entry.path() / "model.onnx")) continue;
      cases.push_back({suite, entry.path().filename().string(), entry.path().string()});
    }
  }
  std::ranges::stable_sort(cases, {}, [](const Case& c) { return std::tie(c.suite, c.name); });
  return cases;
}

Verdict run_case(const Case& test, const SessionOptions& how) {
  Verdict verdict;
  auto model = read_model(test.folder + "/model.onnx");
  if (!model.ok()) {
    verdict.outcome = Outcome::kFailed;
    verdict.reason = model.error().message;
    return verdict;
  }
  verdict.op = model->op;
  verdict.type = model->type;
  const Status status = run_all(test, *model, how, verdict);
  if (status.ok()) {
    verdict.outcome = Outcome::kPassed;
    return verdict;
  }
  verdict.outcome =
      status.error().code == Code::kUnsupported ? Outcome::kUnsupported : Outcome::kFailed;
  verdict.reason = status.error().message;
  // The file's path says nothing that the case's name does not.
  const std::string path = test.folder + "/model.onnx: ";
  if (verdict.reason.starts_with(path)) verdict.reason.erase(0, path.size());
  return verdict;
}

}  // namespace polder::conformance
