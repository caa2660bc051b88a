// Measures a model in ONNX Runtime exactly as `polder bench` measures it in Polder
// (src/measure/bench.h), through ONNX Runtime's C library, which is loaded at run time.
//
//   ort_peer MODEL.onnx --lib libonnxruntime.so [--threads 1] [--shape NAME=1,3,H,W] [--min-ms
//   1000]
//
// Prints one JSON object. ONNX Runtime has its best case: all optimisations, its defaults
// otherwise, outputs that are allocated once, and its environment made before the clock starts.
// Free dimensions are 1 unless --shape says otherwise.
#include <fmt/format.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fail.h"
#include "measure/bench.h"
#include "measure/machine.h"
#include "measure/random_input.h"
#include "measure/report.h"
#include "ort_api.h"
#include "platform/process.h"

namespace polder {
namespace {

constexpr std::int64_t kMaxInputBytes = std::int64_t{1} << 30;

struct Options {
  std::string model;
  std::string library;
  int threads = 1;
  int min_ms = 1000;
  std::map<std::string, Shape> shapes;
  bool footprint = false;  // print VmHWM after a few runs, nothing else
  bool empty = false;      // print VmHWM of a process that does nothing
};

DataType type_of(int element) {
  switch (element) {
    case ort::kFloat: return DataType::kF32;
    case ort::kDouble: return DataType::kF64;
    case ort::kFloat16: return DataType::kF16;
    case ort::kUint8: return DataType::kU8;
    case ort::kInt8: return DataType::kI8;
    case ort::kUint16: return DataType::kU16;
    case ort::kInt16: return DataType::kI16;
    case ort::kInt32: return DataType::kI32;
    case ort::kInt64: return DataType::kI64;
    case ort::kBool: return DataType::kBool;
    default: return DataType::kNone;
  }
}

// The library and its environment: once per process.
class Library {
 public:
  static Result<std::unique_ptr<Library>> load(const std::string& path) {
    void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) return fail(Code::kUnavailable, "{}: cannot load it: {}", path, ::dlerror());
    using GetBase = const ort::ApiBase* (*)();
    const auto get_base = reinterpret_cast<GetBase>(::dlsym(handle, "OrtGetApiBase"));
    if (!get_base)
      return fail(Code::kIncompatible, "{}: no OrtGetApiBase in it: is it ONNX Runtime?", path);
    void* const* table = get_base()->get_api(ort::kApiVersion);
    if (!table)
      return fail(Code::kIncompatible, "{}: older than interface {}", path, ort::kApiVersion);
    auto library = std::unique_ptr<Library>(new Library(table, get_base()->get_version()));
    TRY(library->check(library->api.call(ort::kCreateEnv, ort::kLogError, "peer", &library->env)));
    return library;
  }
  ~Library() { api.release(ort::kReleaseEnv, env); }

  Status check(ort::Status* status) const {
    if (!status) return {};
    Error error = fail(Code::kUnavailable, "onnxruntime: {}", api.message(status));
    api.release(ort::kReleaseStatus, status);
    return error;
  }

  ort::Api api;
  std::string version;
  ort::Env* env = nullptr;

 private:
  Library(void* const* table, const char* version_text) : api(table), version(version_text) {}
};

class OrtSubject final : public Subject {
 public:
  OrtSubject(const Library& library, const Options& options)
      : library_(library), options_(options) {}
  ~OrtSubject() override { close(); }

  Status open() override {
    const ort::Api& api = library_.api;
    ort::SessionOptions* settings = nullptr;
    TRY(check(api.call(ort::kCreateSessionOptions, &settings)));
    Status status =
        check(api.call(ort::kSetSessionGraphOptimizationLevel, settings, ort::kOptimizeAll));
    if (status.ok())
      status = check(api.call(ort::kSetIntraOpNumThreads, settings, options_.threads));
    if (status.ok()) status = check(api.call(ort::kSetInterOpNumThreads, settings, 1));
    if (status.ok())
      status = check(
          api.call(ort::kCreateSession, library_.env, options_.model.c_str(), settings, &session_));
    api.release(ort::kReleaseSessionOptions, settings);
    return status;
  }

