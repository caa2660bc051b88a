// A real plan in a confined process: its goldens hold or do not, its limits are kept or are not.
#include "agent/probe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "base/fail.h"
#include "platform/sanitized.h"
#include "runtime/tensor_file.h"
#include "trust/sealed_file.h"

namespace polder::agent {
namespace {

class Probe : public testing::Test {
 protected:
  void SetUp() override {
    auto child = processes_.start({.command = {"/bin/true"}});
    if (!child.ok() && child.error().code == Code::kUnsupported)
      GTEST_SKIP() << child.error().message;
    root_ = std::filesystem::temp_directory_path() / ("polder-probe-" + std::to_string(::getpid()));
    storage_ = DiskStorage::at(root_).value();
    staged_.folder = "slots/people/a";
    std::filesystem::create_directories(root_ / staged_.folder / "models");
    std::filesystem::create_directories(root_ / staged_.folder / "goldens");
    std::filesystem::copy_file(POLDER_SOURCE_DIR "/tests/data/agent/loudness.plan",
                               root_ / plan_name());
    trust::Artifact artifact;
    artifact.name = "loudness";
    staged_.models = {{artifact, plan_name()}};
    add_golden(0.5F);
    policy_.command = {POLDER_WORKER};
  }
  void TearDown() override {
    if (!root_.empty()) std::filesystem::remove_all(root_);
  }
  std::string plan_name() const { return staged_.folder + "/models/loudness.plan"; }

  // The model is the mean of absolute values: of an input of one value that value.
  void add_golden(float expected) {
    std::array<float, 576> samples;
    samples.fill(-0.5F);
    trust::Golden golden{.name = "half", .artifact = "loudness", .absolute = 1e-5};
    golden.inputs = {{"x", write({DataType::kF32, Shape{1, 576}, samples})}};
    golden.outputs = {{"p", write({DataType::kF32, Shape{1, 1}, std::array{expected}})}};
    staged_.manifest.goldens = {golden};
  }
  struct Values {
    DataType type;
    Shape shape;
    std::span<const float> values;
  };
  trust::Sha256 write(const Values& tensor) {
    const TensorView view{const_cast<float*>(tensor.values.data()), tensor.type, tensor.shape};
    const std::string bytes = npy_bytes(view, "test").value();
    const trust::Sha256 digest = trust::sha256(bytes);
    std::ofstream(root_ / staged_.golden(digest), std::ios::binary) << bytes;
    return digest;
  }
  Status probe() {
    const auto open_model = [this](const StagedModel& model) -> Result<proto::ModelFile> {
      return proto::ModelFile{model.artifact.name, storage_->path(model.name), content_key_};
    };
    return probe_release(staged_, *storage_, processes_, clock_, policy_, open_model,
                         [this]() -> Status {
                           if (is_over_) return fail(Code::kTimeout, "enough");
                           return {};
                         });
  }
  Code code() {
    const Status status = probe();
    return status.ok() ? Code::kIo : status.error().code;
  }

