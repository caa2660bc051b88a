// Merkle trees over a list that only grows, as certificate logs have them: RFC 6962, section 2.1,
// with the verification of RFC 9162, section 2.1.
//
//   Frontier tree;
//   for (const std::string& entry : entries) tree.add(leaf_hash(entry));
//   TRY(verify_inclusion(leaf_hash(entries[3]), 3, tree.size(), proof, tree.root()));
//
// Nothing here holds a tree: a root or a proof is computed in one walk over the leaves, in memory
// that grows with the logarithm of their number.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "trust/digest.h"

namespace polder::trust {

// No proof of a tree of 2^63 leaves is longer.
inline constexpr std::size_t kMaxProofHashes = 64;

// SHA-256 of 0x00 and the entry.
Sha256 leaf_hash(std::string_view entry);
// SHA-256 of 0x01 and both children.
Sha256 node_hash(const Sha256& left, const Sha256& right);

// The right edge of a growing tree: a hash for each bit of its size.
class Frontier {
 public:
  void add(const Sha256& leaf);
  std::uint64_t size() const { return size_; }
  // Of no leaf at all: SHA-256 of nothing.
  Sha256 root() const;

 private:
  std::vector<Sha256> peaks_;  // of complete subtrees, the largest first
  std::uint64_t size_ = 0;
};

// Leaves `begin` to `end` - 1.
struct LeafRange {
  std::uint64_t begin = 0, end = 0;
};

// The subtrees whose roots prove that leaf `index` is in the tree of the first `size` leaves, in
// the proof's order. index < size.
std::vector<LeafRange> inclusion_ranges(std::uint64_t index, std::uint64_t size);
// ... that the tree of `second` leaves begins with that of `first`. 0 < first <= second.
std::vector<LeafRange> consistency_ranges(std::uint64_t first, std::uint64_t second);

// Computes the roots of such ranges in one walk.
class ProofBuilder {
 public:
  explicit ProofBuilder(std::vector<LeafRange> ranges)
      : ranges_(std::move(ranges)), trees_(ranges_.size()) {}
  // The next leaf, from leaf 0 on.
  void add(const Sha256& leaf);
  // Once all leaves of the tree were added.
  std::vector<Sha256> proof() const;

 private:
  std::vector<LeafRange> ranges_;
  std::vector<Frontier> trees_;
  std::uint64_t next_ = 0;
};

// Errors: kDenied when the proof does not show it, which says nothing of why.
Status verify_inclusion(const Sha256& leaf, std::uint64_t index, std::uint64_t size,
                        std::span<const Sha256> proof, const Sha256& root);
// Every tree begins with the empty one, and with itself; both take an empty proof. Errors: kDenied.
Status verify_consistency(std::uint64_t first, std::uint64_t second, const Sha256& first_root,
                          const Sha256& second_root, std::span<const Sha256> proof);

}  // namespace polder::trust
