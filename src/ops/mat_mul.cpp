// MatMul: the product of two matrices, numpy's way: axes before the last two broadcast, a vector is
// a row on the left and a column on the right. Optional bias [columns] and residual; fused epilogue
// (ops/fused.h). transpose_a, transpose_b swap the last two axes of an input.
#include <algorithm>

#include "kernel/table.h"
#include "ops/broadcast.h"
#include "ops/fused.h"
#include "ops/import_integer.h"
#include "ops/tools.h"
#include "ops/window.h"

namespace polder::ops::mat_mul {
namespace {

enum : int { kA, kB, kBias, kResidual };

struct Params {
  bool transpose_a = false, transpose_b = false;
  Fused fused;
};

void parse(AttrReader& attrs, Params& p) {
  p.transpose_a = attrs.flag("transpose_a", false);
  p.transpose_b = attrs.flag("transpose_b", false);
  parse_fused(attrs, p.fused);
}

// Dims or Shape as a matrix with its batch in front; a vector becomes a row or a column.
template <class D>
struct Operand {
  D batch;
  std::decay_t<decltype(std::declval<const D&>()[0])> rows = 1, columns = 1;
  bool vector = false;
  std::int64_t row_stride = 0, column_stride = 1;

  Operand(const D& dims, bool transposed, bool left) : vector(dims.rank() == 1) {
    const int rank = dims.rank();
    for (int axis = 0; axis < rank - 2; ++axis) batch.push_back(dims[axis]);
    if (vector) {
      (left ? columns : rows) = dims[0];
      if (!left) row_stride = 1;
      return;
    }
    rows = dims[rank - 2];
    columns = dims[rank - 1];
    if constexpr (std::is_same_v<D, Shape>) row_stride = columns;
    if (transposed) {
      std::swap(rows, columns);
      std::swap(row_stride, column_stride);
    }
  }
};

// Broadcast of the batch axes.
Status join_batches(const Dims& a, const Dims& b, Dims& out) {
  const int rank = std::max(a.rank(), b.rank());
  for (int axis = 0; axis < rank; ++axis) {
    const int in_a = axis - (rank - a.rank()), in_b = axis - (rank - b.rank());
    const Dim x = in_a < 0 ? Dim(1) : a[in_a], y = in_b < 0 ? Dim(1) : b[in_b];
    if (x.known() && y.known() && x.bound != y.bound && !x.is(1) && !y.is(1)) {
      return fail(Code::kInvalid, "batches {} and {} do not broadcast", a.text(), b.text());
    }
    // A free extent meets a known one above 1 as that; of two free ones either will do.
    const bool take_y = x.is(1) || (!x.known() && y.known() && !y.is(1));
    out.push_back(take_y ? y : x);
  }
  return {};
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  TRY(context.expect_type(kA, {DataType::kF32, DataType::kF64, DataType::kI32, DataType::kU32,
                               DataType::kI64, DataType::kU64}));
  TRY(context.expect_type(kB, {context.type(kA)}));
  TRY(context.expect_rank(kA, 1, kMaxRank));
  TRY(context.expect_rank(kB, 1, kMaxRank));
  const Operand<Dims> a(context.dims(kA), p.transpose_a, true);
  const Operand<Dims> b(context.dims(kB), p.transpose_b, false);
  if (a.columns.known() && b.rows.known() && a.columns.bound != b.rows.bound) {
    return fail(Code::kInvalid, "{} times {}: {} columns against {} rows", context.dims(kA).text(),
                context.dims(kB).text(), a.columns.bound, b.rows.bound);
  }
  Dims out;
  TRY(join_batches(a.batch, b.batch, out));
  if (!a.vector) out.push_back(a.rows);
  if (!b.vector) out.push_back(b.columns);
  TRY(check_bias(context, kBias, b.columns));
  TRY(check_residual(context, kResidual, out));
  context.output(0, context.type(kA), out);
  return {};
}

// Calls f(batch, offset in a, offset in b) for each product of the batch.
template <class F>
void for_each_product(const Operand<Shape>& a, const Operand<Shape>& b, const Shape& out, F&& f) {
  Shape batch;
  const int rank = std::max(a.batch.rank(), b.batch.rank());
  for (int axis = 0; axis < rank; ++axis) batch.push_back(out[axis]);
  const std::array strides = {broadcast_strides(a.batch, batch), broadcast_strides(b.batch, batch)};
  for_each_broadcast(batch, strides, [&](std::int64_t i, const std::array<std::int64_t, 2>& at) {
    f(i, at[0] * a.rows * a.columns, at[1] * b.rows * b.columns);
  });
}

template <class T>
void reference_of(const RunContext& run) {
  const Params& p = run.as<Params>();
  const Operand<Shape> a(run.in(kA).shape, p.transpose_a, true);
  const Operand<Shape> b(run.in(kB).shape, p.transpose_b, false);
  const T* bias = run.has(kBias) ? run.in(kBias).as<T>() : nullptr;
  const T* residual = run.has(kResidual) ? run.in(kResidual).as<T>() : nullptr;
  T* out = run.out(0).as<T>();
  for_each_product(
      a, b, run.out(0).shape, [&](std::int64_t i, std::int64_t at_a, std::int64_t at_b) {
        for (std::int64_t j = 0; j < a.rows * b.columns; ++j) {
          const std::int64_t row = j / b.columns, column = j % b.columns;
          const T* left = run.in(kA).as<T>() + at_a + row * a.row_stride;
          const T* right = run.in(kB).as<T>() + at_b + column * b.column_stride;
          const std::int64_t to = i * a.rows * b.columns + j;
          if constexpr (std::is_integral_v<T>) {
            std::uint64_t sum = 0;  // wraps around
            for (std::int64_t k = 0; k < a.columns; ++k) {
              sum +=
                  std::uint64_t(left[k * a.column_stride]) * std::uint64_t(right[k * b.row_stride]);
            }
            out[to] = T(sum);
          } else {
            double sum = bias ? double(bias[column]) : 0;
            for (std::int64_t k = 0; k < a.columns; ++k) {
              sum += double(left[k * a.column_stride]) * double(right[k * b.row_stride]);
            }
            out[to] = T(finish_sum(p.fused, sum, residual ? double(residual[to]) : 0));
          }
        }
      });
}

Status reference(const RunContext& run) {
  switch (run.in(kA).type) {
    case DataType::kF32: reference_of<float>(run); break;
    case DataType::kF64: reference_of<double>(run); break;
    case DataType::kI32: reference_of<std::int32_t>(run); break;
    case DataType::kU32: reference_of<std::uint32_t>(run); break;
    case DataType::kI64: reference_of<std::int64_t>(run); break;
    default: reference_of<std::uint64_t>(run); break;
  }
  return {};
}

Status vector(const RunContext& run) {
  const Params& p = run.as<Params>();
  if (run.out(0).shape.elements() == 0) return {};
  const Operand<Shape> a(run.in(kA).shape, p.transpose_a, true);
  const Operand<Shape> b(run.in(kB).shape, p.transpose_b, false);
  kernel::MatMulArgs args;
  args.m = int(a.rows), args.n = int(b.columns), args.k = int(a.columns);
  args.a_row_stride = a.row_stride, args.a_k_stride = a.column_stride;
  args.b_k_stride = b.row_stride, args.b_column_stride = b.column_stride;
  args.c_stride = b.columns;
  args.epilogue = epilogue(run, p.fused, kBias, kResidual, b.columns);
  const float* residual = args.epilogue.residual;
  for_each_product(a, b, run.out(0).shape,
                   [&](std::int64_t i, std::int64_t at_a, std::int64_t at_b) {
                     args.a = run.in(kA).as<float>() + at_a;
                     args.b = run.in(kB).as<float>() + at_b;
                     args.c = run.out(0).as<float>() + i * a.rows * b.columns;
                     if (residual) args.epilogue.residual = residual + i * a.rows * b.columns;
                     kernel::run(run.parallel, run.kernels.matmul, args);
                   });
  return {};
}

Choice choose(const NodeInfo& node) {
  if (node.in(kA).type != DataType::kF32) return {};
  if (!fits_int(node.in(kA).dims) || !fits_int(node.in(kB).dims)) return {};
  return {.kernel = vector, .name = "matmul"};
}

double macs(const NodeInfo& node) {
  const Operand<Dims> a(node.in(kA).dims, node.as<Params>().transpose_a, true);
  return double(node.outputs[0].dims.max_elements()) * double(a.columns.bound);
}

// --- Model formats ---

// Against a constant matrix, a product is a Linear.
Status from_onnx(ImportContext& node) {
  const bool pair = node.has(0) && node.has(1);
  if (pair && node.rank(1) == 2 && node.rank(0) >= 1 && node.value(node.in(1)).is_constant() &&
      node.value(node.in(1)).dims.max_elements() > 0 &&
      (node.value(node.in(1)).type == DataType::kF32 ||
       node.value(node.in(1)).type == DataType::kF64)) {
    TRY_VALUE(const ValueId weights, node.weights_to_outputs_first(node.in(1)));
    return node.finish("Linear", {node.in(0), weights});
  }
  return node.finish("MatMul", node.inputs);
}

Status from_tflite(ImportContext& node) {
  return node.finish("MatMul", {node.in(0), node.in(1)},
                     {{"transpose_a", node.attrs.integer("adj_x", 0)},
                      {"transpose_b", node.attrs.integer("adj_y", 0)}});
}

std::vector<Sample> samples() {
  constexpr std::int64_t kOne = 1;
  return {
      {"2-D", {{.shape = {7, 19}}, {.shape = {19, 33}}}, {}, {{7, 33}}},
      {"both transposed",
       {{.shape = {19, 6}}, {.shape = {21, 19}}},
       {{"transpose_a", kOne}, {"transpose_b", kOne}},
       {{6, 21}}},
      {"a batch", {{.shape = {2, 3, 5, 8}}, {.shape = {2, 3, 8, 9}}}, {}, {{2, 3, 5, 9}}},
      {"broadcast batches", {{.shape = {2, 1, 5, 4}}, {.shape = {3, 4, 17}}}, {}, {{2, 3, 5, 17}}},
      {"a batch times a matrix, bias, residual, relu",
       {{.shape = {3, 5, 4}}, {.shape = {4, 6}}, {.shape = {6}}, {.shape = {3, 5, 6}}},
       {{"activation", "clamp"}},
       {{3, 5, 6}}},
      {"vector times matrix", {{.shape = {11}}, {.shape = {11, 5}}}, {}, {{5}}},
      {"batch times vector", {{.shape = {2, 4, 11}}, {.shape = {11}}}, {}, {{2, 4}}},
      {"vector times vector", {{.shape = {40}}, {.shape = {40}}}, {}, {Shape{}}},
      {"nothing to sum", {{.shape = {3, 0}}, {.shape = {0, 4}}}, {}, {{3, 4}}},
      {"f64", {{DataType::kF64, {3, 4}}, {DataType::kF64, {4, 5}}}, {}, {{3, 5}}},
      {"i32",
       {{DataType::kI32, {3, 4}, {}, false, -9, 9}, {DataType::kI32, {4, 5}, {}, false, -9, 9}},
       {},
       {{3, 5}}}};
}

constexpr OnnxRule kOnnx[] = {{"MatMul", from_onnx},
                              {"MatMulInteger", import_matmul_integer},
                              {"QLinearMatMul", import_qlinear_matmul}};
constexpr TfliteRule kTflite[] = {{"BATCH_MATMUL", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "MatMul",
    .min_inputs = 2,
    .max_inputs = 4,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .choose = choose,
    .in_place = 1u << kResidual,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples, .macs = macs};

}  // namespace polder::ops::mat_mul
