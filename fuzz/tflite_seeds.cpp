#include "tflite_seeds.h"

#include <functional>
#include <vector>

#include "base/fail.h"
#include "platform/file.h"
#include "tflite_generated.h"

namespace polder::fuzz {
namespace {

using namespace tflite;
using Builder = flatbuffers::FlatBufferBuilder;
using Options = std::function<flatbuffers::Offset<void>(Builder&)>;
using Op = BuiltinOperator;

constexpr auto kF32 = TensorType::FLOAT32;
constexpr auto kI32 = TensorType::INT32;

struct Input {
  std::vector<int> shape;
  TensorType type = kF32;
  bool constant = false;
  std::vector<std::int32_t> ints = {};  // elements of a constant of type i32
  bool quantised = false;
};

struct Seed {
  Op op;
  std::vector<Input> inputs;
  BuiltinOptions kind = BuiltinOptions::NONE;
  Options options = {};
  int outputs = 1;
  TensorType output_type = kF32;
};

Input floats(std::vector<int> shape) { return {std::move(shape)}; }
Input weights(std::vector<int> shape) { return {std::move(shape), kF32, true}; }
Input typed(std::vector<int> shape, TensorType type) { return {std::move(shape), type}; }
Input ints(std::vector<std::int32_t> elements) {
  return {{int(elements.size())}, kI32, true, std::move(elements)};
}
Input matrix(std::vector<int> shape, std::vector<std::int32_t> elements) {
  return {std::move(shape), kI32, true, std::move(elements)};
}
Input number(std::int32_t element) { return {{}, kI32, true, {element}}; }
Input quantised(std::vector<int> shape, bool constant) {
  return {std::move(shape), TensorType::INT8, constant, {}, true};
}

int size_of_type(TensorType type) {
  switch (type) {
    case TensorType::INT64: return 8;
    case TensorType::FLOAT16: return 2;
    case TensorType::INT8:
    case TensorType::UINT8:
    case TensorType::BOOL: return 1;
    default: return 4;
  }
}

// The elements of a constant.
std::vector<std::uint8_t> data_of(const Input& input) {
  std::size_t bytes = std::size_t(size_of_type(input.type));
  for (const int extent : input.shape) bytes *= std::size_t(extent);
  std::vector<std::uint8_t> data(bytes);
  if (!input.ints.empty()) std::memcpy(data.data(), input.ints.data(), bytes);
  for (std::size_t i = 0; input.ints.empty() && i < bytes; ++i)
    data[i] = input.type == kF32 ? std::uint8_t(i % 4 == 3 ? 0x3f : i) : std::uint8_t(i % 2);
  return data;
}

class ModelWriter {
 public:
  explicit ModelWriter(const Seed& seed) { add(seed); }

  std::string finish() {
    const auto code =
        CreateOperatorCodeDirect(builder_, std::int8_t(std::min(int(op_), 127)), nullptr, 1, op_);
    const std::vector codes{code};
    const std::vector operators{operator_};
    const std::vector graphs{
        CreateSubGraphDirect(builder_, &tensors_, &inputs_, &outputs_, &operators, "main")};
    const auto model = CreateModelDirect(builder_, 3, &codes, &graphs, nullptr, &buffers_);
    builder_.Finish(model, "TFL3");
    return {reinterpret_cast<const char*>(builder_.GetBufferPointer()), builder_.GetSize()};
  }

 private:
  void add(const Seed& seed) {
    op_ = seed.op;
    buffers_.push_back(CreateBuffer(builder_));
    std::vector<std::int32_t> ids;
    for (const Input& input : seed.inputs) {
      std::uint32_t buffer = 0;
      if (input.constant) {
        buffer = std::uint32_t(buffers_.size());
        const auto data = data_of(input);
        builder_.ForceVectorAlignment(data.size(), 1, 16);
        buffers_.push_back(CreateBuffer(builder_, builder_.CreateVector(data)));
      }
      ids.push_back(add_tensor(input.shape, input.type, buffer, input.quantised));
      if (!input.constant) inputs_.push_back(ids.back());
    }
    for (int i = 0; i < seed.outputs; ++i)
      outputs_.push_back(add_tensor({}, seed.output_type, 0, seed.op == Op::QUANTIZE));
    const auto options = seed.options ? seed.options(builder_) : flatbuffers::Offset<void>();
    operator_ = CreateOperatorDirect(builder_, 0, &ids, &outputs_, seed.kind, options);
  }

