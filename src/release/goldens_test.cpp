#include "release/goldens.h"

#include <cstring>

#include "release/testing.h"
#include "runtime/tensor_file.h"
#include "sdk/open.h"

namespace polder::release {
namespace {

using trust::Artifact;
using trust::ArtifactKind;

class GoldensTest : public ReleaseTest {
 protected:
  std::unique_ptr<Session> session(const std::string& plan) {
    return open_session(plan, {}).value();
  }
  static TensorView view_of(const OwnedTensor& tensor) {
    return {const_cast<std::byte*>(tensor.data.view.data()), tensor.type, tensor.shape};
  }
  // Puts a file where the release has its blobs.
  trust::Sha256 put(const std::string& bytes) {
    const trust::Sha256 blob = trust::sha256(bytes);
    const std::string place = release_.blob_path(blob);
    EXPECT_TRUE(make_folders(place.substr(0, place.rfind('/'))));
    EXPECT_TRUE(write_file_atomic(place, bytes));
    return blob;
  }
  trust::Sha256 put_tensor(const TensorView& tensor) {
    return put(npy_bytes(tensor, "tensor").value());
  }
  // A release whose golden is what the plan makes of random inputs.
  void make(std::uint64_t seed = 1) {
    release_.folder = path("release");
    const auto plan = session(write_plan("m.plan", test_graph()));
    const auto inputs = random_inputs(plan->inputs(), seed).value();
    const auto outputs = run_once(*plan, inputs).value();
    Artifact artifact{"m", ArtifactKind::kPlan, "generic", {1, {}, "native"}, {}, {}, {}};
    artifact.blob = put(read("m.plan"));
    release_.manifest.artifacts = {artifact};
    release_.manifest.goldens = {{"g",
                                  "m",
                                  {{"x", put_tensor(view_of(inputs[0]))}},
                                  {{"y", put_tensor(outputs[0])}},
                                  1e-4,
                                  1e-3}};
  }
  trust::ReleaseFolder release_;
};

TEST_F(GoldensTest, RandomInputsAreTheSameForASeed) {
  const Port ports[] = {{"a", DataType::kF32, {2, 3}, {2, 3}}, {"b", DataType::kF32, {6}, {6}}};
  const auto bytes = [&](std::uint64_t seed, std::size_t port) {
    const auto tensors = random_inputs(ports, seed).value();
    const auto view = tensors[port].data.view;
    return std::string(reinterpret_cast<const char*>(view.data()), view.size());
  };
  EXPECT_EQ(bytes(7, 0).size(), 24u);
  EXPECT_EQ(bytes(7, 0), bytes(7, 0));
  EXPECT_NE(bytes(7, 0), bytes(8, 0));
  EXPECT_NE(bytes(7, 0), bytes(7, 1));  // each has its own
  const Port endless[] = {{"wide", DataType::kF32, {-1}, {std::int64_t(1) << 40}}};
  expect_error(random_inputs(endless, 1), Code::kExhausted, {"'wide'", "'inputs'"});
  EXPECT_TRUE(random_inputs({}, 1)->empty());
}

TEST_F(GoldensTest, FreeDimensionsAreAtTheirBounds) {
  const auto plan = session(write_plan("m.plan", test_graph(1, 1, Dim(5, 1))));
  const auto inputs = random_inputs(plan->inputs(), 1).value();
  EXPECT_EQ(inputs[0].shape, (Shape{5, kWidth}));
  EXPECT_EQ(run_once(*plan, inputs).value()[0].shape, (Shape{5, kWidth}));
  EXPECT_FALSE(run_once(*plan, {}));
}

TEST_F(GoldensTest, OneThatHoldsAndOneThatDoesNot) {
  make();
  const auto held = try_goldens(release_).value();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].outcome, GoldenOutcome::kHeld) << held[0].reason;
  EXPECT_EQ(held[0].reason, "");
  EXPECT_EQ(held[0].largest, 0);
  // Other weights make other outputs.
  release_.manifest.artifacts[0].blob =
      put(read_file(write_plan("n.plan", test_graph(1, 2)), 1u << 24).value());
  const auto broken = try_goldens(release_).value();
  EXPECT_EQ(broken[0].outcome, GoldenOutcome::kBroken);
  EXPECT_NE(broken[0].reason.find("output 'y'"), std::string::npos) << broken[0].reason;
  EXPECT_GT(broken[0].largest, 0);
  // Another number of outputs.
  make();
  release_.manifest.goldens[0].outputs.clear();
  const auto fewer = try_goldens(release_).value();
  EXPECT_EQ(fewer[0].outcome, GoldenOutcome::kBroken);
  EXPECT_EQ(fewer[0].reason, "0 outputs expected, the model has 1");
  release_.manifest.goldens.clear();
  EXPECT_TRUE(try_goldens(release_)->empty());
}

