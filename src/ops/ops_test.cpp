// Walks the operator table: for each sample of each operator, the inferred shape is the one that
// the operator's definition gives, the chosen kernel of every instruction set agrees with the
// reference, what inference knows early holds later, and no attributes make it crash.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "ops/op_harness.h"

namespace polder::ops {
namespace {

struct Entry {
  const OpDef* def;
  const OpTools* tools;
};

std::vector<Entry> table() {
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < all_ops().size(); ++i) {
    if (all_ops()[i]->bodies == 0) entries.push_back({all_ops()[i], all_tools()[i]});
  }
  return entries;
}

class OpTest : public testing::TestWithParam<Entry> {
 protected:
  const OpDef& def() const { return *GetParam().def; }
  std::vector<Sample> samples() const {
    const OpTools& tools = *GetParam().tools;
    return tools.samples ? tools.samples() : std::vector<Sample>();
  }
};

// Three threads' worth of tasks, in an order that no pool promises.
class Backwards final : public Parallel {
 public:
  int width() const override { return 3; }
  void run(int count, void (*task)(void*, int), void* context) override {
    for (int i = count; i-- > 0;) task(context, i);
  }
};

bool near(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) == std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::abs(a - b) <= 2e-5 * std::max(1.0, std::abs(b));
}

void expect_same(const Ran& got, const Ran& expected) {
  ASSERT_EQ(got.outputs.size(), expected.outputs.size());
  for (std::size_t i = 0; i < got.outputs.size(); ++i) {
    const TensorView &a = got.outputs[i].view, &b = expected.outputs[i].view;
    ASSERT_EQ(a.type, b.type);
    ASSERT_EQ(a.shape, b.shape);
    for (std::int64_t k = 0; k < a.shape.elements(); ++k) {
      ASSERT_TRUE(near(get(a, k), get(b, k)))
          << "output " << i << " element " << k << ": " << get(a, k) << ", expected " << get(b, k);
    }
  }
}

TEST_P(OpTest, HasSamples) { EXPECT_FALSE(samples().empty()); }

// By the operator's definition, for every output.
Shape expected_shape(const Sample& sample, std::size_t output) {
  return sample.shapes.empty() ? sample.inputs[0].shape : sample.shapes[output];
}

// A known extent is the real one, any other a bound of it.
void expect_holds(const Dims& inferred, const Shape& real) {
  ASSERT_EQ(inferred.rank(), real.rank());
  for (int axis = 0; axis < real.rank(); ++axis) {
    const Dim& dim = inferred[axis];
    EXPECT_TRUE(dim.known() ? dim.bound == real[axis] : dim.bound >= real[axis])
        << inferred.text() << " inferred, " << real.text() << " found";
  }
}

TEST_P(OpTest, ShapesAreAsDefined) {
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.name);
    Case test = make_case(def(), sample, Known::kAll);
    const Status inferred = infer_case(test);
    ASSERT_TRUE(inferred.ok()) << inferred.error().message;
    Serial serial;
    const Result<Ran> ran = run_case(test, std::nullopt, serial);
    ASSERT_TRUE(ran.ok()) << ran.error().message;
    for (std::size_t i = 0; i < ran->outputs.size(); ++i) {
      const Value& value = test.graph[test.graph.nodes[0].outputs[i]];
      EXPECT_EQ(value.type, ran->outputs[i].view.type);
      EXPECT_EQ(ran->outputs[i].view.shape, expected_shape(sample, i));
      expect_holds(value.dims, expected_shape(sample, i));
    }
  }
}

// What is inferred from shapes or ranks alone must hold when everything is known; where it cannot
// be, the sample says so. Bounds of ranks are twice the extents, so no bound is taken for an
// extent.
TEST_P(OpTest, EarlyInferenceHolds) {
  for (const Sample& sample : samples()) {
    for (const Known known : {Known::kShapes, Known::kRanks}) {
      SCOPED_TRACE(sample.name + (known == Known::kShapes ? ", shapes" : ", ranks"));
      Case test = make_case(def(), sample, known);
      const Status early = infer_case(test);
      ASSERT_EQ(early.ok(), sample.needs >= known)
          << (early ? "inferred, though the sample says that it needs more"
                    : early.error().message);
      if (!early) continue;
      for (std::size_t i = 0; i < sample.outputs(); ++i)
        expect_holds(test.graph[test.graph.nodes[0].outputs[i]].dims, expected_shape(sample, i));
    }
  }
}

