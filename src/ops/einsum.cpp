// Einsum: sums of products by attribute "equation", such as "bij,bjk->bik": each letter is an axis,
// the same one wherever it stands; letters that the result lacks are summed over; "..." stands for
// axes that are broadcast. Without "->" the result has the letters that stand once, in order.
#include <algorithm>

#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/tools.h"
#include "ops/types.h"

namespace polder::ops::einsum {
namespace {

constexpr int kMaxTerms = 4;
constexpr int kLetters = 52;
// Letters, then the axes of "..." counted from the last.
constexpr int kLabels = kLetters + kMaxRank;

struct Term {
  std::int8_t letters[kMaxRank];
  int count;
  int dots;  // how many letters stand before "..."; -1: none
};

struct Params {
  Term terms[kMaxTerms];
  int count;
  Term result;
  bool given;  // the result
};

int letter_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  return -1;
}

bool read_term(std::string_view text, Term& term) {
  term = {.dots = -1};
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    if (text.substr(i, 3) == "..." && term.dots < 0) {
      term.dots = term.count;
      i += 2;
      continue;
    }
    const int letter = letter_of(text[i]);
    if (letter < 0 || term.count == kMaxRank) return false;
    term.letters[term.count++] = std::int8_t(letter);
  }
  return true;
}

void parse(AttrReader& attrs, Params& p) {
  const std::string equation = attrs.text("equation", "");
  const std::size_t arrow = equation.find("->");
  std::string_view left = std::string_view(equation).substr(0, arrow);
  p.given = arrow != std::string::npos;
  bool good = !p.given || read_term(std::string_view(equation).substr(arrow + 2), p.result);
  for (bool more = true; more && good;) {
    const std::size_t comma = left.find(',');
    good = p.count < kMaxTerms && read_term(left.substr(0, comma), p.terms[p.count++]);
    more = comma != std::string_view::npos;
    if (more) left.remove_prefix(comma + 1);
  }
  if (!good) attrs.reject(fmt::format("attribute 'equation': cannot read '{}'", equation));
}

// The label of each axis of a tensor of this rank; their number, or -1 when the rank does not fit.
int labels_of(const Term& term, int rank, std::int8_t* labels) {
  const int dots = term.dots < 0 ? 0 : rank - term.count;
  if (dots < 0 || (term.dots < 0 && rank != term.count)) return -1;
  int n = 0;
  for (int i = 0; i <= term.count; ++i) {
    for (int k = dots; i == term.dots && k > 0; --k) labels[n++] = std::int8_t(kLetters + k - 1);
    if (i < term.count) labels[n++] = term.letters[i];
  }
  return n;
}

// The labels of the result, and those that are summed over.
struct Labels {
  std::int8_t kept[kMaxRank], summed[kLabels];
  int kept_count = 0, summed_count = 0;
};

Result<Labels> sort_labels(const Params& p, std::span<const int> ranks) {
  int times[kLabels] = {}, dots = 0;
  for (std::size_t t = 0; t < ranks.size(); ++t) {
    std::int8_t labels[kMaxRank];
    const int n = labels_of(p.terms[t], ranks[t], labels);
    if (n < 0) return fail(Code::kInvalid, "input {} has rank {}", t, ranks[t]);
    for (int i = 0; i < n; ++i) ++times[labels[i]];
    if (p.terms[t].dots >= 0) dots = std::max(dots, n - p.terms[t].count);
  }
  Labels all;
  bool in_result[kLabels] = {};
  const auto keep = [&](int label) {
    if (all.kept_count == kMaxRank || in_result[label]) return false;
    in_result[label] = true;
    all.kept[all.kept_count++] = std::int8_t(label);
    return true;
  };
  bool good = true;
  for (int k = dots; k > 0 && !p.given; --k) good = good && keep(kLetters + k - 1);
  for (int label = 0; label < kLetters && !p.given; ++label) {
    if (times[label] == 1) good = good && keep(label);
  }
  for (int i = 0; i <= p.result.count && p.given; ++i) {
    for (int k = dots; i == p.result.dots && k > 0; --k) good = good && keep(kLetters + k - 1);
    if (i < p.result.count) good = good && times[p.result.letters[i]] > 0;
    if (i < p.result.count) good = good && keep(p.result.letters[i]);
  }
  if (!good) return fail(Code::kInvalid, "the result names an axis twice, or one that is nowhere");
  for (int label = 0; label < kLabels; ++label) {
    if (times[label] > 0 && !in_result[label]) all.summed[all.summed_count++] = std::int8_t(label);
  }
  if (all.summed_count > kMaxRank) return fail(Code::kUnsupported, "more than {} sums", kMaxRank);
  return all;
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  if (context.input_count() != p.count) {
    return fail(Code::kInvalid, "{} inputs for {} terms", context.input_count(), p.count);
  }
  TRY(context.expect_type(0, kNumeric));
  int ranks[kMaxTerms] = {};
  Dim extents[kLabels];
  std::fill(extents, extents + kLabels, Dim(1));
  for (int t = 0; t < p.count; ++t) {
    TRY(context.expect_type(t, {context.type(0)}));
    ranks[t] = context.rank(t);
    std::int8_t labels[kMaxRank];
    const int n = labels_of(p.terms[t], ranks[t], labels);
    for (int i = 0; i < n; ++i) {
      const Dim& dim = context.dims(t)[i];
      Dim& extent = extents[labels[i]];
      if (extent.is(1) || (!extent.known() && dim.known() && !dim.is(1))) extent = dim;
      else if (!dim.is(1) && dim.known() && !(extent == dim)) {
        return fail(Code::kInvalid, "an axis of {} and of {} in the same place", extent.bound,
                    dim.bound);
      }
    }
  }
  TRY_VALUE(const Labels labels, sort_labels(p, {ranks, std::size_t(p.count)}));
  Dims out;
  for (int i = 0; i < labels.kept_count; ++i) out.push_back(extents[labels.kept[i]]);
  context.output(0, context.type(0), out);
  return {};
}

