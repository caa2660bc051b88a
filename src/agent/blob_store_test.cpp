// Blobs from a repository that fails in every way, onto a disk that does.
#include "agent/blob_store.h"

#include <gtest/gtest.h>

#include <random>

#include "platform/file.h"
#include "platform/http_fake.h"
#include "platform/random_access.h"
#include "platform/storage_fake.h"
#include "trust/chunks.h"
#include "trust/reseal.h"
#include "trust/testing_release.h"

namespace polder::agent {
namespace {

using Kind = HttpFault::Kind;

std::string noise(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string out(size, 0);
  for (char& c : out) c = char(random() & 0xff);
  return out;
}

// A device and a repository.
class Blobs : public testing::Test {
 protected:
  static constexpr char kUrl[] = "http://repository.example/r";

  BlobRef publish(const std::string& bytes, bool with_index) {
    BlobRef ref{trust::sha256(bytes), bytes.size(), {}, 0};
    put(bytes);
    if (!with_index) return ref;
    const std::string index = trust::ChunkIndex::of(bytes).bytes();
    ref.index = trust::sha256(index);
    ref.index_bytes = index.size();
    put(index);
    return ref;
  }
  std::string url(const trust::Sha256& blob) { return std::string(kUrl) + "/" + blob_place(blob); }
  void put(const std::string& bytes) { http_.files[url(trust::sha256(bytes))] = bytes; }

  Status fetch(Storage& disk, const BlobRef& blob, std::span<const BlobRef> at_hand = {}) {
    counts_ = {};
    auto store = BlobStore::open(disk);
    if (!store.ok()) return std::move(store).error();
    return store->fetch(blob, at_hand, fetcher_, progress_, &counts_);
  }
  static std::string stored(FakeStorage& disk, const BlobRef& blob) {
    auto bytes = read_stored(disk, BlobStore::name(blob.sha256), 64 << 20);
    return bytes.ok() ? *bytes : "";
  }
  static std::string message(const Status& status) {
    return status.ok() ? "" : status.error().message;
  }
  // What has its name is the blob, whole.
  static bool holds_only_whole_blobs(FakeStorage& disk) {
    for (const auto& [name, bytes] : disk.files())
      if (storage_folder(name) == "blobs" && trust::hex(trust::sha256(bytes)) != name.substr(6))
        return false;
    return true;
  }

