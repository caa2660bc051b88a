// Slots on a disk that is cut off and fails at every call.
#include "agent/slots.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/fail.h"
#include "platform/storage_fake.h"
#include "trust/testing_release.h"

namespace polder::agent {
namespace {

struct Release {
  trust::Manifest manifest;
  std::string bytes;
  std::vector<const trust::Artifact*> chosen;
  ReleaseId id;

  Release(const std::string& version, std::vector<std::size_t> artifacts)
      : manifest(trust::test_manifest()) {
    manifest.version = trust::Version::parse(version, "test").value();
    bytes = manifest.bytes();
    for (const std::size_t i : artifacts) chosen.push_back(&manifest.artifacts[i]);
    id = release_id(manifest, bytes);
  }
  Release(const Release&) = delete;
};

// The blobs of test_manifest(), of which the digest is known.
const char* const kBlobs[] = {"plan for x86-64-v3",
                              "plan for x86-64-v4",
                              "plan for arm64",
                              "plan for generic",
                              "chunks",
                              "tflite",
                              "polderd",
                              "[pipeline]",
                              "person\n",
                              "in.npy",
                              "out.npy",
                              "recipe",
                              "{}"};

class SlotsTest : public testing::Test {
 protected:
  SlotsTest() { fill(disk_); }

  static void fill(FakeStorage& disk) {
    fill_disk(disk);
    disk.settle();
  }
  static void fill_disk(Storage& disk) {
    EXPECT_TRUE(BlobStore::open(disk).ok());
    for (const std::string blob : kBlobs)
      EXPECT_TRUE(replace_stored(disk, BlobStore::name(trust::sha256(blob)), blob).ok());
  }
  static Status stage(Storage& disk, Slot slot, const Release& release,
                      const std::string& unit = "people") {
    TRY_VALUE(BlobStore blobs, BlobStore::open(disk));
    return Slots(blobs).stage(unit, slot, release.bytes, release.manifest, release.chosen);
  }
  static Code verify(Storage& disk, Slot slot, const Release& release) {
    BlobStore blobs = BlobStore::open(disk).value();
    const Status status = Slots(blobs).verify("people", slot, release.id);
    return status.ok() ? Code(0) : status.error().code;
  }

