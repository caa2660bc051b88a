#include "trust/reseal.h"

#include <gtest/gtest.h>

#include "platform/file.h"
#include "trust/testing.h"

namespace polder::trust {
namespace {

struct Version {
  std::string plain, sealed;
  ContentKey key;
  ChunkIndex inside;
};

Version seal(const std::string& plain) {
  MemoryStore store;
  auto out = store.create("sealed").value();
  ContentKey key = seal_file(MemoryAppendFile(plain), *out).value();
  EXPECT_TRUE(out->commit());
  return {plain, store.files().at("sealed"), std::move(key), ChunkIndex::of(plain)};
}

Resealer::Source source_of(const std::string& sealed, const Version& version) {
  auto file = std::make_unique<MemoryAppendFile>(sealed);
  SealedFile opened = SealedFile::open(*file, version.key).value();
  return {std::move(file), std::move(opened), version.inside};
}

Resealer resealer_of(const Version& wanted, const Version& old) {
  std::vector<Resealer::Source> sources;
  sources.push_back(source_of(old.sealed, old));
  return Resealer::create(wanted.key, wanted.inside, std::move(sources)).value();
}

// How many of the wanted segments were made; each is that which was sealed.
std::size_t made(const Version& wanted, const Version& old) {
  Resealer resealer = resealer_of(wanted, old);
  const ChunkIndex chunks = sealed_chunks(wanted.sealed);
  EXPECT_EQ(chunks.file_bytes(), wanted.sealed.size());
  EXPECT_EQ(chunks.chunks().size(), resealer.header().segments());
  std::size_t count = 0;
  for (std::size_t i = 0; i < chunks.chunks().size(); ++i) {
    const Chunk& chunk = chunks.chunks()[i];
    EXPECT_EQ(chunk.size, resealer.chunk_bytes(i));
    if (!resealer.has(i)) continue;
    std::string bytes(chunk.size, '\0');
    EXPECT_TRUE(resealer.make(i, bytes).ok());
    EXPECT_TRUE(chunk.check(bytes).ok()) << i;
    ++count;
  }
  return count;
}

TEST(Reseal, MakesWhatIsInside) {
  const std::string plain = noise(40 * kSegmentBytes + 100, 1);
  const Version old = seal(plain);
  EXPECT_EQ(made(seal(plain), old), 41u);  // of the same plaintext all
  // Whole segments, wherever they were: what was put in costs those around it.
  std::string longer = plain;
  longer.insert(20 * kSegmentBytes, noise(1000, 2));
  EXPECT_GE(made(seal(longer), old), 41u - 6);
  EXPECT_GE(made(seal(plain.substr(3 * kSegmentBytes + 7)), old), 37u - 5);
  EXPECT_EQ(made(seal(noise(plain.size(), 3)), old), 0u);
  EXPECT_EQ(made(seal(""), old), 0u);
  EXPECT_EQ(made(old, seal("")), 0u);
}

TEST(Reseal, WhatHasSufferedIsNotTaken) {
  const std::string plain = noise(10 * kSegmentBytes, 4);
  const Version old = seal(plain), wanted = seal(plain);
  std::string damaged = old.sealed;
  damaged[kSealedHeaderBytes + 4 * kSealedSegmentBytes + 9] ^= 1;
  std::vector<Resealer::Source> sources;
  sources.push_back(source_of(damaged, old));
  Resealer resealer = Resealer::create(wanted.key, wanted.inside, std::move(sources)).value();
  std::string bytes(kSealedSegmentBytes, '\0');
  EXPECT_EQ(resealer.make(4, bytes).error().code, Code::kCorrupt);
  EXPECT_TRUE(resealer.make(5, bytes).ok());
  EXPECT_TRUE(sealed_chunks(wanted.sealed).chunks()[5].check(bytes).ok());
}

TEST(Reseal, WrongIndicesAreFound) {
  const std::string plain = noise(10 * kSegmentBytes, 5);
  const Version old = seal(plain), wanted = seal(noise(10 * kSegmentBytes, 6));
  std::vector<Resealer::Source> sources;
  sources.push_back(source_of(old.sealed, old));
  sources[0].inside = ChunkIndex::of(plain.substr(1));
  EXPECT_EQ(Resealer::create(wanted.key, wanted.inside, std::move(sources)).error().code,
            Code::kCorrupt);
  // One that says that it holds what the old file holds: nothing of it passes for a chunk.
  Version lying = seal(wanted.plain);
  lying.inside = old.inside;
  Resealer resealer = resealer_of(lying, old);
  const ChunkIndex chunks = sealed_chunks(lying.sealed);
  for (std::size_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(resealer.has(i));
    std::string bytes(chunks.chunks()[i].size, '\0');
    EXPECT_TRUE(resealer.make(i, bytes).ok());
    EXPECT_FALSE(chunks.chunks()[i].check(bytes).ok());
  }
}

TEST(Reseal, TheIndexIsForThoseWhoOpenTheFile) {
  const Version version = seal(noise(200 * kSegmentBytes, 7));
  const std::string sealed = seal_index(version.key, version.inside).value();
  EXPECT_EQ(open_index(version.key, sealed)->bytes(), version.inside.bytes());
  EXPECT_EQ(open_index(ContentKey::generate().value(), sealed).error().code, Code::kDenied);
  for (const Chunk& chunk : version.inside.chunks()) {
    const std::string_view digest(reinterpret_cast<const char*>(chunk.digest.data()), 8);
    EXPECT_EQ(sealed.find(digest), std::string::npos);
  }
  // Nor does the content key open it as the file itself, or the file as its index.
  const MemoryAppendFile file(sealed);
  EXPECT_EQ(SealedFile::open(file, version.key).error().code, Code::kDenied);
  EXPECT_EQ(open_index(version.key, version.sealed).error().code, Code::kDenied);
  std::string damaged = sealed;
  damaged.back() = char(damaged.back() ^ 1);
  EXPECT_EQ(open_index(version.key, damaged).error().code, Code::kCorrupt);
  EXPECT_EQ(open_index(version.key, "").error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace polder::trust