  FakeHttp http_;
  HttpBlobs fetcher_{http_, kUrl};
  FakeStorage disk_;
  FetchProgress progress_;
  FetchCounts counts_;
};

TEST_F(Blobs, ComeWithAndWithoutAnIndex) {
  for (const bool with_index : {false, true}) {
    for (const std::size_t size : {0, 1, 65'535, 65'536, 1'000'000}) {
      const std::string bytes = noise(size, unsigned(size) + with_index);
      const BlobRef blob = publish(bytes, with_index);
      FakeStorage disk;
      const Status done = fetch(disk, blob);
      ASSERT_TRUE(done.ok()) << message(done);
      EXPECT_EQ(stored(disk, blob), bytes);
      EXPECT_EQ(counts_.fetched_bytes, size + blob.index_bytes);
      EXPECT_EQ(counts_.requests, (size > 0 ? 1u : 0u) + with_index);
      // It is there: nothing is asked.
      ASSERT_TRUE(fetch(disk, blob).ok());
      EXPECT_EQ(counts_.requests, 0u);
    }
  }
}

TEST_F(Blobs, AreTakenFromWhatIsThere) {
  std::string bytes = noise(4 << 20, 1);
  const BlobRef old = publish(bytes, true);
  ASSERT_TRUE(fetch(disk_, old).ok());
  bytes.insert(2 << 20, noise(1000, 2));
  const BlobRef fresh = publish(bytes, true);
  const Status done = fetch(disk_, fresh, {{old}});
  ASSERT_TRUE(done.ok()) << message(done);
  EXPECT_EQ(stored(disk_, fresh), bytes);
  EXPECT_GT(counts_.reused_bytes, bytes.size() * 80 / 100);
  EXPECT_EQ(counts_.reused_bytes + counts_.fetched_bytes, bytes.size() + fresh.index_bytes);
}

TEST_F(Blobs, AtHandThatHaveRottenAreNotTaken) {
  std::string bytes = noise(2 << 20, 3);
  const BlobRef old = publish(bytes, true);
  ASSERT_TRUE(fetch(disk_, old).ok());
  auto file = disk_.open(BlobStore::name(old.sha256));
  ASSERT_TRUE((*file)->write(1'000'000, "rotten").ok());
  bytes += "more";
  const BlobRef fresh = publish(bytes, true);
  const Status done = fetch(disk_, fresh, {{old}});
  ASSERT_TRUE(done.ok()) << message(done);
  EXPECT_EQ(stored(disk_, fresh), bytes);
  EXPECT_GT(counts_.reused_bytes, bytes.size() / 2);
}

TEST_F(Blobs, CutEvery64KiBArriveAndWasteNothing) {
  for (const bool with_index : {false, true}) {
    const std::string bytes = noise(3 << 20, 4 + with_index);
    const BlobRef blob = publish(bytes, with_index);
    http_.fault_of = [&](const HttpRequest& request) {
      const bool is_blob = request.url == url(blob.sha256);
      return is_blob ? HttpFault{Kind::kCut, 64 << 10, 0} : HttpFault();
    };
    const Status done = fetch(disk_, blob);
    ASSERT_TRUE(done.ok()) << message(done);
    EXPECT_EQ(stored(disk_, blob), bytes);
    EXPECT_EQ(counts_.fetched_bytes, bytes.size() + blob.index_bytes);
    EXPECT_GE(counts_.requests, 48u);
  }
}

// The program ends at each cut: at most the chunk that was on its way comes twice.
TEST_F(Blobs, ResumedByAnotherProcessWasteAtMostAChunkACut) {
  for (const bool with_index : {false, true}) {
    const std::string bytes = noise(3 << 20, 6 + with_index);
    const BlobRef blob = publish(bytes, with_index);
    std::uint64_t fetched = 0, starts = 0;
    for (bool done = false; !done; ++starts) {
      ASSERT_LT(starts, 20u);
      std::uint64_t left = 400'000;
      progress_ = [&](std::uint64_t here, std::uint64_t) -> Status {
        if (here > (starts + 1) * left) return Error{Code::kUnavailable, "killed"};
        return {};
      };
      done = fetch(disk_, blob).ok();
      fetched += counts_.fetched_bytes;
    }
    EXPECT_EQ(stored(disk_, blob), bytes);
    EXPECT_GT(starts, 4u);
    EXPECT_LE(fetched, bytes.size() + blob.index_bytes + starts * (256u << 10));
  }
}

TEST_F(Blobs, FlippedBitsCostTheirChunk) {
  const std::string bytes = noise(2 << 20, 8);
  const BlobRef blob = publish(bytes, true);
  http_.faults = {{}, {Kind::kFlip, 1'500'000, 0}};
  const Status done = fetch(disk_, blob);
  ASSERT_TRUE(done.ok()) << message(done);
  EXPECT_EQ(stored(disk_, blob), bytes);
  EXPECT_LE(counts_.fetched_bytes, bytes.size() + blob.index_bytes + (256u << 10));
}

TEST_F(Blobs, ThatAreSomethingElseAreNeverThere) {
  const std::string bytes = noise(300'000, 9);
  for (const bool with_index : {false, true}) {
    const BlobRef blob = publish(bytes, with_index);
    std::string other = bytes;
    other[200'000] = char(other[200'000] ^ 1);
    for (const std::string& wrong : {other, bytes.substr(1), bytes + "x", std::string("<html>")}) {
      http_.files[url(blob.sha256)] = wrong;
      const Status done = fetch(disk_, blob);
      ASSERT_FALSE(done.ok());
      EXPECT_EQ(done.error().code, Code::kCorrupt) << done.error().message;
      EXPECT_FALSE(*BlobStore::open(disk_)->has(blob));
      EXPECT_LE(counts_.fetched_bytes, 8 * bytes.size());
    }
  }
}

// A portal that answers everything with its own page costs nothing of what is there.
TEST_F(Blobs, ASiteThatIsNoRepositorySpoilsNothing) {
  const std::string bytes = noise(1 << 20, 10);
  const BlobRef blob = publish(bytes, true);
  http_.faults = {{}, {Kind::kCut, 700'000, 0}, {Kind::kUnreachable, 0, 0}};
  EXPECT_FALSE(fetch(disk_, blob).ok());
  http_.files[url(blob.sha256)] = "<html>log in</html>";
  EXPECT_FALSE(fetch(disk_, blob).ok());
  http_.files[url(blob.sha256)] = bytes;
  ASSERT_TRUE(fetch(disk_, blob).ok());
  EXPECT_LE(counts_.fetched_bytes, bytes.size() - 700'000 + (256u << 10));
}

TEST_F(Blobs, WithoutAUsableIndexComeWhole) {
  const std::string bytes = noise(500'000, 11);
  const BlobRef good = publish(bytes, true);
  // Not in the repository; the index of another file; chunks that are not the blob's.
  BlobRef missing = good, foreign = good, lying = good;
  missing.index = trust::sha256("nowhere");
  const std::string other = trust::ChunkIndex::of(noise(400'000, 12)).bytes();
  const std::string lies = trust::ChunkIndex::of(noise(500'000, 13)).bytes();
  foreign.index = trust::sha256(other), foreign.index_bytes = other.size(), put(other);
  lying.index = trust::sha256(lies), lying.index_bytes = lies.size(), put(lies);
  for (const BlobRef& blob : {missing, foreign, lying}) {
    FakeStorage disk;
    const Status done = fetch(disk, blob);
    ASSERT_TRUE(done.ok()) << message(done);
    EXPECT_EQ(stored(disk, blob), bytes);
  }
}

TEST_F(Blobs, ComeFromServersWithoutRanges) {
  for (const bool with_index : {false, true}) {
    const std::string bytes = noise(1 << 20, 14 + with_index);
    const BlobRef blob = publish(bytes, with_index);
    // Cut, and from then on always the whole.
    int requests = 0;
    http_.fault_of = [&](const HttpRequest& request) {
      if (request.url != url(blob.sha256)) return HttpFault();
      return requests++ == 0 ? HttpFault{Kind::kCut, 600'000, 0} : HttpFault{Kind::kWhole, 0, 0};
    };
    const Status done = fetch(disk_, blob);
    ASSERT_TRUE(done.ok()) << message(done);
    EXPECT_EQ(stored(disk_, blob), bytes);
    EXPECT_EQ(requests, 2);
  }
}

TEST_F(Blobs, FromHostileServersEnd) {
  const std::string bytes = noise(300'000, 16);
  const BlobRef blob = publish(bytes, false);
  const HttpFault faults[] = {{Kind::kEndless, 0, 0},    {Kind::kTimeout, 100, 0},
                              {Kind::kCut, 1000, 0},     {Kind::kRedirect, 0, 0},
                              {Kind::kStatus, 503, 60},  {Kind::kStatus, 404, 0},
                              {Kind::kUnreachable, 0, 0}};
  http_.files.clear();
  for (const HttpFault& fault : faults) {
    http_.fault_of = [&](const HttpRequest&) { return fault; };
    EXPECT_FALSE(fetch(disk_, blob).ok());
    EXPECT_LE(counts_.requests, 3u);
    EXPECT_LE(counts_.fetched_bytes, 2 * bytes.size() + 4096);
    EXPECT_TRUE(holds_only_whole_blobs(disk_));
  }
  http_.fault_of = nullptr;
  put(bytes);
  EXPECT_TRUE(fetch(disk_, blob).ok());
}

TEST_F(Blobs, APowerCutAnywhereLeavesNothingHalf) {
  std::string bytes = noise(200'000, 17);
  const BlobRef old = publish(bytes, true);
  ASSERT_TRUE(fetch(disk_, old).ok());
  disk_.settle();
  bytes.insert(100'000, "new");
  const BlobRef blob = publish(bytes, true);
  ASSERT_TRUE(fetch(disk_, blob, {{old}}).ok());
  std::uint64_t resumed = 0;
  const auto survives = [&](FakeStorage& after, std::size_t step, std::uint64_t choice) {
    bool fine = holds_only_whole_blobs(after) && !stored(after, old).empty();
    fine = fine && fetch(after, blob, {{old}}).ok() && stored(after, blob) == bytes;
    resumed += counts_.resumed_bytes > 0;
    EXPECT_TRUE(fine) << "step " << step << ", choice " << choice;
    return fine;
  };
  EXPECT_GT(for_each_crash(disk_, 12, 1, survives), 120u);
  EXPECT_GT(resumed, 0u);
}

TEST_F(Blobs, ManySmallOnesSyncTheirFoldersOnce) {
  constexpr int kCount = 100;
  std::vector<BlobRef> blobs;
  for (int i = 0; i < kCount; ++i) blobs.push_back(publish(noise(1000, 100 + unsigned(i)), false));
  BlobStore store = BlobStore::open(disk_).value();
  const std::uint64_t before = disk_.calls();
  for (const BlobRef& blob : blobs) ASSERT_TRUE(store.fetch(blob, {}, fetcher_, {}).ok());
  ASSERT_TRUE(store.sync_names().ok());
  // Of each: made, written, synced, named.
  EXPECT_LE(disk_.calls() - before, std::uint64_t(kCount * 4 + 2));
  const auto after = disk_.after_crash(disk_.steps(), 0);
  EXPECT_EQ(BlobStore::open(*after).value().missing_bytes(blobs).value(), 0u);
}

TEST_F(Blobs, AFaultyDiskAtAnyCallLeavesNothingHalf) {
  const std::string bytes = noise(300'000, 18);
  const BlobRef blob = publish(bytes, true);
  using enum StorageFault;
  for (const StorageFault fault : {kFull, kIo, kShort, kPowerCut}) {
    std::uint64_t failed = 0;
    for (std::uint64_t call = 0;; ++call) {
      FakeStorage disk;
      disk.fail_at(call, fault, fault != kIo);
      const bool done = fetch(disk, blob).ok();
      if (disk.calls() <= call) break;  // it no longer comes to that call
      failed += !done;
      auto after = fault == kPowerCut ? disk.after_crash(disk.steps(), call) : nullptr;
      FakeStorage& now = after ? *after : disk;
      now.fault_of = nullptr;
      EXPECT_TRUE(holds_only_whole_blobs(now)) << "call " << call;
      if (done) {
        EXPECT_EQ(stored(now, blob), bytes);
      }
      EXPECT_TRUE(fetch(now, blob).ok()) << "call " << call;
      EXPECT_EQ(stored(now, blob), bytes) << "call " << call;
    }
    EXPECT_GT(failed, 10u);
  }
}

// Sealed blobs, which this device can open.
class SealedBlobs : public Blobs {
 protected:
  // `indexed` is what its inner index says that it holds.
  BlobRef seal(const std::string& plain, const std::string& indexed) {
    MemoryStore files;
    auto out = files.create("sealed").value();
    trust::ContentKey key = trust::seal_file(MemoryAppendFile(plain), *out).value();
    EXPECT_TRUE(out->commit().ok());
    const std::string sealed = files.files().at("sealed");
    const std::string index = trust::sealed_chunks(sealed).bytes();
    const std::string inside = trust::seal_index(key, trust::ChunkIndex::of(indexed)).value();
    for (const std::string& bytes : {sealed, index, inside}) put(bytes);
    BlobRef ref{trust::sha256(sealed), sealed.size(), trust::sha256(index), index.size()};
    ref.inside = {key.file_id(), trust::sha256(inside), inside.size()};
    keys_.emplace(key.file_id(), std::move(key));
    return ref;
  }
  BlobRef seal(const std::string& plain) { return seal(plain, plain); }
  Status fetch_sealed(const BlobRef& blob, std::span<const BlobRef> at_hand = {}) {
    counts_ = {};
    const ContentKeys keys = [&](const trust::Sha256& file_id) -> Result<trust::ContentKey> {
      const auto found = keys_.find(file_id);
      if (found == keys_.end()) return Error{Code::kDenied, "sealed for others"};
      return trust::ContentKey::from_bytes(trust::Secret::copy(found->second.bytes().view()));
    };
    Status done = BlobStore::open(disk_)->fetch(blob, at_hand, fetcher_, progress_, &counts_,
                                                has_keys_ ? keys : ContentKeys());
    EXPECT_TRUE(done.ok()) << message(done);
    EXPECT_EQ(stored(disk_, blob), http_.files[url(blob.sha256)]);
    return done;
  }
  void expect_fetched_whole(const BlobRef& blob) {
    EXPECT_EQ(counts_.reused_bytes, 0u);
    EXPECT_GE(counts_.fetched_bytes, blob.bytes + blob.index_bytes);
  }

  const std::string plain_ = noise(3 << 20, 31);
  std::map<trust::Sha256, trust::ContentKey> keys_;
  bool has_keys_ = true;
};

TEST_F(SealedBlobs, AreSealedHereAsFarAsTheirPlaintextIs) {
  const BlobRef old = seal(plain_);
  ASSERT_TRUE(fetch_sealed(old).ok());
  expect_fetched_whole(old);
  std::string longer = plain_;
  longer.insert(1 << 20, noise(1000, 32));
  const BlobRef fresh = seal(longer);
  ASSERT_TRUE(fetch_sealed(fresh, {{old}}).ok());
  EXPECT_EQ(counts_.reused_bytes + counts_.fetched_bytes,
            fresh.bytes + fresh.index_bytes + fresh.inside->index_bytes);
  EXPECT_GT(counts_.reused_bytes, fresh.bytes * 80 / 100);
  for (const auto& [name, bytes] : disk_.files())
    EXPECT_EQ(bytes.find(plain_.substr(1000, 32)), std::string::npos) << name;
}

TEST_F(SealedBlobs, ThatCannotBeMadeHereComeWhole) {
  const BlobRef old = seal(plain_);
  ASSERT_TRUE(fetch_sealed(old).ok());
  // Without the device's key; its index is not there, is another's, or says what is not so.
  has_keys_ = false;
  BlobRef fresh = seal(plain_);
  ASSERT_TRUE(fetch_sealed(fresh, {{old}}).ok());
  expect_fetched_whole(fresh);
  has_keys_ = true;
  fresh = seal(plain_);
  http_.files.erase(url(fresh.inside->index));
  ASSERT_TRUE(fetch_sealed(fresh, {{old}}).ok());
  expect_fetched_whole(fresh);
  fresh = seal(plain_);
  fresh.inside->index = old.inside->index;
  ASSERT_TRUE(fetch_sealed(fresh, {{old}}).ok());
  expect_fetched_whole(fresh);
  fresh = seal(noise(plain_.size(), 33), plain_);
  ASSERT_TRUE(fetch_sealed(fresh, {{old}}).ok());
  expect_fetched_whole(fresh);
  keys_.erase(old.inside->file_id);
  fresh = seal(plain_);
  ASSERT_TRUE(fetch_sealed(fresh, {{old}}).ok());
  expect_fetched_whole(fresh);
}

TEST_F(SealedBlobs, AtHandThatHaveRottenCostTheirSegment) {
  const BlobRef old = seal(plain_), fresh = seal(plain_);
  ASSERT_TRUE(fetch_sealed(old).ok());
  auto file = disk_.open(BlobStore::name(old.sha256));
  ASSERT_TRUE((*file)->write(1'000'000, "rotten").ok());
  ASSERT_TRUE(fetch_sealed(fresh, {{old}}).ok());
  EXPECT_EQ(counts_.reused_bytes, fresh.bytes - trust::kSealedSegmentBytes);
}

TEST_F(SealedBlobs, FlippedBitsCostTheirSegment) {
  const BlobRef blob = seal(plain_);
  http_.faults = {{}, {}, {Kind::kFlip, 1'500'000, 0}};
  ASSERT_TRUE(fetch_sealed(blob).ok());
  EXPECT_LE(counts_.fetched_bytes, blob.bytes + blob.index_bytes + blob.inside->index_bytes +
                                       2 * trust::kSealedSegmentBytes);
}

TEST_F(Blobs, AreVerifiedAgain) {
  const BlobRef blob = publish(noise(300'000, 19), false);
  ASSERT_TRUE(fetch(disk_, blob).ok());
  BlobStore store = BlobStore::open(disk_).value();
  EXPECT_TRUE(store.verify(blob).ok());
  ASSERT_TRUE((*disk_.open(BlobStore::name(blob.sha256)))->write(299'999, "?").ok());
  const Status rotten = store.verify(blob);
  ASSERT_FALSE(rotten.ok());
  EXPECT_EQ(rotten.error().code, Code::kCorrupt);
  EXPECT_FALSE(*store.has(blob));
  EXPECT_TRUE(fetch(disk_, blob).ok());
  EXPECT_TRUE(store.verify(blob).ok());
}

TEST_F(Blobs, WhatTheDiskCannotReadIsFetchedAgain) {
  const BlobRef blob = publish(noise(300'000, 19), false);
  ASSERT_TRUE(fetch(disk_, blob).ok());
  BlobStore store = BlobStore::open(disk_).value();
  // Who stops it says nothing of the blob.
  const Status stopped = store.verify(blob, [] { return Status(Error{Code::kIo, "enough"}); });
  EXPECT_EQ(stopped.error().message, "enough");
  EXPECT_TRUE(*store.has(blob));
  disk_.unreadable = BlobStore::name(blob.sha256);
  const Status lost = store.verify(blob);
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code, Code::kIo);
  EXPECT_NE(lost.error().message.find("error; it is removed, and fetched anew"), std::string::npos)
      << lost.error().message;
  EXPECT_FALSE(*store.has(blob));
  disk_.unreadable.clear();
  EXPECT_TRUE(fetch(disk_, blob).ok());
  EXPECT_TRUE(store.verify(blob).ok());
}

TEST_F(Blobs, CollectionKeepsWhatIsReferredTo) {
  const BlobRef kept = publish(noise(1000, 20), false), old = publish(noise(2000, 21), false);
  const BlobRef half = publish(noise(200'000, 22), false);
  ASSERT_TRUE(fetch(disk_, kept).ok());
  ASSERT_TRUE(fetch(disk_, old).ok());
  http_.faults = {{Kind::kCut, 66'000, 0}, {Kind::kUnreachable, 0, 0}};
  EXPECT_FALSE(fetch(disk_, half).ok());
  BlobStore store = BlobStore::open(disk_).value();
  EXPECT_EQ(*store.missing_bytes({{kept, old, half}}), 200'000u - 65'536u);
  EXPECT_EQ(*store.collect({kept.sha256, half.sha256}), 2000u);
  EXPECT_TRUE(*store.has(kept));
  EXPECT_FALSE(*store.has(old));
  EXPECT_EQ(*store.collect({kept.sha256}), 65'536u);
  EXPECT_EQ(disk_.files().size(), 1u);
}

TEST_F(Blobs, ADiskThatIsTooSmallIsSaidBefore) {
  const BlobRef blob = publish(noise(3'000'000, 23), true);
  FakeStorage small(4'000'000);
  BlobStore store = BlobStore::open(small).value();
  const std::uint64_t missing = store.missing_bytes({{blob}}).value();
  EXPECT_EQ(missing, blob.bytes + blob.index_bytes);
  EXPECT_TRUE(check_room(small, missing, 100'000).ok());
  const Status full = check_room(small, missing, 2'000'000);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, Code::kExhausted);
  EXPECT_NE(full.error().message.find("1.0 MB more"), std::string::npos) << full.error().message;
}

TEST_F(Blobs, OfAManifestAreThoseOfTheChosen) {
  const trust::Manifest manifest = trust::test_manifest();
  const trust::Artifact* chosen[] = {&manifest.artifacts[0]};
  const auto wanted = needed_blobs(manifest, chosen);
  std::set<trust::Sha256> names;
  for (const BlobRef& blob : wanted) names.insert(blob.sha256);
  EXPECT_EQ(names.size(), wanted.size());
  EXPECT_EQ(names, (std::set{manifest.artifacts[0].blob, manifest.pipeline->blob,
                             manifest.pipeline->files.at("labels.txt"), trust::sha256("in.npy"),
                             trust::sha256("out.npy")}));
  EXPECT_EQ(wanted[0].index, trust::sha256("chunks"));
  EXPECT_EQ(wanted[0].index_bytes, 6u);
}

}  // namespace
}  // namespace polder::agent
