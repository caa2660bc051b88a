// Require: hands its input on if the condition, input 1, is what attribute "expected" says, and
// fails the run otherwise. The importer puts it behind the branch of an If that alone can be
// compiled.
#include "ops/strided.h"
#include "ops/tools.h"

namespace polder::ops::require {
namespace {

struct Params {
  bool expected;
};

void parse(AttrReader& attrs, Params& p) { p.expected = attrs.flag("expected", true); }

Status check(bool condition, bool expected) {
  if (condition == expected) return {};
  return fail(Code::kUnsupported,
              "the model takes the {} branch here, which was left out: for the shapes that were "
              "given it cannot be computed, or its results differ in rank from the other's; give "
              "other shapes (--shape NAME=D,D,...)",
              condition ? "then" : "else");
}

Status infer(InferContext& context) {
  TRY(context.expect_type(1, {DataType::kBool}));
  const ValueInfo& condition = context.input(1);
  if (condition.dims.known() && condition.dims.max_elements() != 1) {
    return fail(Code::kInvalid, "the condition is {}; one element expected", condition.dims.text());
  }
  if (condition.constant() && condition.dims.known()) {
    TRY(check(*static_cast<const std::uint8_t*>(condition.data),
              context.params<Params>().expected));
  }
  context.output(0, context.type(0), context.dims(0));
  IntList ints;
  if (context.ints(0, ints)) context.output_ints(0, ints);
  return {};
}

Status reference(const RunContext& run) {
  if (run.in(1).shape.elements() != 1) return fail(Code::kInvalid, "the condition is not one bool");
  TRY(check(*run.in(1).as<std::uint8_t>(), run.as<Params>().expected));
  return copy_whole(run);
}

std::vector<Sample> samples() {
  const SampleInput yes = {DataType::kBool, {}, {1}}, no = {DataType::kBool, {1}, {0}};
  return {{"true", {{.shape = {2, 5}}, yes}},
          {"false", {{DataType::kI64, {3}}, no}, {{"expected", std::int64_t(0)}}}};
}

}  // namespace

extern const OpDef def = {
    .name = "Require",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .in_place = 0b1,
};
extern const OpTools tools = {.samples = samples};

}  // namespace polder::ops::require
