#include "trust/sealed_file.h"

#include <gtest/gtest.h>

#include <random>

#include "trust/testing.h"

namespace polder::trust {
namespace {

struct Sealed {
  ContentKey key;
  std::string bytes;
};
Sealed seal(const std::string& plain) {
  MemoryStore store;
  auto out = store.create("sealed").value();
  ContentKey key = seal_file(MemoryAppendFile(plain), *out).value();
  EXPECT_TRUE(out->commit());
  return {std::move(key), store.files().at("sealed")};
}

Result<std::string> open(const std::string& sealed, const ContentKey& key) {
  const MemoryAppendFile file(sealed);
  auto opened = SealedFile::open(file, key);
  if (!opened) return std::move(opened).error();
  auto memory = opened->open_all();
  if (!memory) return std::move(memory).error();
  const auto bytes = memory->bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string segment(const std::string& sealed, std::size_t index) {
  return sealed.substr(kSealedHeaderBytes + index * kSealedSegmentBytes, kSealedSegmentBytes);
}
std::string with_segment(std::string sealed, std::size_t index, const std::string& other) {
  return sealed.replace(kSealedHeaderBytes + index * kSealedSegmentBytes, other.size(), other);
}

TEST(SealedFile, GivesBackWhatWasSealed) {
  for (const std::size_t size : {std::size_t(0), std::size_t(1), kSegmentBytes - 1, kSegmentBytes,
                                 kSegmentBytes + 1, 3 * kSegmentBytes, 3 * kSegmentBytes + 777}) {
    const std::string plain = noise(size);
    const Sealed sealed = seal(plain);
    EXPECT_EQ(
        sealed.bytes.size(),
        size + 64 + 16 * std::max<std::size_t>(1, (size + kSegmentBytes - 1) / kSegmentBytes));
    EXPECT_EQ(open(sealed.bytes, sealed.key).value(), plain) << size;
    if (size > 100) {
      EXPECT_EQ(sealed.bytes.find(plain.substr(0, 32)), std::string::npos);
    }
  }
}

TEST(SealedFile, TheIdOfAKnownKey) {
  std::string bytes;
  for (int i = 0; i < int(ContentKey::kBytes); ++i) bytes += char(i);
  const ContentKey key = ContentKey::from_bytes(Secret::copy(bytes)).value();
  EXPECT_EQ(hex(key.file_id()), "e1bdda06c8e7fbe5d0ed45208e9c027840a9dae3f330157f60b4b87a23d8127a");
}

TEST(SealedFile, ReadsASegmentAlone) {
  const std::string plain = noise(5 * kSegmentBytes + 10);
  const Sealed sealed = seal(plain);
  const MemoryAppendFile bytes(sealed.bytes);
  SealedFile file = SealedFile::open(bytes, sealed.key).value();
  for (const std::uint64_t index : {4, 0, 5, 2}) {
    std::string out(file.header().segment_bytes(index), '\0');
    EXPECT_TRUE(file.read_segment(index, out));
    EXPECT_EQ(out, plain.substr(index * kSegmentBytes, out.size()));
  }
  EXPECT_EQ(file.open_all(100).error().code, Code::kExhausted);
}

// Of a new version most of whose plaintext is at hand, only the other segments need be fetched.
TEST(SealedFile, SegmentsCanBeMadeAgain) {
  const std::string plain = noise(3 * kSegmentBytes + 10);
  const Sealed sealed = seal(plain);
  SegmentSealer again = SegmentSealer::create(sealed.key, plain.size()).value();
  for (std::uint64_t i = 0; i < again.header().segments(); ++i) {
    const std::string part = plain.substr(i * kSegmentBytes, kSegmentBytes);
    std::string out(part.size() + 16, '\0');
    EXPECT_TRUE(again.seal(i, part, out));
    EXPECT_EQ(out, segment(sealed.bytes, i));
  }
  EXPECT_NE(seal(plain).bytes, sealed.bytes);  // a new key each time
}

TEST(SealedFile, EveryFlippedBitIsFound) {
  const std::string plain = noise(200);
  const Sealed sealed = seal(plain);
  int flipped = 0;
  for (std::size_t bit = 0; bit < sealed.bytes.size() * 8; ++bit, ++flipped) {
    std::string bad = sealed.bytes;
    bad[bit / 8] = char(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(open(bad, sealed.key).ok()) << bit;
  }
  // Of a long file some in each segment.
  const Sealed large = seal(noise(2 * kSegmentBytes + 5));
  std::mt19937 random(7);
  for (std::size_t byte = 0; byte < large.bytes.size(); byte += 1 + random() % 1000, ++flipped) {
    std::string bad = large.bytes;
    bad[byte] = char(bad[byte] ^ (1 << random() % 8));
    EXPECT_FALSE(open(bad, large.key).ok()) << byte;
  }
  EXPECT_GT(flipped, 2'300);
}

TEST(SealedFile, EveryLengthIsFound) {
  const Sealed sealed = seal(noise(kSegmentBytes + 300));
  for (std::size_t size = 0; size < sealed.bytes.size(); size += 61) {
    EXPECT_EQ(open(sealed.bytes.substr(0, size), sealed.key).error().code, Code::kCorrupt) << size;
  }
  EXPECT_EQ(open(sealed.bytes + "x", sealed.key).error().code, Code::kCorrupt);
  // Whole segments less or more, and a header that says so: the last one is not the last.
  const std::string plain = noise(3 * kSegmentBytes);
  const Sealed whole = seal(plain);
  for (const std::uint64_t segments : {1, 2, 4}) {
    std::string bad = whole.bytes + segment(whole.bytes, 2);
    bad.resize(kSealedHeaderBytes + segments * kSealedSegmentBytes);
    SealedHeader header = SealedHeader::parse(bad, "t").value();
    header.plaintext_bytes = segments * kSegmentBytes;
    bad.replace(0, kSealedHeaderBytes, header.bytes());
    EXPECT_EQ(open(bad, whole.key).error().code, Code::kCorrupt);
  }
}

TEST(SealedFile, SegmentsStayInTheirPlaceAndFile) {
  const std::string plain(4 * kSegmentBytes, 'x');  // each segment the same
  const Sealed one = seal(plain), other = seal(plain);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_FALSE(open(with_segment(one.bytes, i, segment(other.bytes, i)), one.key).ok());
    for (std::size_t j = 0; j < 4; ++j) {
      EXPECT_EQ(open(with_segment(one.bytes, i, segment(one.bytes, j)), one.key).ok(), i == j);
    }
  }
  EXPECT_EQ(open(one.bytes, other.key).error().code, Code::kDenied);
  // The header of another file before these segments.
  std::string mixed =
      other.bytes.substr(0, kSealedHeaderBytes) + one.bytes.substr(kSealedHeaderBytes);
  EXPECT_EQ(open(mixed, other.key).error().code, Code::kCorrupt);
  EXPECT_EQ(open(mixed, one.key).error().code, Code::kDenied);
}

TEST(SealedFile, HostileHeadersAreRefused) {
  const Sealed sealed = seal("hello");
  const auto code_of = [&](std::size_t offset, const std::string& bytes) {
    std::string bad = sealed.bytes;
    bad.replace(offset, bytes.size(), bytes);
    return open(bad, sealed.key).error().code;
  };
  EXPECT_EQ(open("", sealed.key).error().code, Code::kCorrupt);
  EXPECT_EQ(code_of(0, "POLDPLAN"), Code::kCorrupt);
  EXPECT_EQ(code_of(8, std::string("\2\0\0\0", 4)), Code::kIncompatible);
  EXPECT_EQ(code_of(12, std::string(4, '\0')), Code::kIncompatible);
  EXPECT_EQ(code_of(12, std::string(4, '\xff')), Code::kIncompatible);
  EXPECT_EQ(code_of(16, std::string(8, '\xff')), Code::kExhausted);
  EXPECT_EQ(code_of(16, std::string("\0\0\0\0\x10\0\0\0", 8)), Code::kCorrupt);
  // These are random bytes: another one for certain.
  EXPECT_EQ(code_of(24, {char(~sealed.bytes[24])}), Code::kCorrupt);
  EXPECT_EQ(code_of(32, {char(~sealed.bytes[32])}), Code::kDenied);
}

TEST(SealedKeys, OpenForRecipientsOnly) {
  const Sealed sealed = seal("weights");
  auto mine = new_device(), second = new_device(), later = new_device(), stranger = new_device();
  SealedKeys keys(sealed.key);
  EXPECT_TRUE(keys.add(sealed.key, mine->public_key()));
  EXPECT_TRUE(keys.add(sealed.key, second->public_key()));
  const std::string before = keys.bytes();
  EXPECT_TRUE(keys.add(sealed.key, mine->public_key()));  // is there already
  EXPECT_EQ(keys.bytes(), before);

  SealedKeys read = SealedKeys::parse(before, "t").value();
  EXPECT_EQ(read.count(), 2u);
  const ContentKey opened = read.open(*mine).value();
  EXPECT_EQ(open(sealed.bytes, opened).value(), "weights");
  EXPECT_EQ(open(sealed.bytes, read.open(*second).value()).value(), "weights");
  EXPECT_EQ(read.open(*stranger).error().code, Code::kDenied);
  EXPECT_FALSE(read.has(later->public_key()));

  // A recipient is added with the key that a recipient has; the sealed file stays as it is.
  EXPECT_TRUE(read.add(opened, later->public_key()));
  const SealedKeys more = SealedKeys::parse(read.bytes(), "t").value();
  EXPECT_EQ(open(sealed.bytes, more.open(*later).value()).value(), "weights");
  EXPECT_EQ(open(sealed.bytes, more.open(*mine).value()).value(), "weights");
  EXPECT_EQ(more.open(*stranger).error().code, Code::kDenied);

  EXPECT_EQ(read.add(seal("other").key, later->public_key()).error().code, Code::kInvalid);
  EXPECT_EQ(read.add(opened, TestSigner(Scheme::kEd25519).public_key()).error().code,
            Code::kInvalid);
}

// A record under the id of a device that is not the one it was wrapped for.
TEST(SealedKeys, ARecordUnderAnotherIdOpensNothing) {
  const Sealed sealed = seal("weights");
  auto mine = new_device(), stranger = new_device();
  SealedKeys keys(sealed.key), decoy(sealed.key);
  EXPECT_TRUE(keys.add(sealed.key, mine->public_key()));
  EXPECT_TRUE(decoy.add(sealed.key, stranger->public_key()));
  std::string bytes = keys.bytes();
  bytes.replace(48, 32, decoy.bytes().substr(48, 32));
  const Sha256 checksum = sha256(std::string_view(bytes).substr(0, bytes.size() - 32));
  bytes.replace(bytes.size() - 32, 32,
                std::string(reinterpret_cast<const char*>(checksum.data()), 32));
  EXPECT_EQ(SealedKeys::parse(bytes, "t").value().open(*stranger).error().code, Code::kDenied);
  // Another file's keys under this file's id.
  SealedKeys other(seal("other").key);
  EXPECT_FALSE(open(sealed.bytes, seal("other").key).ok());
}

TEST(SealedKeys, EveryFlippedBitAndLengthIsFound) {
  const Sealed sealed = seal("weights");
  auto mine = new_device();
  SealedKeys keys(sealed.key);
  EXPECT_TRUE(keys.add(sealed.key, mine->public_key()));
  const std::string good = keys.bytes();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = char(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(SealedKeys::parse(bad, "t").ok()) << bit;
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(SealedKeys::parse(good.substr(0, size), "t").ok()) << size;
  }
  EXPECT_FALSE(SealedKeys::parse(good + "x", "t").ok());
  std::string many = good;
  many.replace(12, 4, "\xff\xff\xff\xff");
  EXPECT_EQ(SealedKeys::parse(many, "t").error().code, Code::kExhausted);
}

TEST(SealedKeys, ManyRecipientsStayInOrder) {
  const Sealed sealed = seal("weights");
  SealedKeys keys(sealed.key);
  std::vector<std::unique_ptr<Decrypter>> devices;
  for (int i = 0; i < 60; ++i) {
    devices.push_back(new_device());
    EXPECT_TRUE(keys.add(sealed.key, devices.back()->public_key()));
  }
  const SealedKeys read = SealedKeys::parse(keys.bytes(), "t").value();
  EXPECT_EQ(read.count(), 60u);
  for (const auto& device : devices) {
    EXPECT_TRUE(read.has(device->public_key()));
    EXPECT_EQ(read.open(*device).value().bytes().view(), sealed.key.bytes().view());
  }
}

}  // namespace
}  // namespace polder::trust