  // ONNX Runtime allocates the outputs in the first run; later runs use them again.
  Status run() override {
    const ort::RunOptions* const run_options = nullptr;
    return check(library_.api.call(ort::kRun, session_, run_options, input_names_.data(),
                                   inputs_.data(), inputs_.size(), output_names_.data(),
                                   outputs_.size(), outputs_.data()));
  }

  Status prepare() override {
    std::size_t inputs = 0, outputs = 0;
    TRY(check(library_.api.call(ort::kSessionGetInputCount, session_, &inputs)));
    TRY(check(library_.api.call(ort::kSessionGetOutputCount, session_, &outputs)));
    ort::Allocator* allocator = nullptr;  // the library's own; names live as long as the process
    TRY(check(library_.api.call(ort::kGetAllocatorWithDefaultOptions, &allocator)));
    for (std::size_t i = 0; i < outputs; ++i) {
      char* name = nullptr;
      TRY(check(library_.api.call(ort::kSessionGetOutputName, session_, i, allocator, &name)));
      output_names_.push_back(name);
    }
    outputs_.assign(outputs, nullptr);
    for (std::size_t i = 0; i < inputs; ++i) {
      char* name = nullptr;
      TRY(check(library_.api.call(ort::kSessionGetInputName, session_, i, allocator, &name)));
      input_names_.push_back(name);
      TRY(make_input(i, name));
    }
    return {};
  }

  void close() override {
    for (ort::Value* value : inputs_) library_.api.release(ort::kReleaseValue, value);
    for (ort::Value* value : outputs_)
      if (value) library_.api.release(ort::kReleaseValue, value);
    if (session_) library_.api.release(ort::kReleaseSession, session_);
    inputs_.clear(), outputs_.clear(), input_names_.clear(), output_names_.clear(),
        buffers_.clear();
    session_ = nullptr;
  }

 private:
  Status check(ort::Status* status) const { return library_.check(status); }

  Status make_input(std::size_t index, const std::string& name) {
    TRY_VALUE(TensorView tensor, input_facts(index));
    if (const auto given = options_.shapes.find(name); given != options_.shapes.end())
      tensor.shape = given->second;
    if (tensor.type == DataType::kNone || tensor.shape.elements() > kMaxInputBytes / 8)
      return fail(Code::kUnsupported, "input '{}': cannot make a random one of {}", name,
                  tensor.shape.text());
    buffers_.emplace_back(tensor.bytes() + 1);
    tensor.data = buffers_.back().data();
    fill_random(tensor, index + 1);

    ort::MemoryInfo* memory = nullptr;
    TRY(check(library_.api.call(ort::kCreateCpuMemoryInfo, ort::kArenaAllocator,
                                ort::kDefaultMemory, &memory)));
    ort::Value* value = nullptr;
    const Status status = check(library_.api.call(
        ort::kCreateTensorWithDataAsValue, memory, tensor.data, tensor.bytes(),
        tensor.shape.dims().data(), tensor.shape.dims().size(), element_, &value));
    library_.api.release(ort::kReleaseMemoryInfo, memory);
    if (!status.ok()) return Error{status.error().code, status.error().message};
    inputs_.push_back(value);
    return {};
  }

  // Type and shape of an input, free dimensions as 1. Leaves ONNX's number of the type in element_.
  Result<TensorView> input_facts(std::size_t index) {
    ort::TypeInfo* type = nullptr;
    TRY(check(library_.api.call(ort::kSessionGetInputTypeInfo, session_, index, &type)));
    const ort::TensorInfo* info = nullptr;
    std::size_t rank = 0;
    std::vector<std::int64_t> dims;
    Status status = check(library_.api.call(ort::kCastTypeInfoToTensorInfo, type, &info));
    if (status.ok()) status = check(library_.api.call(ort::kGetTensorElementType, info, &element_));
    if (status.ok()) status = check(library_.api.call(ort::kGetDimensionsCount, info, &rank));
    if (status.ok()) {
      dims.resize(rank);
      status = check(library_.api.call(ort::kGetDimensions, info, dims.data(), rank));
    }
    library_.api.release(ort::kReleaseTypeInfo, type);
    TRY(std::move(status));
    for (std::int64_t& dim : dims) dim = dim < 1 ? 1 : dim;
    return TensorView{nullptr, type_of(element_), Shape(dims)};
  }