using Strides = std::array<std::array<std::int64_t, kMaxRank>, kMaxTerms>;

// Strides of each input by label: an axis that stands twice in one term walks the diagonal.
struct Walk {
  Shape kept, summed;
  Strides kept_strides{}, summed_strides{};
};

Result<Walk> plan_walk(const RunContext& run) {
  const Params& p = run.as<Params>();
  int ranks[kMaxTerms] = {};
  std::int64_t strides[kMaxTerms][kLabels] = {}, extents[kLabels];
  std::fill(extents, extents + kLabels, 1);
  for (int t = 0; t < p.count; ++t) {
    const Shape& shape = run.in(t).shape;
    ranks[t] = shape.rank();
    std::int8_t labels[kMaxRank];
    const int n = labels_of(p.terms[t], ranks[t], labels);
    const auto own = dense_strides(shape);
    for (int i = 0; i < n; ++i) {
      if (shape[i] == 1) continue;
      strides[t][labels[i]] += own[std::size_t(i)];
      extents[labels[i]] = shape[i];
    }
  }
  TRY_VALUE(const Labels labels, sort_labels(p, {ranks, std::size_t(p.count)}));
  Walk walk;
  for (int i = 0; i < labels.kept_count; ++i) walk.kept.push_back(extents[labels.kept[i]]);
  for (int i = 0; i < labels.summed_count; ++i) walk.summed.push_back(extents[labels.summed[i]]);
  for (std::size_t t = 0; t < kMaxTerms; ++t) {
    for (int i = 0; i < labels.kept_count; ++i)
      walk.kept_strides[t][std::size_t(i)] = strides[t][labels.kept[i]];
    for (int i = 0; i < labels.summed_count; ++i)
      walk.summed_strides[t][std::size_t(i)] = strides[t][labels.summed[i]];
  }
  return walk;
}

Status reference(const RunContext& run) {
  TRY_VALUE(const Walk walk, plan_walk(run));
  const int count = run.as<Params>().count;
  using At = std::array<std::int64_t, kMaxTerms>;
  dispatch(run.out(0).type, [&]<class T>() {
    using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
    for_each_broadcast(walk.kept, walk.kept_strides, [&](std::int64_t i, const At& base) {
      Sum sum = 0;
      for_each_broadcast(walk.summed, walk.summed_strides, [&](std::int64_t, const At& at) {
        Sum product = 1;
        for (std::size_t t = 0; t < std::size_t(count); ++t) {
          product *= Sum(run.in(int(t)).as<T>()[base[t] + at[t]]);
        }
        sum += product;
      });
      run.out(0).as<T>()[i] = T(sum);
    });
  });
  return {};
}

std::vector<Sample> samples() {
  const auto equation = [](const char* text) { return Attrs{{"equation", text}}; };
  return {{"matrices",
           {{.shape = {2, 3, 4}}, {.shape = {2, 4, 5}}},
           equation("bij, bjk -> bik"),
           {{2, 3, 5}}},
          {"diagonal", {{.shape = {3, 4, 4}}}, equation("...ii->...i"), {{3, 4}}},
          {"sum", {{DataType::kI32, {3, 4}, {}, false, -9, 9}}, equation("ij->i"), {{3}}},
          {"implicit", {{.shape = {3, 4}}, {.shape = {4, 2}}}, equation("ij,jk"), {{3, 2}}},
          {"broadcast",
           {{.shape = {2, 3, 4}}, {.shape = {1, 4, 5}}},
           equation("...ij,...jk->...ik"),
           {{2, 3, 5}}}};
}

constexpr OnnxRule kOnnx[] = {{"Einsum"}};

}  // namespace

extern const OpDef def = {
    .name = "Einsum",
    .max_inputs = kMaxTerms,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::einsum