TEST_P(OpTest, ChosenKernelAgreesWithReference) {
  for (const Sample& sample : samples()) {
    Case test = make_case(def(), sample, Known::kAll);
    Serial serial;
    Backwards backwards;
    const Result<Ran> expected = run_case(test, std::nullopt, serial);
    ASSERT_TRUE(expected.ok()) << expected.error().message;
    for (const kernel::Isa isa : kernel::kAllIsas) {
      if (!kernel::kernels_for(isa) || !kernel::cpu_supports(isa)) continue;
      SCOPED_TRACE(sample.name + " on " + std::string(kernel::isa_name(isa)));
      for (Parallel* parallel :
           {static_cast<Parallel*>(&serial), static_cast<Parallel*>(&backwards)}) {
        const Result<Ran> got = run_case(test, isa, *parallel);
        ASSERT_TRUE(got.ok()) << got.error().message;
        expect_same(*got, *expected);
      }
    }
  }
}

// A plan for free extents: kernels run with less than they were chosen for.
TEST_P(OpTest, KernelChosenForBoundsAgreesWithReference) {
  for (const Sample& sample : samples()) {
    if (sample.needs != Known::kRanks) continue;  // cannot be planned for bounds
    Case test = make_case(def(), sample, Known::kRanks);
    const Status early = infer_case(test);
    ASSERT_TRUE(early.ok()) << early.error().message;
    Serial serial;
    const Result<Ran> expected = run_case(test, std::nullopt, serial);
    ASSERT_TRUE(expected.ok()) << expected.error().message;
    for (const kernel::Isa isa : kernel::kAllIsas) {
      if (!kernel::kernels_for(isa) || !kernel::cpu_supports(isa)) continue;
      SCOPED_TRACE(sample.name + " on " + std::string(kernel::isa_name(isa)));
      const Result<Ran> got = run_case(test, isa, serial, ChosenFor::kBounds);
      ASSERT_TRUE(got.ok()) << got.error().message;
      expect_same(*got, *expected);
    }
  }
}

// Attributes of other kinds and extreme values, alone and instead of the sample's own.
AttrValue random_value(std::mt19937_64& engine) {
  constexpr std::int64_t kInts[] = {0,
                                    1,
                                    -1,
                                    2,
                                    3,
                                    7,
                                    -8,
                                    8,
                                    64,
                                    std::int64_t(1) << 31,
                                    -(std::int64_t(1) << 33),
                                    AttrReader::kMin,
                                    AttrReader::kMax};
  constexpr double kReals[] = {0, -1, 0.5, 1e300, -1e-300, AttrReader::kInf, NAN};
  const auto integer = [&] { return kInts[engine() % std::size(kInts)]; };
  switch (engine() % 5) {
    case 0: return integer();
    case 1: return kReals[engine() % std::size(kReals)];
    case 2: return std::string(engine() % 2 ? "constant" : "f32");
    case 3: {
      std::vector<std::int64_t> list(engine() % 10);
      for (std::int64_t& x : list) x = integer();
      return list;
    }
    default: return std::vector<double>(engine() % 10, kReals[engine() % std::size(kReals)]);
  }
}

TEST_P(OpTest, RandomAttributesNeverCrash) {
  std::mt19937_64 engine(11);
  std::vector<std::string> names;  // those that any sample of this operator uses
  for (const Sample& sample : samples()) {
    for (const auto& [name, value] : sample.attrs.all()) names.push_back(name);
  }
  if (names.empty()) names.push_back("axis");
  for (const Sample& sample : samples()) {
    for (int round = 0; round < 30; ++round) {
      Sample broken = sample;
      broken.attrs.set(names[engine() % names.size()], random_value(engine));
      if (engine() % 3 == 0) broken.attrs.set(names[engine() % names.size()], random_value(engine));
      Case test = make_case(def(), broken, Known(engine() % 3));
      const Status inferred = infer_case(test);
      if (!inferred) {
        EXPECT_FALSE(inferred.error().message.empty());
        continue;
      }
      bool small = true;
      for (const ValueId id : test.graph.nodes[0].outputs) {
        small = small && test.graph[id].dims.max_elements() < (1 << 20);
      }
      Serial serial;
      if (small) (void)run_case(test, kernel::best_isa(), serial);
    }
  }
}

std::string name_of(const testing::TestParamInfo<Entry>& info) {
  return std::string(info.param.def->name);
}

INSTANTIATE_TEST_SUITE_P(All, OpTest, testing::ValuesIn(table()), name_of);

}  // namespace
}  // namespace polder::ops