  const Library& library_;
  const Options& options_;
  ort::Session* session_ = nullptr;
  int element_ = 0;
  std::vector<const char*> input_names_, output_names_;
  std::vector<ort::Value*> inputs_, outputs_;
  std::vector<std::vector<std::byte>> buffers_;
};

Result<int> parse_number(const std::string& option, const std::string& text, int most) {
  char* end = nullptr;
  const long number = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || number < 1 || number > most)
    return fail(Code::kInvalid, "{}: a number from 1 to {} expected, found '{}'", option, most,
                text);
  return static_cast<int>(number);
}

Status parse_shape(const std::string& text, std::map<std::string, Shape>& shapes) {
  const std::size_t equals = text.rfind('=');
  if (equals == std::string::npos)
    return fail(Code::kInvalid, "--shape: NAME=1,3,H,W expected, found '{}'", text);
  Shape shape;
  for (std::size_t at = equals; at != std::string::npos; at = text.find(',', at + 1)) {
    if (shape.rank() == kMaxRank)
      return fail(Code::kInvalid, "--shape: at most {} dimensions", kMaxRank);
    const std::size_t end = text.find(',', at + 1);
    TRY_VALUE(const int dim, parse_number("--shape", text.substr(at + 1, end - at - 1), 1 << 20));
    shape.push_back(dim);
  }
  shapes[text.substr(0, equals)] = shape;
  return {};
}

Result<Options> parse(const std::vector<std::string>& words) {
  Options options;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto value = [&]() { return i + 1 < words.size() ? words[++i] : std::string(); };
    if (word == "--lib") {
      options.library = value();
    } else if (word == "--threads") {
      TRY_VALUE(options.threads, parse_number(word, value(), 1024));
    } else if (word == "--min-ms") {
      TRY_VALUE(options.min_ms, parse_number(word, value(), 600'000));
    } else if (word == "--shape") {
      TRY(parse_shape(value(), options.shapes));
    } else if (word == "--footprint-child") {
      options.footprint = true;
    } else if (word == "--empty-child") {
      options.empty = true;
    } else if (word.starts_with("--") || !options.model.empty()) {
      return fail(Code::kInvalid, "unknown argument '{}'", word);
    } else {
      options.model = word;
    }
  }
  if (!options.empty && (options.model.empty() || options.library.empty()))
    return fail(Code::kInvalid, "MODEL.onnx and --lib LIBRARY are needed");
  return options;
}

Status run(const std::vector<std::string>& words) {
  TRY_VALUE(const Options options, parse(words));
  if (options.empty) return print_footprint(nullptr);
  TRY_VALUE(const std::unique_ptr<Library> library, Library::load(options.library));
  OrtSubject subject(*library, options);
  if (options.footprint) return print_footprint(&subject);

  BenchReport report;
  BenchOptions bench_options;
  bench_options.load.min_duration_ms = options.min_ms;
  TRY_VALUE(report.result, bench(subject, bench_options));
  TRY_VALUE(const std::string self, own_program());
  std::vector<std::string> child = {self};
  child.insert(child.end(), words.begin(), words.end());
  child.push_back("--footprint-child");
  TRY_VALUE(report.footprint, measure_footprint(child, {self, "--empty-child"}));
  report.model = options.model;
  report.runtime = "onnxruntime " + library->version;
  report.isa = describe_machine().isa;
  report.threads = options.threads;
  fmt::print("{}", to_json(report));
  return {};
}

}  // namespace
}  // namespace polder

int main(int argc, char** argv) {
  const polder::Status status = polder::run({argv + 1, argv + argc});
  if (status.ok()) return 0;
  fmt::print(stderr, "ort_peer: {}\n", status.error().message);
  return status.error().code == polder::Code::kInvalid ? 2 : 1;
}
