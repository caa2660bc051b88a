#include "base/fail.h"
#include "pipeline/steps/steps.h"
#include "pipeline/testing.h"

namespace polder::pipeline {
namespace {

// out = in + state + k; state' = out. Counts its runs.
class Adder final : public Executor {
 public:
  explicit Adder(int* runs) : runs_(runs) {}
  std::span<const Port> inputs() const override { return inputs_; }
  std::span<const Port> outputs() const override { return outputs_; }
  Status run(std::span<const TensorView> inputs) override {
    ++*runs_;
    out_ = inputs[0].as<float>()[0] + inputs[1].as<float>()[0] +
           float(inputs[2].as<std::int64_t>()[0]);
    return {};
  }
  TensorView output(int) const override {
    return {const_cast<float*>(&out_), DataType::kF32, Shape{1, 1}};
  }

 private:
  int* runs_;
  float out_ = 0;
  std::vector<Port> inputs_{{"in", DataType::kF32, Shape{1, 1}, Shape{1, 1}},
                            {"state", DataType::kF32, Shape{1, 1}, Shape{1, 1}},
                            {"k", DataType::kI64, Shape{}, Shape{}}};
  std::vector<Port> outputs_{{"out", DataType::kF32, Shape{1, 1}, Shape{1, 1}}};
};

class InferTest : public testing::Test {
 protected:
  InferTest() {
    environment_.input_folder = "models";
    environment_.open_model = [this](const ModelRequest& request) {
      opened_ = request;
      if (request.path == "models/none")
        return Result<std::unique_ptr<Executor>>(
            fail(Code::kNotFound, "models/none: no such file"));
      return Result<std::unique_ptr<Executor>>(std::make_unique<Adder>(&runs_));
    };
  }
  const Packet& window(float value, std::uint64_t seq) {
    auto& tensors = maker_.make<Tensors>(seq, std::int64_t(seq));
    tensors.resize(1, 1);
    tensors.runs[0][0].reset(DataType::kF32, Shape{1, 1});
    tensors.runs[0][0].f32()[0] = value;
    return maker_.packet();
  }
  Environment environment_;
  PacketMaker maker_;
  ModelRequest opened_;
  int runs_ = 0;
};

constexpr const char* kAll = "model = 'm'\nconstants = { k = 100 }\ncarry = 'out:state'\n";

TEST_F(InferTest, FeedsConstantsAndCarriesState) {
  NodeRunner infer(kInfer, std::string(kAll) + "threads = 3", environment_);
  EXPECT_EQ(opened_.path, "models/m");
  EXPECT_EQ(opened_.threads, 3);
  ASSERT_TRUE(infer.run({window(1, 0)}).ok());
  EXPECT_EQ(infer.output<Tensors>().runs[0][0].f32()[0], 101);
  ASSERT_TRUE(infer.run({window(2, 1)}).ok());
  EXPECT_EQ(infer.output<Tensors>().runs[0][0].f32()[0], 203);
}

TEST_F(InferTest, SizesOfFreeDimensionsReachTheEngine) {
  NodeRunner infer(kInfer,
                   std::string(kAll) + "shapes = { in = [1, -1] }\nbounds = { N = 8, 'in[1]' = 9 }",
                   environment_);
  using Shapes = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;
  using Bounds = std::vector<std::pair<std::string, std::int64_t>>;
  EXPECT_EQ(opened_.shapes, (Shapes{{"in", {1, -1}}}));
  EXPECT_EQ(opened_.bounds, (Bounds{{"N", 8}, {"in[1]", 9}}));
  for (const char* wrong :
       {"shapes = { in = 3 }", "shapes = { in = ['a'] }", "bounds = { N = 1.5 }"}) {
    const auto made = make_node(kInfer, std::string(kAll) + wrong, environment_);
    ASSERT_FALSE(made.ok()) << wrong;
    EXPECT_NE(made.error().message.find("whole number"), std::string::npos) << made.error().message;
  }
}

TEST_F(InferTest, EveryPassesTheOthersOver) {
  NodeRunner infer(kInfer, std::string(kAll) + "every = 3", environment_);
  for (std::uint64_t seq = 0; seq < 7; ++seq) {
    ASSERT_TRUE(infer.run({window(0, seq)}).ok());
    EXPECT_EQ(infer.output<Tensors>().run_count, seq % 3 == 0 ? 1 : 0);
  }
  EXPECT_EQ(runs_, 3);
}

TEST_F(InferTest, OtherExtentsNameThePlaceAndBothSizes) {
  NodeRunner infer(kInfer, kAll, environment_);
  auto& tensors = maker_.make<Tensors>(0, 0);
  tensors.resize(1, 1);
  tensors.runs[0][0].reset(DataType::kF32, Shape{1, 2});
  const Status status = infer.run({maker_.packet()});
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("input 'in' takes [1,1], and [1,2] comes"),
            std::string::npos)
      << status.error().message;
  EXPECT_EQ(runs_, 0);
}

TEST_F(InferTest, ConstantsMustSuitTheirInput) {
  for (const char* wrong : {"'x'", "true", "[1]", "16000.7", "{ a = 1 }"}) {
    const auto made = make_node(
        kInfer, fmt::format("model = 'm'\nconstants = {{ k = {} }}\ncarry = 'out:state'", wrong),
        environment_);
    ASSERT_FALSE(made.ok()) << wrong;
    EXPECT_NE(made.error().message.find(
                  "test.toml:2: infer: input 'k' is i64; its constant must be a whole number"),
              std::string::npos)
        << made.error().message;
  }
  for (const char* wrong : {"'x'", "1e99", "nan"})
    EXPECT_FALSE(make_node(kInfer,
                           fmt::format("model = 'm'\nconstants = {{ k = 1, state = {} }}", wrong),
                           environment_)
                     .ok())
        << wrong;
  EXPECT_TRUE(
      make_node(kInfer, "model = 'm'\nconstants = { k = 1, state = 2 }", environment_).ok());
}

TEST_F(InferTest, AnInputIsKeptOnce) {
  for (const char* wrong : {"constants = { k = 1 }\ncarry = ['out:state', 'out:state']",
                            "constants = { k = 1, state = 0 }\ncarry = 'out:state'"}) {
    const auto made = make_node(kInfer, std::string("model = 'm'\n") + wrong, environment_);
    ASSERT_FALSE(made.ok()) << wrong;
    EXPECT_NE(made.error().message.find("input 'state' is named a second time"), std::string::npos)
        << made.error().message;
  }
  const auto other =
      make_node(kInfer, "model = 'm'\nconstants = { state = 1 }\ncarry = 'out:k'", environment_);
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().message.find("the output is f32 [1,1], the input i64"), std::string::npos)
      << other.error().message;
}

TEST_F(InferTest, ErrorsNameWhatIsMissing) {
  const auto message = [&](std::string_view toml) {
    const auto made = make_node(kInfer, toml, environment_);
    return made.ok() ? "" : made.error().message;
  };
  EXPECT_NE(message("model = 'none'").find("models/none: no such file"), std::string::npos);
  EXPECT_NE(message("model = 'm'").find("feeds one input"), std::string::npos);
  EXPECT_NE(
      message("model = 'm'\nconstants = { q = 1 }").find("no input 'q'; it has 'in', 'state'"),
      std::string::npos);
  EXPECT_NE(message("model = 'm'\ncarry = 'out'").find("output:input"), std::string::npos);
  EXPECT_NE(make_node(kInfer, "model = 'm'").error().message.find("no engine"), std::string::npos);
}

}  // namespace
}  // namespace polder::pipeline
