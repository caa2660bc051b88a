// Blobs over the real HTTP client, from a real server that misbehaves.
#include <gtest/gtest.h>

#include "agent/blob_store.h"
#include "base/fail.h"
#include "platform/net/testing.h"
#include "platform/storage_fake.h"
#include "trust/chunks.h"

namespace polder::agent {
namespace {

constexpr std::size_t kSize = 1'500'000;

std::string pattern(std::size_t size) {
  std::string out(size, 0);
  for (std::size_t i = 0; i < size; ++i) out[i] = char(i % 251);
  return out;
}

class BlobHttp : public testing::Test {
 protected:
  static net::Adversary& server() {
    static net::Adversary adversary;
    return adversary;
  }
  // The blob's index is on the device already.
  BlobHttp() {
    const std::string index = trust::ChunkIndex::of(bytes_).bytes();
    EXPECT_TRUE(BlobStore::open(disk_)->put(index).ok());
    indexed_ = plain_;
    indexed_.index = trust::sha256(index);
    indexed_.index_bytes = index.size();
  }
  Status fetch(const BlobRef& blob, const std::string& mode, std::size_t at) {
    HttpOptions options;
    options.min_rate_bytes_s = 1000;
    options.rate_window_ms = 300;
    TRY_VALUE(const auto client, open_http_client(options, clock_, wall_));
    HttpBlobs blobs(*client, server().url("/repository/" + mode + "/" + std::to_string(at) + "/" +
                                          std::to_string(kSize)));
    counts_ = {};
    return BlobStore::open(disk_)->fetch(blob, {}, blobs, nullptr, &counts_);
  }
  // As after fetch(), the blob is on the disk or not there.
  void expect_there(const BlobRef& blob) {
    const auto stored = BlobStore::open(disk_)->get(blob.sha256, kSize);
    ASSERT_TRUE(stored.ok()) << stored.error().message;
    EXPECT_EQ(*stored, bytes_);
    ASSERT_TRUE(BlobStore::open(disk_)->collect({indexed_.index.value()}).ok());
  }

  const std::string bytes_ = pattern(kSize);
  BlobRef plain_{trust::sha256(bytes_), kSize, {}, 0}, indexed_;
  FakeStorage disk_;
  SystemClock clock_;
  SystemWallClock wall_;
  FetchCounts counts_;
};

TEST_F(BlobHttp, ComesByRangesAndWhole) {
  for (const BlobRef& blob : {plain_, indexed_}) {
    for (const char* mode : {"file", "whole"}) {
      const Status done = fetch(blob, mode, 0);
      ASSERT_TRUE(done.ok()) << done.error().message;
      EXPECT_EQ(counts_.fetched_bytes, kSize);
      EXPECT_EQ(counts_.requests, 1u);
      expect_there(blob);
    }
  }
}

TEST_F(BlobHttp, CutEvery64KiBWastesNothing) {
  for (const BlobRef& blob : {plain_, indexed_}) {
    const Status done = fetch(blob, "cut", 65'536);
    ASSERT_TRUE(done.ok()) << done.error().message;
    EXPECT_EQ(counts_.fetched_bytes, kSize);
    EXPECT_EQ(counts_.requests, (kSize + 65'535) / 65'536);
    expect_there(blob);
  }
}

TEST_F(BlobHttp, AFlippedBitCostsAChunkOrIsRefused) {
  const Status done = fetch(indexed_, "flip", 700'000);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_GT(counts_.fetched_bytes, kSize);
  // What was in flight of the answer that was refused is not counted: it was not read.
  EXPECT_LE(counts_.fetched_bytes, kSize + trust::kMaxChunkBytes + (64u << 10));
  expect_there(indexed_);
  const Status refused = fetch(plain_, "flip", 800'000);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kCorrupt);
  EXPECT_FALSE(*BlobStore::open(disk_)->has(plain_));
}

TEST_F(BlobHttp, HostileServersEnd) {
  for (const char* mode : {"endless", "slow", "redirect"}) {
    const Status refused = fetch(plain_, mode, 0);
    ASSERT_FALSE(refused.ok()) << mode;
    // Another request where the first one brought something.
    EXPECT_LE(counts_.fetched_bytes, 2 * kSize) << mode;
    EXPECT_LE(counts_.requests, 2u) << mode;
    EXPECT_FALSE(*BlobStore::open(disk_)->has(plain_));
  }
}

}  // namespace
}  // namespace polder::agent
