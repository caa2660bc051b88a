// Opens a model and runs it: the C++ interface of libpolder.
//
//   auto model = polder::Model::open("mobilenet_v2.onnx");
//   if (!model) return report(model.error());
//   std::vector<float> image(1 * 3 * 224 * 224);
//   polder::TensorView input{image.data(), polder::DataType::kF32, {1, 3, 224, 224}};
//   if (auto status = model->run({&input, 1}); !status) return report(status.error());
//   polder::TensorView scores = model->output(0);
//
// The whole program is examples/embed/classify.cpp.
#pragma once

#include <polder/error.h>
#include <polder/port.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace polder {

// How a model is opened or compiled. A plan is compiled already: shapes, bounds and bindings are
// refused for it, `without` has no meaning.
struct OpenOptions {
  int threads = 1;  // 1 to 256, the calling one included
  // The instruction set whose kernels run the model, and the least that a plan compiled with it
  // needs: "x86-64-v3", "x86-64-v4", "arm64" or "generic"; empty: the best that this machine has.
  // kIncompatible when a plan needs more, kUnsupported when the machine has less.
  std::string target;
  // Extents of inputs by name; -1 keeps what the model says.
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes;
  // The largest extent of a free dimension, by its name in the model or as "input[axis]"; "input"
  // will do for one of rank 1.
  std::vector<std::pair<std::string, std::int64_t>> bounds;
  // Inputs whose values are fixed now; they are then no inputs any more. Copied.
  std::vector<std::pair<std::string, TensorView>> bindings;
  // Names of optimisation passes to leave out.
  std::vector<std::string> without;
  // The most iterations of Loop and Scan in one run, all of them together, nested ones each time;
  // a run that needs more fails with kExhausted.
  std::int64_t max_iterations = std::int64_t(1) << 24;
};

// A model that is ready to run. One thread at a time may use it; different models are independent.
// After an error it can be used as before. One that was moved from may only be assigned to or end.
class Model {
 public:
  // A plan, ONNX or TFLite file, told apart by content. Errors name the file, the place in it and
  // what to do. A build for devices opens plans only (kUnsupported otherwise). Where memory ran out
  // (kExhausted), what was taken may stay taken until the program ends.
  static Result<Model> open(const std::string& path, const OpenOptions& options = {});
  // A plan that is in memory, such as one that was sealed. Its bytes are used in place: aligned to
  // 64 bytes, unchanged as long as the model lives, kept alive by `owner`, which may be empty when
  // the caller sees to that. Errors: kInvalid for bytes that are not so aligned; as open().
  static Result<Model> open_plan(std::shared_ptr<const void> owner,
                                 std::span<const std::byte> bytes, const OpenOptions& options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  std::span<const Port> inputs() const;
  std::span<const Port> outputs() const;
  // Runs once. `inputs` are dense, in the order of inputs(), and stay the caller's. Allocates
  // nothing. Errors: kInvalid for a wrong number, type or shape, and for an input that is a result
  // of this model and not a copy; what an operator finds in the data.
  Status run(std::span<const TensorView> inputs);
  // Result `index` of the last run(); valid until the next. An empty view (no data, type kNone)
  // when that failed, before the first, and for an index that is not one of outputs().
  TensorView output(int index) const;
  // Bytes of the arena in which all intermediate tensors live.
  std::size_t arena_bytes() const;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Compiles a model file into a plan file; nothing is left behind on an error. Not in builds for
// devices.
Status compile_file(const std::string& model_path, const std::string& plan_path,
                    const OpenOptions& options = {});

// "0.1.0"
const char* version();

}  // namespace polder