  FakeStorage disk_;
  const Release old_{"1.0.0", {0}}, fresh_{"1.1.0", {1, 5}}, runtime_{"2.0.0", {5}};
};

TEST_F(SlotsTest, HoldAReleaseWhole) {
  const Status done = stage(disk_, Slot::kB, old_);
  ASSERT_TRUE(done.ok()) << done.error().message;
  BlobStore blobs = BlobStore::open(disk_).value();
  Slots slots(blobs);
  const auto staged = slots.open("people", Slot::kB, old_.id);
  ASSERT_TRUE(staged.ok()) << staged.error().message;
  EXPECT_EQ(staged->manifest, old_.manifest);
  ASSERT_EQ(staged->models.size(), 1u);
  EXPECT_EQ(staged->find_model("detector")->artifact, old_.manifest.artifacts[0]);
  EXPECT_EQ(staged->find_model("tracker"), nullptr);
  EXPECT_EQ(read_stored(disk_, staged->models[0].name, 100).value(), "plan for x86-64-v3");
  EXPECT_EQ(staged->models[0].name, "slots/people/b/models/detector.plan");
  EXPECT_EQ(read_stored(disk_, staged->pipeline(), 100).value(), "[pipeline]");
  EXPECT_EQ(read_stored(disk_, staged->folder + "/labels.txt", 100).value(), "person\n");
  EXPECT_EQ(read_stored(disk_, staged->golden(trust::sha256("in.npy")), 100).value(), "in.npy");
  EXPECT_EQ(staged->files.size(), 5u);
  EXPECT_EQ(digests_of(staged->blobs()).size(), 6u);  // with the plan's chunk index
  EXPECT_EQ(verify(disk_, Slot::kB, old_), Code(0));
  EXPECT_EQ(verify(disk_, Slot::kA, old_), Code::kNotFound);
  EXPECT_EQ(verify(disk_, Slot::kB, fresh_), Code::kCorrupt);
  EXPECT_EQ(slots.units().value(), std::vector<std::string>{"people"});
  ASSERT_TRUE(slots.clear("people", Slot::kB).ok());
  EXPECT_EQ(verify(disk_, Slot::kB, old_), Code::kNotFound);
  EXPECT_TRUE(slots.clear("people", Slot::kA).ok());
}

TEST_F(SlotsTest, TakeNoRoomWhereFilesHaveSecondNames) {
  const auto wanted = needed_blobs(old_.manifest, old_.chosen);
  for (const bool has_links : {true, false}) {
    FakeStorage disk;
    disk.has_links = has_links;
    fill(disk);
    BlobStore blobs = BlobStore::open(disk).value();
    const std::uint64_t needed = Slots(blobs).copy_bytes(wanted).value();
    const std::uint64_t before = disk.free_bytes().value();
    ASSERT_TRUE(stage(disk, Slot::kA, old_).ok());
    EXPECT_EQ(verify(disk, Slot::kA, old_), Code(0));
    std::uint64_t own = 0;
    for (const char* name : {"manifest.json", "chosen.json"})
      own += disk.files()["slots/people/a/" + std::string(name)].size();
    EXPECT_EQ(before - disk.free_bytes().value(), needed + own);
    EXPECT_EQ(needed > 0, !has_links);
    // Blobs go, the slot stays.
    ASSERT_TRUE(blobs.collect({}).ok());
    EXPECT_EQ(verify(disk, Slot::kA, old_), Code(0));
  }
}

TEST_F(SlotsTest, HoldPolderdItself) {
  Release runtime("2.0.0", {5});
  ASSERT_EQ(runtime.manifest.artifacts[5].kind, trust::ArtifactKind::kRuntime);
  ASSERT_TRUE(stage(disk_, Slot::kA, runtime, "polderd").ok());
  BlobStore blobs = BlobStore::open(disk_).value();
  const auto staged = Slots(blobs).open("polderd", Slot::kA, runtime.id);
  ASSERT_TRUE(staged.ok());
  EXPECT_EQ(staged->models[0].name, "slots/polderd/a/polderd");
}

TEST_F(SlotsTest, SeeEveryFileThatHasChanged) {
  ASSERT_TRUE(stage(disk_, Slot::kA, old_).ok());
  disk_.settle();
  std::size_t count = 0;
  for (const auto& [name, bytes] : disk_.files()) {
    if (!name.starts_with("slots/")) continue;
    for (const bool is_gone : {false, true}) {
      auto broken = disk_.after_crash(0, 0);
      if (is_gone) ASSERT_TRUE(broken->remove(name).ok());
      else ASSERT_TRUE((*broken->open(name))->write(bytes.size() / 2, "#").ok());
      EXPECT_NE(verify(*broken, Slot::kA, old_), Code(0)) << name;
      EXPECT_TRUE(stage(*broken, Slot::kA, old_).ok()) << name;
      ++count;
    }
  }
  EXPECT_EQ(count, 14u);
}

TEST_F(SlotsTest, RefuseWhatTheyCannotHold) {
  for (const char* name : {"manifest.json", "chosen.json", "pipeline.toml", "models", "goldens"}) {
    Release release("1.2.0", {0});
    release.manifest.pipeline->files[name] = trust::sha256("person\n");
    const Status staged = stage(disk_, Slot::kA, release);
    ASSERT_FALSE(staged.ok()) << name;
    EXPECT_EQ(staged.error().code, Code::kInvalid);
  }
  EXPECT_EQ(stage(disk_, Slot::kA, old_, "../people").error().code, Code::kInvalid);
  EXPECT_EQ(stage(disk_, Slot::kNone, old_).error().code, Code::kInvalid);
  ASSERT_TRUE(disk_.remove(BlobStore::name(trust::sha256("in.npy"))).ok());
  const Status missing = stage(disk_, Slot::kA, old_);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_EQ(verify(disk_, Slot::kA, old_), Code::kNotFound);
}

TEST_F(SlotsTest, AreTheOldOrTheNewOrEmptyAfterAnyPowerCut) {
  for (const bool has_links : {true, false}) {
    FakeStorage disk;
    disk.has_links = has_links;
    fill(disk);
    ASSERT_TRUE(stage(disk, Slot::kA, old_).ok());
    ASSERT_TRUE(stage(disk, Slot::kB, old_).ok());
    disk.settle();
    ASSERT_TRUE(stage(disk, Slot::kB, fresh_).ok());
    std::uint64_t olds = 0, empties = 0, news = 0;
    const auto survives = [&](FakeStorage& after, std::size_t step, std::uint64_t choice) {
      const Code as_old = verify(after, Slot::kB, old_), as_new = verify(after, Slot::kB, fresh_);
      const bool is_empty = as_old == Code::kNotFound && as_new == Code::kNotFound;
      olds += as_old == Code(0), news += as_new == Code(0), empties += is_empty;
      const bool fine = (as_old == Code(0) || as_new == Code(0) || is_empty) &&
                        verify(after, Slot::kA, old_) == Code(0) &&
                        stage(after, Slot::kB, fresh_).ok() &&
                        verify(after, Slot::kB, fresh_) == Code(0);
      EXPECT_TRUE(fine) << "step " << step << ", choice " << choice;
      return fine;
    };
    EXPECT_GT(for_each_crash(disk, 10, 1, survives), 250u);
    EXPECT_GT(std::min({olds, news, empties}), 5u);
  }
}

TEST_F(SlotsTest, AProgramIsHashedAsItWillBeRun) {
  std::string folder = testing::TempDir() + "slots.XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const auto disk = DiskStorage::at(folder).value();
  fill_disk(*disk);
  ASSERT_TRUE(stage(*disk, Slot::kA, runtime_, "polderd").ok());
  ASSERT_TRUE(stage(*disk, Slot::kB, old_, "polderd").ok());
  BlobStore blobs = BlobStore::open(*disk).value();
  Slots slots(blobs);
  const auto program = slots.program("polderd", Slot::kA, runtime_.id);
  ASSERT_TRUE(program.ok()) << program.error().message;
  EXPECT_EQ(program->size(), 7u);
  EXPECT_EQ(slots.program("polderd", Slot::kB, old_.id).error().code, Code::kCorrupt);
  const std::string name = slots.open("polderd", Slot::kA, runtime_.id)->models[0].name;
  ASSERT_TRUE(disk->open(name).value()->write(0, "P").ok());
  const auto changed = slots.program("polderd", Slot::kA, runtime_.id);
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code, Code::kCorrupt);
  EXPECT_EQ(changed.error().message.find(name), 0u) << changed.error().message;
  ASSERT_TRUE(disk->remove(name).ok());
  EXPECT_EQ(slots.program("polderd", Slot::kA, runtime_.id).error().code, Code::kCorrupt);
  std::filesystem::remove_all(folder);
}

TEST_F(SlotsTest, AFaultyDiskLeavesNothingHalf) {
  using enum StorageFault;
  for (const StorageFault fault : {kFull, kIo, kShort}) {
    std::uint64_t failed = 0;
    for (std::uint64_t call = 0;; ++call) {
      FakeStorage disk;
      disk.has_links = call % 2 == 0;
      fill(disk);
      ASSERT_TRUE(stage(disk, Slot::kB, old_).ok());
      const std::uint64_t before = disk.calls();
      disk.fail_at(call, fault, true);
      const bool done = stage(disk, Slot::kB, fresh_).ok();
      if (disk.calls() <= before + call) break;
      failed += !done;
      disk.fault_of = nullptr;
      const Code as_new = verify(disk, Slot::kB, fresh_);
      // Only that its name is durable may be unknown of a whole one.
      const bool is_whole = as_new == Code(0) || verify(disk, Slot::kB, old_) == Code(0);
      EXPECT_TRUE(is_whole || as_new == Code::kNotFound) << "call " << call;
      EXPECT_TRUE(!done || as_new == Code(0)) << "call " << call;
      EXPECT_TRUE(stage(disk, Slot::kB, fresh_).ok()) << "call " << call;
    }
    EXPECT_GT(failed, 15u);
  }
}

}  // namespace
}  // namespace polder::agent