TEST_F(GoldensTest, WhatCannotRunHereIsNotTried) {
  make();
  const auto outcome = [&](const OpenFiles& open = {}) {
    auto results = try_goldens(release_, open).value();
    EXPECT_EQ(results.size(), 1u);
    return results.empty() ? GoldenResult() : results[0];
  };
  Artifact& artifact = release_.manifest.artifacts[0];
  artifact.requirement.backend = "litert";
  EXPECT_EQ(outcome().outcome, GoldenOutcome::kNotTried);
  EXPECT_NE(outcome().reason.find("litert is to run it"), std::string::npos);
  artifact.requirement.backend = "native";
  // Sealed, unless the file inside is at hand.
  artifact.sealed.emplace();
  EXPECT_EQ(outcome().outcome, GoldenOutcome::kNotTried);
  EXPECT_NE(outcome().reason.find("sealed"), std::string::npos);
  EXPECT_EQ(outcome({{artifact.blob, path("m.plan")}}).outcome, GoldenOutcome::kHeld);
  artifact.sealed.reset();
  // Of another format.
  std::string newer = read("m.plan");
  newer[8] = 9;
  artifact.blob = put(newer);
  EXPECT_EQ(outcome().outcome, GoldenOutcome::kNotTried);
  EXPECT_EQ(outcome().reason.find(release_.folder), std::string::npos) << outcome().reason;
  // A program has no goldens.
  artifact.kind = ArtifactKind::kRuntime;
  EXPECT_TRUE(try_goldens(release_)->empty());
}

TEST_F(GoldensTest, ADamagedModelIsAnError) {
  make();
  release_.manifest.artifacts[0].blob = put("POLDPLAN, or so it says");
  EXPECT_EQ(try_goldens(release_).error().code, Code::kCorrupt);
  release_.manifest.artifacts[0].blob = trust::sha256("not there");
  EXPECT_EQ(try_goldens(release_).error().code, Code::kNotFound);
  // A golden's own files: it does not hold, and says so.
  make();
  release_.manifest.goldens[0].inputs[0].blob = put("no tensor");
  const auto results = try_goldens(release_).value();
  EXPECT_EQ(results[0].outcome, GoldenOutcome::kBroken);
  EXPECT_NE(results[0].reason, "");
}

TEST_F(GoldensTest, WhyNotHereLeavesOutThePath) {
  Artifact artifact;
  artifact.target = "generic";
  const Error error{Code::kIncompatible, "/tmp/x/blob: format 9"};
  EXPECT_EQ(why_not_here(artifact, "/tmp/x/blob", error), "format 9");
  EXPECT_EQ(why_not_here(artifact, "/tmp/x", error), "/tmp/x/blob: format 9");
  for (const kernel::Isa isa : kernel::kAllIsas) {
    if (kernel::machine_runs(isa)) continue;
    artifact.target = kernel::isa_name(isa);
    EXPECT_EQ(why_not_here(artifact, "/tmp/x/blob", error),
              "made for " + artifact.target + "; try it there with 'polder release verify'");
  }
}

}  // namespace
}  // namespace polder::release
