#include "trust/merkle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "base/check.h"
#include "base/fail.h"

namespace polder::trust {

namespace {

Error no_proof(std::string_view of) {
  return fail(Code::kDenied, "the proof of {} does not lead to the checkpoint's root hash", of);
}

// The largest power of two below `size`, which is 2 at least: where a tree divides.
std::uint64_t split_of(std::uint64_t size) { return std::bit_floor(size - 1); }

}  // namespace

Sha256 leaf_hash(std::string_view entry) {
  Sha256Stream stream;
  stream.update(std::string_view("\0", 1));
  stream.update(entry);
  return stream.finish();
}

Sha256 node_hash(const Sha256& left, const Sha256& right) {
  std::array<char, 65> bytes;
  bytes[0] = 1;
  std::copy(left.begin(), left.end(), bytes.begin() + 1);
  std::copy(right.begin(), right.end(), bytes.begin() + 33);
  return sha256({bytes.data(), bytes.size()});
}

void Frontier::add(const Sha256& leaf) {
  Sha256 hash = leaf;
  // Each low bit of the size that is set is a complete subtree that the new one joins.
  for (std::uint64_t rest = size_; (rest & 1) != 0; rest >>= 1) {
    hash = node_hash(peaks_.back(), hash);
    peaks_.pop_back();
  }
  peaks_.push_back(hash);
  ++size_;
}

Sha256 Frontier::root() const {
  if (peaks_.empty()) return sha256("");
  Sha256 hash = peaks_.back();
  for (std::size_t i = peaks_.size() - 1; i-- > 0;) hash = node_hash(peaks_[i], hash);
  return hash;
}

// RFC 6962, section 2.1.1: from the leaf up, so what is found on the way down is turned around.
std::vector<LeafRange> inclusion_ranges(std::uint64_t index, std::uint64_t size) {
  POLDER_CHECK(index < size);
  std::vector<LeafRange> ranges;
  std::uint64_t begin = 0, end = size;
  while (end - begin > 1) {
    const std::uint64_t middle = begin + split_of(end - begin);
    if (index < middle) {
      ranges.push_back({middle, end});
      end = middle;
    } else {
      ranges.push_back({begin, middle});
      begin = middle;
    }
  }
  std::reverse(ranges.begin(), ranges.end());
  return ranges;
}

// RFC 6962, section 2.1.2: SUBPROOF.
std::vector<LeafRange> consistency_ranges(std::uint64_t first, std::uint64_t second) {
  POLDER_CHECK(first > 0 && first <= second);
  std::vector<LeafRange> ranges;
  std::uint64_t begin = 0, end = second;
  while (first != end) {
    const std::uint64_t middle = begin + split_of(end - begin);
    if (first <= middle) {
      ranges.push_back({middle, end});
      end = middle;
    } else {
      ranges.push_back({begin, middle});
      begin = middle;
    }
  }
  // The subtree that ends where the first tree does; its root is known when it is all of that tree.
  if (begin != 0) ranges.push_back({begin, end});
  std::reverse(ranges.begin(), ranges.end());
  return ranges;
}

void ProofBuilder::add(const Sha256& leaf) {
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    if (next_ >= ranges_[i].begin && next_ < ranges_[i].end) trees_[i].add(leaf);
  }
  ++next_;
}

std::vector<Sha256> ProofBuilder::proof() const {
  std::vector<Sha256> hashes;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    POLDER_CHECK(trees_[i].size() == ranges_[i].end - ranges_[i].begin);
    hashes.push_back(trees_[i].root());
  }
  return hashes;
}

// RFC 9162, section 2.1.3.2.
Status verify_inclusion(const Sha256& leaf, std::uint64_t index, std::uint64_t size,
                        std::span<const Sha256> proof, const Sha256& root) {
  if (index >= size) return no_proof("the entry");
  std::uint64_t node = index, last = size - 1;
  Sha256 hash = leaf;
  for (const Sha256& sibling : proof) {
    if (last == 0) return no_proof("the entry");
    if ((node & 1) != 0 || node == last) {
      hash = node_hash(sibling, hash);
      while ((node & 1) == 0 && node != 0) node >>= 1, last >>= 1;
    } else {
      hash = node_hash(hash, sibling);
    }
    node >>= 1, last >>= 1;
  }
  if (last != 0 || hash != root) return no_proof("the entry");
  return {};
}

// RFC 9162, section 2.1.4.2.
Status verify_consistency(std::uint64_t first, std::uint64_t second, const Sha256& first_root,
                          const Sha256& second_root, std::span<const Sha256> proof) {
  constexpr std::string_view kWhat = "the growth";
  if (first > second) return no_proof(kWhat);
  if (first == 0 || first == second) {
    const Sha256 expected = first == 0 ? sha256("") : second_root;
    if (!proof.empty() || first_root != expected) return no_proof(kWhat);
    return {};
  }
  std::vector<Sha256> path(proof.begin(), proof.end());
  if (std::has_single_bit(first)) path.insert(path.begin(), first_root);
  if (path.empty()) return no_proof(kWhat);
  std::uint64_t node = first - 1, last = second - 1;
  while ((node & 1) != 0) node >>= 1, last >>= 1;
  Sha256 old_hash = path[0], new_hash = path[0];
  for (std::size_t i = 1; i < path.size(); ++i) {
    if (last == 0) return no_proof(kWhat);
    if ((node & 1) != 0 || node == last) {
      old_hash = node_hash(path[i], old_hash);
      new_hash = node_hash(path[i], new_hash);
      while ((node & 1) == 0 && node != 0) node >>= 1, last >>= 1;
    } else {
      new_hash = node_hash(new_hash, path[i]);
    }
    node >>= 1, last >>= 1;
  }
  if (last != 0 || old_hash != first_root || new_hash != second_root) return no_proof(kWhat);
  return {};
}

}  // namespace polder::trust