  SystemProcesses processes_;
  SystemClock clock_;
  WorkerPolicy policy_;
  StagedRelease staged_;
  std::unique_ptr<DiskStorage> storage_;
  std::filesystem::path root_;
  bool is_over_ = false;
  WipedBytes content_key_;
};

TEST_F(Probe, GoldensHold) {
  const Status status = probe();
  EXPECT_TRUE(status.ok()) << status.error().message;
}

TEST_F(Probe, AGoldenThatDoesNotHoldIsNamed) {
  add_golden(0.25F);
  const Status status = probe();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kCorrupt);
  EXPECT_NE(status.error().message.find("'loudness': golden 'half': output 'p'"), std::string::npos)
      << status.error().message;
}

TEST_F(Probe, LimitsAreKept) {
  staged_.manifest.limits = {.latency_ms = 1e6, .memory_bytes = std::int64_t(1) << 40};
  EXPECT_TRUE(probe().ok());
  // The machine may be busy: no blame.
  staged_.manifest.limits = {.latency_ms = 1e-9};
  EXPECT_EQ(code(), Code::kTimeout);
  staged_.manifest.limits = {.memory_bytes = 4096};
  EXPECT_EQ(code(), Code::kIncompatible);
  // Its own limit counts before the release's.
  staged_.models[0].artifact.limits.memory_bytes = std::int64_t(1) << 40;
  EXPECT_TRUE(probe().ok());
  // Nothing to measure with.
  staged_.manifest.limits = {.latency_ms = 1e6};
  staged_.manifest.goldens.clear();
  EXPECT_EQ(code(), Code::kIncompatible);
}

TEST_F(Probe, WhatIsNoPlanIsTheReleasesFault) {
  std::ofstream(root_ / plan_name()) << "not a plan";
  EXPECT_EQ(code(), Code::kCorrupt);
}

// The device has given it less than its release allows: for the device to mend.
TEST_F(Probe, OneThatRunsOutOfMemoryIsToldWhatItWasGiven) {
#ifdef POLDER_SANITIZED
  GTEST_SKIP() << "sanitizers reserve terabytes of addresses";
#endif
  const std::vector<float> large(24 << 20);
  staged_.manifest.goldens[0].inputs = {
      {"x", write({DataType::kF32, Shape{1, std::int64_t(large.size())}, large})}};
  staged_.manifest.limits = {.memory_bytes = std::int64_t(512) << 20};
  policy_.memory_bytes = 64 << 20;
  const Status status = probe();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kExhausted) << status.error().message;
  EXPECT_NE(status.error().message.find("'loudness': "), std::string::npos);
  EXPECT_NE(status.error().message.find("its release allows it 512 MB; raise [worker] memory_mb = "
                                        "64 of polderd.toml"),
            std::string::npos)
      << status.error().message;
  // With enough it is the input that does not fit.
  policy_.memory_bytes = 512 << 20;
  EXPECT_EQ(code(), Code::kInvalid);
}

TEST_F(Probe, ASealedPlanOpensWithItsKeyAlone) {
  const auto plain = open_readable(root_ / plan_name()).value();
  MemoryStore store;
  auto out = store.create("sealed").value();
  const trust::ContentKey key = trust::seal_file(*plain, *out).value();
  ASSERT_TRUE(out->commit().ok());
  std::ofstream(root_ / plan_name(), std::ios::binary) << store.files().at("sealed");
  content_key_ = WipedBytes(key.bytes().view());
  const Status status = probe();
  EXPECT_TRUE(status.ok()) << status.error().message;
  content_key_ = WipedBytes(trust::ContentKey::generate().value().bytes().view());
  EXPECT_EQ(code(), Code::kDenied);
  content_key_ = {};
  EXPECT_EQ(code(), Code::kCorrupt);
  std::string damaged = store.files().at("sealed");
  damaged[damaged.size() / 2] ^= 1;
  std::ofstream(root_ / plan_name(), std::ios::binary) << damaged;
  content_key_ = WipedBytes(key.bytes().view());
  EXPECT_EQ(code(), Code::kCorrupt);
}

TEST_F(Probe, ProcessesThatEndEarly) {
  policy_.command = {"/bin/sh", "-c", "kill -SEGV $$"};
  EXPECT_EQ(code(), Code::kCorrupt);
  policy_.command = {"/bin/sh", "-c", "kill -KILL $$"};
  EXPECT_EQ(code(), Code::kExhausted);
  policy_.command = {"/bin/true"};
  EXPECT_EQ(code(), Code::kCorrupt);
}

TEST_F(Probe, EndsWhenItIsToldTo) {
  is_over_ = true;
  EXPECT_EQ(code(), Code::kTimeout);
}

TEST_F(Probe, AProgramMustStart) {
  const std::string name = staged_.folder + "/polderd";
  staged_.models[0].artifact.kind = trust::ArtifactKind::kRuntime;
  staged_.models[0].name = name;
  const auto program = [&](const std::string& text) {
    std::ofstream(root_ / name) << "#!/bin/sh\n" << text << "\n";
    std::filesystem::permissions(root_ / name, std::filesystem::perms::owner_all);
  };
  program("test \"$1\" = --version");
  EXPECT_TRUE(probe().ok());
  program("exit 1");
  EXPECT_EQ(code(), Code::kCorrupt);
}

}  // namespace
}  // namespace polder::agent
