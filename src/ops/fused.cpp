#include "ops/fused.h"

#include <algorithm>
#include <cmath>

namespace polder::ops {

using kernel::Unary;

namespace {
// In the order of kernel::Unary.
constexpr std::string_view kNames[] = {
    "none",        "clamp",      "sigmoid", "tanh", "silu",  "hard_sigmoid", "hard_swish", "gelu",
    "gelu_tanh",   "leaky_relu", "elu",     "selu", "celu",  "softplus",     "softsign",   "mish",
    "thresholded", "exp",        "log",     "sqrt", "rsqrt", "reciprocal",   "erf",        "negate",
    "abs",         "sign",       "floor",   "ceil", "round", "square",       "linear"};
static_assert(std::size(kNames) == std::size_t(Unary::kLinear) + 1);

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
}  // namespace

std::span<const std::string_view> unary_names() { return kNames; }

void parse_fused(AttrReader& attrs, Fused& fused) {
  fused.activation.op = Unary(attrs.choice("activation", kNames, 0));
  const bool clamp = fused.activation.op == Unary::kClamp;
  fused.activation.alpha = float(attrs.real("alpha", 0));
  fused.activation.beta = float(attrs.real("beta", clamp ? AttrReader::kInf : 0));
  fused.residual_after = attrs.flag("residual_after", false);
}

double activate(const kernel::Activation& f, double x) {
  const double alpha = double(f.alpha), beta = double(f.beta);
  switch (f.op) {
    case Unary::kNone: return x;
    case Unary::kClamp: return std::min(std::max(x, alpha), beta);
    case Unary::kSigmoid: return sigmoid(x);
    case Unary::kTanh: return std::tanh(x);
    case Unary::kSilu: return x * sigmoid(x);
    case Unary::kHardSigmoid: return std::min(std::max(alpha * x + beta, 0.0), 1.0);
    case Unary::kHardSwish: return x * std::min(std::max(x / 6 + 0.5, 0.0), 1.0);
    case Unary::kGelu: return x * (1 + std::erf(x / std::sqrt(2.0))) / 2;
    case Unary::kGeluTanh: {
      const double inner = 0.79788456080286535588 * (x + 0.044715 * x * x * x);
      return x * (1 + std::tanh(inner)) / 2;
    }
    case Unary::kLeakyRelu: return x < 0 ? alpha * x : x;
    case Unary::kElu: return x < 0 ? alpha * std::expm1(x) : x;
    case Unary::kSelu: return beta * (x < 0 ? alpha * std::expm1(x) : x);
    case Unary::kCelu: return x < 0 ? alpha * std::expm1(x / alpha) : x;
    case Unary::kSoftplus: return softplus(x);
    case Unary::kSoftsign: return x / (1 + std::abs(x));
    case Unary::kMish: return x * std::tanh(softplus(x));
    case Unary::kThresholded: return x > alpha ? x : 0;
    case Unary::kExp: return std::exp(x);
    case Unary::kLog: return std::log(x);
    case Unary::kSqrt: return std::sqrt(x);
    case Unary::kRsqrt: return 1 / std::sqrt(x);
    case Unary::kReciprocal: return 1 / x;
    case Unary::kErf: return std::erf(x);
    case Unary::kNegate: return -x;
    case Unary::kAbs: return std::abs(x);
    case Unary::kSign: return double((x > 0) - (x < 0));
    case Unary::kFloor: return std::floor(x);
    case Unary::kCeil: return std::ceil(x);
    case Unary::kRound: return std::nearbyint(x);
    case Unary::kSquare: return x * x;
    case Unary::kLinear: return alpha * x + beta;
  }
  return x;
}

Status check_bias(const InferContext& context, int i, const Dim& channels) {
  if (!context.has(i)) return {};
  TRY(context.expect_type(i, {context.type(0)}));
  TRY(context.expect_rank(i, 1, 1));
  const Dim& own = context.dims(i)[0];
  if (own.known() && channels.known() && own.bound != channels.bound) {
    return fail(Code::kInvalid, "bias {}; one element for each of {} output channels expected",
                context.dims(i).text(), channels.bound);
  }
  return {};
}

Status check_residual(const InferContext& context, int i, const Dims& out) {
  if (!context.has(i)) return {};
  TRY(context.expect_type(i, {context.type(0)}));
  const Dims& own = context.dims(i);
  bool same = own.rank() == out.rank();
  for (int axis = 0; same && axis < out.rank(); ++axis) {
    same = !own[axis].known() || !out[axis].known() || own[axis].bound == out[axis].bound;
  }
  if (same) return {};
  return fail(Code::kInvalid, "residual {}; the output's shape {} expected", own.text(),
              out.text());
}

kernel::Epilogue epilogue(const RunContext& run, const Fused& fused, int bias, int residual,
                          std::int64_t channels) {
  kernel::Epilogue e;
  if (run.has(bias)) e.bias = run.in(bias).as<float>();
  if (run.has(residual)) e.residual = run.in(residual).as<float>();
  e.residual_stride = channels;
  e.activation = fused.activation;
  e.residual_after = fused.residual_after;
  return e;
}

}  // namespace polder::ops
