// Cast: converts numbers to the type that attribute "to" names ("f32", "i8", ...). Floats truncate
// towards zero and stop at an integer's limits, integers wrap around, bool is "not 0"; 16-bit
// floats round to nearest even.
#include "ops/cast.h"

#include "kernel/table.h"
#include "ops/rules.h"
#include "ops/types.h"

namespace polder::ops::cast {
namespace {

struct Params {
  DataType to;
};

void parse(AttrReader& attrs, Params& p) {
  p.to = read_type(attrs, "to", DataType::kNone);
  if (p.to == DataType::kNone) attrs.reject("attribute 'to' is required");
}

// Types that differ from all others in what conversion means.
struct F16 {
  std::uint16_t bits;
};
struct BF16 {
  std::uint16_t bits;
};
struct Bool {
  std::uint8_t value;
};

template <class F>
void dispatch_all(DataType type, F&& f) {
  if (type == DataType::kF16) f.template operator()<F16>();
  else if (type == DataType::kBF16) f.template operator()<BF16>();
  else if (type == DataType::kBool) f.template operator()<Bool>();
  else dispatch(type, f);
}

template <class From>
auto number(From x) {
  if constexpr (std::is_same_v<From, F16>) return f16_to_f32(x.bits);
  else if constexpr (std::is_same_v<From, BF16>) return bf16_to_f32(x.bits);
  else if constexpr (std::is_same_v<From, Bool>) return x.value;
  else return x;
}

template <class To, class Number>
To convert(Number x) {
  if constexpr (std::is_same_v<To, F16>) return {f32_to_f16(narrow_to_odd(double(x)))};
  else if constexpr (std::is_same_v<To, BF16>) return {f32_to_bf16(narrow_to_odd(double(x)))};
  else if constexpr (std::is_same_v<To, Bool>) return {x != 0};
  else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<Number>)
    return saturate<To>(double(x));
  else return To(x);
}

Status infer(InferContext& context) {
  const DataType to = context.params<Params>().to;
  context.output(0, to, context.dims(0));
  IntList ints;
  if ((to == DataType::kI32 || to == DataType::kI64) && context.ints(0, ints)) {
    context.output_ints(0, ints);
  }
  return {};
}

Status reference(const RunContext& run) {
  const std::int64_t count = run.out(0).shape.elements();
  dispatch_all(run.in(0).type, [&]<class From>() {
    dispatch_all(run.out(0).type, [&]<class To>() {
      const From* in = run.in(0).as<From>();
      To* out = run.out(0).as<To>();
      for (std::int64_t i = 0; i < count; ++i) out[i] = convert<To>(number(in[i]));
    });
  });
  return {};
}

Status widen(const RunContext& run) {
  const kernel::F16ToF32Args args{run.in(0).as<std::uint16_t>(), run.out(0).as<float>(),
                                  run.out(0).shape.elements()};
  kernel::run(run.parallel, run.kernels.f16_to_f32, args);
  return {};
}

Status narrow(const RunContext& run) {
  const kernel::F32ToF16Args args{run.in(0).as<float>(), run.out(0).as<std::uint16_t>(),
                                  run.out(0).shape.elements()};
  kernel::run(run.parallel, run.kernels.f32_to_f16, args);
  return {};
}

Choice choose(const NodeInfo& node) {
  const DataType from = node.in(0).type, to = node.as<Params>().to;
  if (from == DataType::kF16 && to == DataType::kF32) return {.kernel = widen, .name = "vector"};
  if (from == DataType::kF32 && to == DataType::kF16) return {.kernel = narrow, .name = "vector"};
  return {};
}

Status from_onnx(ImportContext& node) {
  TRY_VALUE(const DataType to, onnx_type(node.attrs.integer("to", 0)));
  return finish_cast(node, node.in(0), to);
}

Status cast_like(ImportContext& node) {
  if (!node.has(1)) return fail(Code::kInvalid, "input 1 is required");
  return finish_cast(node, node.in(0), node.value(node.in(1)).type);
}

// The converter may leave the options out: the output tensor's type then says it.
Status from_tflite(ImportContext& node) {
  DataType to = node.value(node.outputs[0]).type;
  if (to == DataType::kNone) {
    TRY_VALUE(to, tflite_type(node.attrs.text("out_data_type", "FLOAT32")));
  }
  return finish_cast(node, node.in(0), to);
}

std::vector<Sample> samples() {
  std::vector<Sample> all;
  constexpr DataType kTypes[] = {DataType::kF32, DataType::kF16, DataType::kBF16, DataType::kF64,
                                 DataType::kI8,  DataType::kU8,  DataType::kI64,  DataType::kBool};
  for (const DataType from : kTypes) {
    for (const DataType to : kTypes) {
      all.push_back({fmt::format("{} to {}", type_name(from), type_name(to)),
                     {{from, {3, 7}, {}, false, 0, 100}},
                     {{"to", std::string(type_name(to))}}});
    }
  }
  return all;
}

constexpr OnnxRule kOnnx[] = {{"Cast", from_onnx}, {"CastLike", cast_like}};
constexpr TfliteRule kTflite[] = {{"CAST", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Cast",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .choose = choose,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::cast