  std::int32_t add_tensor(const std::vector<int>& shape, TensorType type, std::uint32_t buffer,
                          bool is_quantised) {
    flatbuffers::Offset<QuantizationParameters> quantisation;
    if (is_quantised) {
      const std::vector<float> scale{0.5f};
      const std::vector<std::int64_t> zero{3};
      quantisation = CreateQuantizationParametersDirect(builder_, nullptr, nullptr, &scale, &zero);
    }
    const std::string name = fmt::format("t{}", tensors_.size());
    tensors_.push_back(
        CreateTensorDirect(builder_, &shape, type, buffer, name.c_str(), quantisation));
    return std::int32_t(tensors_.size() - 1);
  }

  Builder builder_;
  Op op_{};
  std::vector<flatbuffers::Offset<Buffer>> buffers_;
  std::vector<flatbuffers::Offset<Tensor>> tensors_;
  std::vector<std::int32_t> inputs_, outputs_;
  flatbuffers::Offset<Operator> operator_;
};

// `.kind, .options` of a table whose create function takes these arguments.
#define OPTIONS(NAME, ...)                                            \
  BuiltinOptions::NAME, [](Builder& b) -> flatbuffers::Offset<void> { \
    return Create##NAME(b __VA_OPT__(, ) __VA_ARGS__).Union();        \
  }

std::vector<Seed> neural_seeds() {
  return {
      {Op::CONV_2D,
       {floats({1, 5, 5, 2}), weights({3, 3, 3, 2}), weights({3})},
       OPTIONS(Conv2DOptions, Padding::SAME, 2, 2, ActivationFunctionType::RELU6)},
      {Op::CONV_2D,
       {floats({1, 5, 5, 2}), quantised({3, 3, 3, 2}, true), weights({3})},
       OPTIONS(Conv2DOptions, Padding::VALID, 1, 1, ActivationFunctionType::NONE, 2, 2)},
      {Op::DEPTHWISE_CONV_2D,
       {floats({1, 6, 6, 2}), weights({1, 3, 3, 4}), weights({4})},
       OPTIONS(DepthwiseConv2DOptions, Padding::SAME, 1, 1, 2, ActivationFunctionType::RELU)},
      {Op::CONV_3D,
       {floats({1, 3, 4, 4, 2}), weights({2, 2, 2, 2, 3})},
       OPTIONS(Conv3DOptions, Padding::VALID, 1, 1, 1)},
      {Op::TRANSPOSE_CONV,
       {ints({1, 8, 8, 2}), weights({2, 3, 3, 3}), floats({1, 4, 4, 3})},
       OPTIONS(TransposeConvOptions, Padding::SAME, 2, 2)},
      {Op::FULLY_CONNECTED,
       {floats({2, 6}), weights({4, 6}), weights({4})},
       OPTIONS(FullyConnectedOptions, ActivationFunctionType::RELU)},
      {Op::BATCH_MATMUL,
       {floats({2, 3, 4}), floats({2, 5, 4})},
       OPTIONS(BatchMatMulOptions, false, true)},
      {Op::MAX_POOL_2D, {floats({1, 5, 5, 2})}, OPTIONS(Pool2DOptions, Padding::SAME, 2, 2, 3, 3)},
      {Op::AVERAGE_POOL_2D,
       {floats({1, 5, 5, 2})},
       OPTIONS(Pool2DOptions, Padding::VALID, 1, 1, 2, 2, ActivationFunctionType::RELU6)},
      {Op::SOFTMAX, {floats({2, 5})}, OPTIONS(SoftmaxOptions, 1.0f)},
      {Op::LOG_SOFTMAX, {floats({2, 5})}},
      {Op::L2_NORMALIZATION, {floats({2, 5})}},
      {Op::LOCAL_RESPONSE_NORMALIZATION,
       {floats({1, 2, 2, 6})},
       OPTIONS(LocalResponseNormalizationOptions, 2, 1.0f, 0.5f, 0.75f)},
      {Op::PRELU, {floats({1, 3, 3, 2}), weights({1, 1, 2})}},
      {Op::LEAKY_RELU, {floats({4})}, OPTIONS(LeakyReluOptions, 0.1f)},
      {Op::GELU, {floats({4})}, OPTIONS(GeluOptions, true)},
      {Op::FAKE_QUANT, {floats({4})}, OPTIONS(FakeQuantOptions, -1.0f, 1.0f, 8)},
      {Op::QUANTIZE, {floats({2, 4})}, BuiltinOptions::NONE, {}, 1, TensorType::INT8},
      {Op::DEQUANTIZE, {quantised({2, 4}, false)}},
      {Op::DEQUANTIZE, {typed({2, 4}, TensorType::FLOAT16)}},
      {Op::RESIZE_BILINEAR,
       {floats({1, 3, 3, 2}), ints({5, 7})},
       OPTIONS(ResizeBilinearOptions, false, true)},
      {Op::RESIZE_NEAREST_NEIGHBOR,
       {floats({1, 3, 3, 2}), ints({6, 6})},
       OPTIONS(ResizeNearestNeighborOptions, true)},
  };
}

std::vector<Seed> shape_seeds() {
  return {
      {Op::RESHAPE, {floats({2, 6}), ints({3, -1})}},
      {Op::TRANSPOSE, {floats({2, 3, 4}), ints({2, 0, 1})}},
      {Op::CONCATENATION, {floats({1, 2}), floats({1, 3})}, OPTIONS(ConcatenationOptions, 1)},
      {Op::PACK, {floats({2, 3}), floats({2, 3})}, OPTIONS(PackOptions, 2, 1)},
      {Op::UNPACK, {floats({2, 3})}, OPTIONS(UnpackOptions, 2, 0), 2},
      {Op::SPLIT, {number(1), floats({2, 6})}, OPTIONS(SplitOptions, 2), 2},
      {Op::SPLIT_V, {floats({2, 6}), ints({2, 4}), number(1)}, OPTIONS(SplitVOptions, 2), 2},
      {Op::SQUEEZE, {floats({1, 3, 1})}},
      {Op::EXPAND_DIMS, {floats({3, 2}), number(1)}},
      {Op::STRIDED_SLICE,
       {floats({4, 5}), ints({0, 4}), ints({4, 0}), ints({2, -1})},
       OPTIONS(StridedSliceOptions, 1, 2, 0, 0, 0)},
      {Op::SLICE, {floats({4, 5}), ints({1, 0}), ints({2, -1})}},
      {Op::PAD, {floats({1, 2, 2, 1}), matrix({4, 2}, {0, 0, 1, 1, 2, 0, 0, 0})}},
      {Op::PADV2, {floats({2, 2}), matrix({2, 2}, {1, 0, 0, 1}), weights({1})}},
      {Op::MIRROR_PAD,
       {floats({3, 3}), matrix({2, 2}, {1, 1, 2, 0})},
       OPTIONS(MirrorPadOptions, MirrorPadMode::REFLECT)},
      {Op::TILE, {floats({2, 3}), ints({2, 1})}},
      {Op::BROADCAST_TO, {floats({1, 3}), ints({2, 3})}},
      {Op::GATHER, {floats({5, 2}), ints({4, 0, 1})}, OPTIONS(GatherOptions, 0)},
      {Op::GATHER_ND, {floats({3, 3}), matrix({2, 2}, {0, 1, 2, 2})}},
      {Op::SCATTER_ND, {matrix({2, 1}, {0, 2}), floats({2, 3}), ints({4, 3})}},
      {Op::ONE_HOT,
       {typed({3}, kI32), number(4), weights({}), weights({})},
       OPTIONS(OneHotOptions, -1)},
      {Op::SPACE_TO_DEPTH, {floats({1, 4, 4, 1})}, OPTIONS(SpaceToDepthOptions, 2)},
      {Op::DEPTH_TO_SPACE, {floats({1, 2, 2, 4})}, OPTIONS(DepthToSpaceOptions, 2)},
      {Op::SPACE_TO_BATCH_ND, {floats({1, 4, 4, 1}), ints({2, 2}), matrix({2, 2}, {0, 0, 0, 0})}},
      {Op::BATCH_TO_SPACE_ND, {floats({4, 2, 2, 1}), ints({2, 2}), matrix({2, 2}, {0, 0, 0, 0})}},
      {Op::REVERSE_SEQUENCE, {floats({2, 4}), ints({3, 2})}, OPTIONS(ReverseSequenceOptions, 1, 0)},
      {Op::CUMSUM, {floats({2, 4}), number(1)}, OPTIONS(CumsumOptions, true, false)},
      {Op::SHAPE, {floats({2, 4})}, OPTIONS(ShapeOptions, kI32), 1, kI32},
      {Op::FILL, {ints({2, 3}), weights({})}},
      {Op::RANGE, {number(0), number(6), number(2)}, BuiltinOptions::NONE, {}, 1, kI32},
      {Op::TOPK_V2, {floats({2, 5}), number(3)}, BuiltinOptions::NONE, {}, 2},
      {Op::ARG_MAX, {floats({2, 5}), number(1)}, OPTIONS(ArgMaxOptions, kI32), 1, kI32},
      {Op::MEAN, {floats({1, 3, 3, 2}), ints({1, 2})}, OPTIONS(ReducerOptions, true)},
      {Op::REDUCE_MAX, {floats({2, 3}), ints({-1})}, OPTIONS(ReducerOptions, false)},
      {Op::SELECT_V2, {typed({2, 1}, TensorType::BOOL), floats({2, 3}), floats({3})}},
      {Op::CAST, {floats({3})}, OPTIONS(CastOptions, kF32, kI32), 1, kI32},
      {Op::WHERE,
       {typed({2, 3}, TensorType::BOOL)},
       BuiltinOptions::NONE,
       {},
       1,
       TensorType::INT64},
  };
}

// Operators of one or two float inputs without options.
std::vector<Seed> plain_seeds() {
  std::vector<Seed> seeds;
  for (const Op op : {Op::ABS, Op::CEIL, Op::COS, Op::ELU, Op::EXP, Op::FLOOR, Op::HARD_SWISH,
                      Op::LOG, Op::LOGISTIC, Op::NEG, Op::RELU, Op::RELU6, Op::ROUND, Op::RSQRT,
                      Op::SIGN, Op::SIN, Op::SQRT, Op::TANH}) {
    seeds.push_back({op, {floats({2, 3})}});
  }
  for (const Op op :
       {Op::ADD, Op::SUB, Op::MUL, Op::DIV, Op::POW, Op::MAXIMUM, Op::MINIMUM, Op::FLOOR_DIV,
        Op::FLOOR_MOD, Op::SQUARED_DIFFERENCE, Op::EQUAL, Op::LESS, Op::GREATER_EQUAL}) {
    seeds.push_back({op, {floats({2, 3}), floats({2, 1})}});
  }
  return seeds;
}

#undef OPTIONS

}  // namespace

int write_tflite_seeds(const std::string& folder) {
  std::vector<Seed> seeds = neural_seeds();
  for (const auto& more : {shape_seeds(), plain_seeds()})
    seeds.insert(seeds.end(), more.begin(), more.end());
  int written = 0;
  for (const Seed& seed : seeds) {
    const std::string path =
        fmt::format("{}/{}{}.tflite", folder, EnumNameBuiltinOperator(seed.op), written);
    written += write_file_atomic(path, ModelWriter(seed).finish()).ok();
  }
  return written;
}

}  // namespace polder::fuzz
