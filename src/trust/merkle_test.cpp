#include "trust/merkle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace polder::trust {
namespace {

// The definitions of RFC 6962, section 2.1, word for word: MTH, PATH and SUBPROOF.
using Leaves = std::span<const std::string>;

std::size_t split(std::size_t n) {
  std::size_t k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

Sha256 naive_root(Leaves d) {
  if (d.empty()) return sha256("");
  if (d.size() == 1) return sha256(std::string(1, '\0') + d[0]);
  const std::size_t k = split(d.size());
  const Sha256 left = naive_root(d.first(k)), right = naive_root(d.subspan(k));
  std::string bytes(1, '\1');
  bytes.append(left.begin(), left.end());
  bytes.append(right.begin(), right.end());
  return sha256(bytes);
}

std::vector<Sha256> naive_path(std::size_t m, Leaves d) {
  if (d.size() == 1) return {};
  const std::size_t k = split(d.size());
  auto path = m < k ? naive_path(m, d.first(k)) : naive_path(m - k, d.subspan(k));
  path.push_back(m < k ? naive_root(d.subspan(k)) : naive_root(d.first(k)));
  return path;
}

std::vector<Sha256> naive_subproof(std::size_t m, Leaves d, bool complete) {
  if (m == d.size()) return complete ? std::vector<Sha256>() : std::vector{naive_root(d)};
  const std::size_t k = split(d.size());
  auto proof =
      m <= k ? naive_subproof(m, d.first(k), complete) : naive_subproof(m - k, d.subspan(k), false);
  proof.push_back(m <= k ? naive_root(d.subspan(k)) : naive_root(d.first(k)));
  return proof;
}

std::vector<std::string> numbered(std::size_t count) {
  std::vector<std::string> entries;
  for (std::size_t i = 0; i < count; ++i) entries.push_back("entry " + std::to_string(i));
  return entries;
}

std::vector<Sha256> proof_of(std::vector<LeafRange> ranges, Leaves leaves) {
  ProofBuilder builder(std::move(ranges));
  for (const std::string& leaf : leaves) builder.add(leaf_hash(leaf));
  return builder.proof();
}

Sha256 digest(std::string_view digits) {
  Sha256 hash{};
  const std::string bytes = from_hex(digits).value();
  std::copy(bytes.begin(), bytes.end(), hash.begin());
  return hash;
}

// The eight entries and roots with which implementations of certificate logs are tested.
TEST(Merkle, KnownRoots) {
  static constexpr std::string_view kEntries[] = {"",
                                                  "00",
                                                  "10",
                                                  "2021",
                                                  "3031",
                                                  "40414243",
                                                  "5051525354555657",
                                                  "606162636465666768696a6b6c6d6e6f"};
  static constexpr std::string_view kRoots[] = {
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  Frontier tree;
  EXPECT_EQ(tree.root(), digest(kRoots[0]));
  std::vector<std::string> entries;
  for (std::size_t i = 0; i < 8; ++i) {
    entries.push_back(from_hex(kEntries[i]).value());
    tree.add(leaf_hash(entries.back()));
    EXPECT_EQ(tree.root(), digest(kRoots[i + 1])) << i;
  }
  EXPECT_EQ(tree.size(), 8u);
  const std::vector<Sha256> proof = {
      digest("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"),
      digest("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"),
      digest("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")};
  EXPECT_EQ(proof_of(inclusion_ranges(5, 8), entries), proof);
  EXPECT_TRUE(verify_inclusion(leaf_hash(entries[5]), 5, 8, proof, digest(kRoots[8])));
}

TEST(Merkle, RootsAreThoseOfTheDefinition) {
  const auto entries = numbered(300);
  Frontier tree;
  for (std::size_t n = 0; n < entries.size(); ++n) {
    EXPECT_EQ(tree.root(), naive_root(Leaves(entries).first(n))) << n;
    tree.add(leaf_hash(entries[n]));
  }
}

TEST(Merkle, InclusionProofsAreThoseOfTheDefinition) {
  const auto entries = numbered(66);
  for (std::size_t n = 1; n <= entries.size(); ++n) {
    const Leaves leaves = Leaves(entries).first(n);
    const Sha256 root = naive_root(leaves);
    for (std::size_t m = 0; m < n; ++m) {
      const auto proof = proof_of(inclusion_ranges(m, n), leaves);
      ASSERT_EQ(proof, naive_path(m, leaves)) << m << " of " << n;
      ASSERT_TRUE(verify_inclusion(leaf_hash(entries[m]), m, n, proof, root)) << m << " of " << n;
    }
  }
}

TEST(Merkle, ConsistencyProofsAreThoseOfTheDefinition) {
  const auto entries = numbered(66);
  for (std::size_t n = 1; n <= entries.size(); ++n) {
    const Leaves leaves = Leaves(entries).first(n);
    const Sha256 root = naive_root(leaves);
    for (std::size_t m = 1; m <= n; ++m) {
      const auto proof = proof_of(consistency_ranges(m, n), leaves);
      ASSERT_EQ(proof, naive_subproof(m, leaves, true)) << m << " to " << n;
      ASSERT_TRUE(verify_consistency(m, n, naive_root(leaves.first(m)), root, proof))
          << m << " to " << n;
    }
  }
  EXPECT_TRUE(verify_consistency(0, 5, sha256(""), naive_root(Leaves(entries).first(5)), {}));
  EXPECT_FALSE(verify_consistency(0, 5, sha256("x"), naive_root(Leaves(entries).first(5)), {}));
}

// Calls `verify` with every bit of the hashes flipped, and with a hash less or more.
template <class F>
int expect_damage_found(const std::vector<Sha256>& hashes, F verify) {
  int damaged = 0;
  const auto expect_refused = [&](const std::vector<Sha256>& bad) {
    ++damaged;
    EXPECT_FALSE(verify(bad).ok());
  };
  for (std::size_t bit = 0; bit < hashes.size() * 256; ++bit) {
    auto bad = hashes;
    bad[bit / 256][bit % 256 / 8] ^= std::uint8_t(1u << (bit % 8));
    expect_refused(bad);
  }
  auto longer = hashes;
  longer.push_back(sha256("more"));
  expect_refused(longer);
  if (!hashes.empty()) {
    expect_refused({hashes.begin() + 1, hashes.end()});
    expect_refused({hashes.begin(), hashes.end() - 1});
  }
  return damaged;
}

TEST(Merkle, DamagedInclusionProofsAreRefused) {
  const auto entries = numbered(18);
  int damaged = 0;
  for (std::size_t n = 1; n <= entries.size(); ++n) {
    const Leaves leaves = Leaves(entries).first(n);
    const Sha256 root = naive_root(leaves);
    for (std::size_t m = 0; m < n; ++m) {
      const Sha256 leaf = leaf_hash(entries[m]);
      const auto proof = naive_path(m, leaves);
      damaged += expect_damage_found(
          proof, [&](const auto& bad) { return verify_inclusion(leaf, m, n, bad, root); });
      damaged += expect_damage_found({leaf, root}, [&](const auto& bad) {
        if (bad.size() != 2) return Status(Error{Code::kDenied, ""});
        return verify_inclusion(bad[0], m, n, proof, bad[1]);
      });
      for (std::size_t other = 0; other <= n; ++other) {
        EXPECT_EQ(verify_inclusion(leaf, other, n, proof, root).ok(), other == m);
      }
    }
  }
  EXPECT_GT(damaged, 100'000);
}

TEST(Merkle, DamagedConsistencyProofsAreRefused) {
  const auto entries = numbered(18);
  int damaged = 0;
  for (std::size_t n = 2; n <= entries.size(); ++n) {
    const Leaves leaves = Leaves(entries).first(n);
    const Sha256 root = naive_root(leaves);
    for (std::size_t m = 1; m < n; ++m) {
      const Sha256 old_root = naive_root(leaves.first(m));
      const auto proof = naive_subproof(m, leaves, true);
      damaged += expect_damage_found(
          proof, [&](const auto& bad) { return verify_consistency(m, n, old_root, root, bad); });
      damaged += expect_damage_found({old_root, root}, [&](const auto& bad) {
        if (bad.size() != 2) return Status(Error{Code::kDenied, ""});
        return verify_consistency(m, n, bad[0], bad[1], proof);
      });
      EXPECT_FALSE(verify_consistency(n, m, root, old_root, proof).ok());
    }
  }
  EXPECT_GT(damaged, 100'000);
}

TEST(Merkle, HostileSizesEnd) {
  const std::vector<Sha256> proof(kMaxProofHashes + 1, sha256("x"));
  for (const std::uint64_t size : {std::uint64_t(1), std::uint64_t(1) << 63, UINT64_MAX}) {
    EXPECT_FALSE(verify_inclusion(proof[0], size - 1, size, proof, proof[0]).ok());
    EXPECT_FALSE(verify_inclusion(proof[0], size, size, proof, proof[0]).ok());
    EXPECT_FALSE(verify_consistency(size - 1, size, proof[0], proof[0], proof).ok());
    EXPECT_FALSE(verify_consistency(UINT64_MAX, size, proof[0], proof[1], proof).ok());
  }
  EXPECT_LE(inclusion_ranges(UINT64_MAX - 1, UINT64_MAX).size(), kMaxProofHashes);
}

}  // namespace
}  // namespace polder::trust
