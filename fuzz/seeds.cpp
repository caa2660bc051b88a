// Writes the fuzz targets' seeds that come from code: fuzz_seeds CORPUS OUT
//
//   OUT/plan    each sample of each operator compiled, with known and with free extents, and the
//               models of CORPUS/onnx
//   OUT/tflite  models of one or a few operators each
//   OUT/npy     a tensor of each type
//
// Every folder of CORPUS has its counterpart in OUT, if only an empty one.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>

#include "base/fail.h"
#include "compile/compile.h"
#include "import/onnx.h"
#include "ops/infer.h"
#include "ops/tools.h"
#include "platform/file.h"
#include "sdk/tensor_file.h"
#include "tflite_seeds.h"

namespace polder::fuzz {
namespace {

constexpr std::size_t kMaxSeedBytes = 1 << 14;

// Elements as the sample gives them, or small numbers that differ.
Bytes elements_of(const ops::SampleInput& input) {
  const TensorView shape{nullptr, input.type, input.shape};
  std::span<std::byte> bytes;
  Bytes data = Bytes::allocate(shape.bytes(), &bytes);
  const auto put = [&]<class T>(T*) {
    T* out = reinterpret_cast<T*>(bytes.data());
    for (std::size_t i = 0; i < bytes.size() / sizeof(T); ++i) {
      const double x = i < input.values.size() ? input.values[i] : double(i % 3);
      if constexpr (std::is_floating_point_v<T>) out[i] = T(x);
      else out[i] = T(std::int64_t(std::clamp(x, -1e15, 1e15)));
      if (input.type == DataType::kBool) out[i] = out[i] != T(0);
    }
  };
  switch (input.type) {
    case DataType::kF32: put(static_cast<float*>(nullptr)); break;
    case DataType::kF64: put(static_cast<double*>(nullptr)); break;
    case DataType::kI64:
    case DataType::kU64: put(static_cast<std::int64_t*>(nullptr)); break;
    case DataType::kI32:
    case DataType::kU32: put(static_cast<std::int32_t*>(nullptr)); break;
    case DataType::kI8:
    case DataType::kU8:
    case DataType::kBool: put(static_cast<std::uint8_t*>(nullptr)); break;
    default: put(static_cast<std::uint16_t*>(nullptr)); break;
  }
  return data;
}

// A graph of one node. With `free`, extents other than 1 are known in a run only.
Graph graph_of(const ops::OpDef& def, const ops::Sample& sample, bool free) {
  Graph graph;
  Node node;
  node.op = def.name;
  node.name = "node";
  node.attrs = sample.attrs;
  for (const ops::SampleInput& input : sample.inputs) {
    if (input.type == DataType::kNone) {
      node.inputs.push_back(kNoValue);
      continue;
    }
    const std::string name = fmt::format("in{}", node.inputs.size());
    // Values that the sample names are what inference wants to know.
    if (input.constant || !input.values.empty()) {
      node.inputs.push_back(graph.add_constant(name, input.type, input.shape, elements_of(input)));
      continue;
    }
    Dims dims(input.shape);
    for (int axis = 0; free && axis < dims.rank(); ++axis) {
      if (!dims[axis].is(1)) dims[axis] = graph.new_dim(dims[axis].bound);
    }
    node.inputs.push_back(graph.add_value(name, input.type, dims));
    graph.inputs.push_back(node.inputs.back());
  }
  for (std::size_t i = 0; i < sample.outputs(); ++i)
    node.outputs.push_back(graph.add_value(fmt::format("out{}", i)));
  graph.outputs = node.outputs;
  graph.nodes.push_back(std::move(node));
  return graph;
}

// False when the graph does not compile so, or to more than a seed should be.
bool write_plan(Graph graph, const compile::CompileOptions& options, const std::string& path) {
  const auto plan = compile::compile(std::move(graph), options);
  if (!plan.ok() || plan->program.view.size() + plan->constants.view.size() > kMaxSeedBytes)
    return false;
  return plan->write(path).ok();
}

int write_sample_plans(const std::string& folder) {
  int written = 0;
  for (std::size_t i = 0; i < ops::all_ops().size(); ++i) {
    const ops::OpDef& def = *ops::all_ops()[i];
    const auto samples = ops::all_tools()[i]->samples;
    if (!samples) continue;
    int number = 0;
    for (const ops::Sample& sample : samples()) {
      for (const bool free : {false, true}) {
        // Every second one for the plainest kernels, which every machine has.
        compile::CompileOptions options;
        if (number++ % 2) options.target = kernel::Isa::kGeneric;
        Graph graph = graph_of(def, sample, free);
        if (!ops::infer_node(graph, 0).ok()) continue;
        written += write_plan(std::move(graph), options,
                              fmt::format("{}/{}{}.plan", folder, def.name, number));
      }
    }
  }
  return written;
}

int write_onnx_plans(const std::string& models, const std::string& folder) {
  int written = 0;
  for (const auto& entry : std::filesystem::directory_iterator(models)) {
    auto graph = import_onnx(entry.path().string());
    if (!graph.ok()) continue;
    written += write_plan(std::move(*graph), {},
                          fmt::format("{}/{}.plan", folder, entry.path().stem().string()));
  }
  return written;
}

int write_tensors(const std::string& folder) {
  int written = 0;
  for (int type = int(DataType::kF32); type <= int(DataType::kBool); ++type) {
    std::int64_t elements[4] = {};
    for (const Shape& shape : {Shape{}, Shape{2, 2}, Shape{0, 3}}) {
      const TensorView view{elements, DataType(type), shape};
      written += write_npy(fmt::format("{}/{}.npy", folder, written), view).ok();
    }
  }
  return written;
}

int run(const std::string& corpus, const std::string& out) {
  std::filesystem::remove_all(out);
  for (const auto& entry : std::filesystem::directory_iterator(corpus))
    std::filesystem::create_directories(out + "/" + entry.path().filename().string());
  const int plans =
      write_sample_plans(out + "/plan") + write_onnx_plans(corpus + "/onnx", out + "/plan");
  const int models = write_tflite_seeds(out + "/tflite");
  const int tensors = write_tensors(out + "/npy");
  std::printf("%d plans, %d TFLite models, %d tensors\n", plans, models, tensors);
  return plans > 100 && models > 50 && tensors > 10 ? 0 : 1;
}

}  // namespace
}  // namespace polder::fuzz

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: fuzz_seeds CORPUS OUT\n", stderr);
    return 2;
  }
  return polder::fuzz::run(argv[1], argv[2]);
}
