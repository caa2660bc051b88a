#include "trust/chunks.h"

#include <gtest/gtest.h>

#include <numeric>

#include "trust/testing.h"

namespace polder::trust {
namespace {

// What a device holds after following the plan: copies from `have`, ranges from `file`.
std::string assembled(const std::string& file, const ChunkIndex& wanted, const FetchPlan& plan,
                      std::span<const std::string> have) {
  std::string out(file.size(), '?');
  std::uint64_t written = 0;
  for (const FetchPlan::Copy& copy : plan.copies) {
    const Chunk& chunk = wanted.chunks()[copy.chunk];
    const std::string bytes = have[copy.source].substr(std::size_t(copy.source_offset), chunk.size);
    EXPECT_TRUE(chunk.check(bytes).ok());
    out.replace(std::size_t(chunk.offset), chunk.size, bytes);
    written += chunk.size;
  }
  EXPECT_EQ(written, plan.copy_bytes);
  for (const ByteRange& range : plan.fetch) {
    out.replace(std::size_t(range.offset), std::size_t(range.size), file, std::size_t(range.offset),
                std::size_t(range.size));
    written += range.size;
  }
  EXPECT_EQ(written, file.size());  // each byte once
  return out;
}

void expect_whole(const ChunkIndex& index, const std::string& file) {
  std::uint64_t offset = 0;
  for (const Chunk& chunk : index.chunks()) {
    EXPECT_EQ(chunk.offset, offset);
    EXPECT_LE(chunk.size, kMaxChunkBytes);
    if (&chunk != &index.chunks().back()) {
      EXPECT_GE(chunk.size, kMinChunkBytes);
    }
    EXPECT_TRUE(chunk.check(std::string_view(file).substr(offset, chunk.size)).ok());
    offset += chunk.size;
  }
  EXPECT_EQ(offset, file.size());
}

// The first numbers of SplitMix64 from 0 and a digest of all chunks: what is on devices already
// must stay reusable, so neither table nor masks may ever change.
TEST(Chunks, AreTheSameForEver) {
  const std::string file = noise(4u << 20, 1);
  const ChunkIndex index = ChunkIndex::of(file);
  expect_whole(index, file);
  EXPECT_EQ(index.chunks().size(), 57u);
  EXPECT_EQ(hex(sha256(index.bytes())),
            "0f23db5ff366ea3c700898a6f8138751c5318527b639422765bef59f3ffaf917");
}

TEST(Chunks, GatherAroundTheAverage) {
  const ChunkIndex index = ChunkIndex::of(noise(64u << 20, 2));
  const double average = double(index.file_bytes()) / double(index.chunks().size());
  EXPECT_GT(average, 0.8 * kAverageChunkBytes);
  EXPECT_LT(average, 1.3 * kAverageChunkBytes);
}

TEST(Chunks, CoverSmallAndMonotonousFiles) {
  for (const std::size_t size : {std::size_t(0), std::size_t(1), std::size_t(kMinChunkBytes),
                                 std::size_t(kMinChunkBytes) + 1, std::size_t(1) << 20}) {
    const std::string zeros(size, '\0');
    const ChunkIndex index = ChunkIndex::of(zeros);
    expect_whole(index, zeros);
    EXPECT_EQ(ChunkIndex::parse(index.bytes(), "x").value().bytes(), index.bytes());
  }
}

TEST(Chunks, AnInsertionLeavesTheRest) {
  const std::string before = noise(16u << 20, 3);
  std::string after = before;
  after.insert(before.size() / 2, noise(1000, 4));
  const ChunkIndex old_index = ChunkIndex::of(before), new_index = ChunkIndex::of(after);
  const ChunkIndex* have[] = {&old_index};
  const FetchPlan plan = plan_fetch(new_index, have);
  EXPECT_GT(double(plan.copy_bytes) / double(after.size()), 0.98);
  EXPECT_EQ(plan.fetch.size(), 1u);
  EXPECT_EQ(assembled(after, new_index, plan, {&before, 1}), after);
}

// 40 layers of 300 kB, weights and a small bias each, of which two are trained anew. Of the others
// not one chunk is fetched: their cuts lie at their own beginnings.
TEST(Chunks, AChangedTensorTouchesNoOther) {
  std::vector<std::string> layers, biases;
  for (unsigned i = 0; i < 40; ++i) {
    layers.push_back(noise(300'032, 10 + i));
    biases.push_back(noise(512, 100 + i));
  }
  const auto join = [&](std::vector<std::uint64_t>* offsets) {
    std::string file = noise(20'032, 5);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      for (const std::string* part : {&layers[i], &biases[i]}) {
        if (offsets) offsets->push_back(file.size());
        file += *part;
      }
    }
    return file;
  };
  std::vector<std::uint64_t> offsets;
  const std::string before = join(&offsets);
  layers[11] = noise(300'032, 200);
  layers[29] = noise(300'032, 201);
  const std::string after = join(nullptr);
  const ChunkIndex old_index = ChunkIndex::of(before, offsets),
                   new_index = ChunkIndex::of(after, offsets);
  expect_whole(new_index, after);
  const ChunkIndex* have[] = {&old_index};
  const FetchPlan plan = plan_fetch(new_index, have);
  EXPECT_EQ(assembled(after, new_index, plan, {&before, 1}), after);
  EXPECT_EQ(plan.fetch.size(), 2u);
  EXPECT_LE(plan.fetch_bytes, 2u * (300'032 + 512));
}

TEST(Chunks, CutsLieAtPreferredOffsets) {
  const std::string file = noise(2u << 20, 6);
  const std::uint64_t preferred[] = {64, 100'000, 100'512, 900'032, 1'000'000, 5u << 20};
  const ChunkIndex index = ChunkIndex::of(file, preferred);
  expect_whole(index, file);
  for (const std::uint64_t offset : {100'000, 900'032, 1'000'000}) {
    EXPECT_TRUE(std::any_of(index.chunks().begin(), index.chunks().end(), [&](const Chunk& chunk) {
      return chunk.offset == offset;
    })) << offset;
  }
}

TEST(Chunks, NearRangesBecomeOne) {
  const std::string before = noise(2u << 20, 7);
  std::string after = before;
  after[500'000] ^= 1;
  after[1'500'000] ^= 1;
  const ChunkIndex old_index = ChunkIndex::of(before), new_index = ChunkIndex::of(after);
  const ChunkIndex* have[] = {&old_index};
  const FetchPlan apart = plan_fetch(new_index, have);
  ASSERT_EQ(apart.fetch.size(), 2u);
  const FetchPlan joined = plan_fetch(new_index, have, 1u << 20);
  ASSERT_EQ(joined.fetch.size(), 1u);
  EXPECT_EQ(joined.fetch[0].offset, apart.fetch[0].offset);
  EXPECT_EQ(joined.fetch[0].size,
            apart.fetch[1].offset + apart.fetch[1].size - apart.fetch[0].offset);
  EXPECT_EQ(assembled(after, new_index, joined, {&before, 1}), after);
}

TEST(Chunks, ComeFromTheFirstFileThatHasThem) {
  const std::string a = noise(1u << 20, 8), b = noise(1u << 20, 9), both = a + b;
  const ChunkIndex index_a = ChunkIndex::of(a), index_b = ChunkIndex::of(b),
                   wanted = ChunkIndex::of(both);
  const ChunkIndex* have[] = {&index_b, &index_a, &index_b};
  const std::string files[] = {b, a, b};
  const FetchPlan plan = plan_fetch(wanted, have);
  EXPECT_EQ(assembled(both, wanted, plan, files), both);
  EXPECT_LT(plan.fetch_bytes, 2u * kMaxChunkBytes);
  for (const FetchPlan::Copy& copy : plan.copies) EXPECT_NE(copy.source, 2u);
  const FetchPlan everything = plan_fetch(wanted, {});
  EXPECT_EQ(everything.fetch, (std::vector<ByteRange>{{0, both.size()}}));
}

TEST(Chunks, AnIndexThatContradictsItselfIsRefused) {
  const std::string good = ChunkIndex::of(noise(200'000, 10)).bytes();
  const auto error_of = [&](auto change) {
    std::string bytes = good;
    change(bytes);
    const auto index = ChunkIndex::parse(bytes, "x.chunks");
    return index.ok() ? std::string("accepted") : index.error().message;
  };
  const auto found = [](const std::string& message, const char* part) {
    return message.find(part) != std::string::npos;
  };
  EXPECT_TRUE(found(error_of([](auto& b) { b.clear(); }), "x.chunks: no chunk index"));
  EXPECT_TRUE(found(error_of([](auto& b) { b[0] = 'Q'; }), "POLDCIDX"));
  EXPECT_TRUE(found(error_of([](auto& b) { b[8] = 2; }), "format 2"));
  EXPECT_TRUE(found(error_of([](auto& b) { b[12]++; }), "expected for"));
  EXPECT_TRUE(found(error_of([](auto& b) { b[15] = 0x7f; }), "at most"));
  EXPECT_TRUE(found(error_of([](auto& b) { b[16]++; }), "the file has"));
  EXPECT_TRUE(found(error_of([](auto& b) { b[22] = 1; }), "at most"));
  EXPECT_TRUE(found(error_of([](auto& b) { b[24 + 2] = 9; }), "chunk 0 of"));
  EXPECT_TRUE(found(error_of([](auto& b) { b[24 + 1] = 0, b[24 + 2] = 0; }), "chunk 0 of"));
  EXPECT_TRUE(found(error_of([](auto& b) { b.pop_back(); }), "expected for"));
  EXPECT_TRUE(found(error_of([](auto& b) { b += 'x'; }), "expected for"));
}

}  // namespace
}  // namespace polder::trust
