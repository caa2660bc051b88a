// How much of a plan a device fetches anew when one layer was trained anew, with cuts where tensors
// begin and with cuts by content alone (docs/adr/0009-releases.md); and how much when it is sealed,
// also after something was put in before the layer (docs/adr/0011-sealed-files.md).
//
//   chunk_reuse PLAN
#include <algorithm>
#include <cstdio>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "platform/file.h"
#include "release/plan_facts.h"
#include "trust/chunks.h"
#include "trust/sealed_file.h"

namespace {

using polder::trust::ChunkIndex;
using polder::trust::kSegmentBytes;

constexpr std::size_t kPutIn = 4096;

std::uint64_t fetched(const ChunkIndex& before, const std::string& file,
                      std::span<const std::uint64_t> cuts) {
  const ChunkIndex wanted = ChunkIndex::of(file, cuts);
  const ChunkIndex* have[] = {&before};
  return polder::trust::plan_fetch(wanted, have).fetch_bytes;
}

// Of a sealed plan: the segments that are not wholly at hand, by the index over what is inside.
std::uint64_t fetched_sealed(const ChunkIndex& before, const std::string& file,
                             std::span<const std::uint64_t> cuts) {
  const ChunkIndex* have[] = {&before};
  const ChunkIndex wanted = ChunkIndex::of(file, cuts);
  std::set<std::uint64_t> segments;
  for (const auto& range : polder::trust::plan_fetch(wanted, have).fetch)
    for (std::uint64_t i = range.offset / kSegmentBytes;
         i <= (range.offset + range.size - 1) / kSegmentBytes; ++i)
      segments.insert(i);
  return segments.size() * kSegmentBytes;
}

// Without any index, only segments in the same place can be tried.
std::uint64_t fetched_in_place(const std::string& before, const std::string& file) {
  std::uint64_t fetched = 0;
  for (std::size_t at = 0; at < file.size(); at += kSegmentBytes)
    if (file.compare(at, kSegmentBytes, before, std::min(at, before.size()), kSegmentBytes) != 0)
      fetched += kSegmentBytes;
  return fetched;
}

int measure(const std::string& path) {
  const auto file = polder::read_file(path, std::size_t(1) << 30);
  const auto facts = polder::release::plan_facts(path, path);
  if (!file.ok() || !facts.ok()) {
    const auto& error = file.ok() ? facts.error() : file.error();
    std::fprintf(stderr, "chunk_reuse: %s\n", error.message.c_str());
    return 1;
  }
  const auto& cuts = facts->cuts;
  const ChunkIndex with = ChunkIndex::of(*file, cuts), without = ChunkIndex::of(*file);
  int layers = 0;
  std::uint64_t changed = 0, fetched_with = 0, fetched_without = 0;
  std::uint64_t sealed = 0, in_place = 0, sealed_moved = 0, in_place_moved = 0;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const std::uint64_t end = i + 1 < cuts.size() ? cuts[i + 1] : file->size();
    if (end - cuts[i] < polder::trust::kMinChunkBytes) continue;  // biases
    std::string next = *file;
    for (std::uint64_t at = cuts[i]; at < end; ++at) next[at] ^= 1;
    next[56] ^= 1;  // the header's checksum
    ++layers;
    changed += end - cuts[i];
    fetched_with += fetched(with, next, cuts);
    fetched_without += fetched(without, next, {});
    sealed += fetched_sealed(with, next, cuts);
    in_place += fetched_in_place(*file, next);
    next.insert(std::size_t(cuts[i]), kPutIn, 'x');
    std::vector<std::uint64_t> moved = cuts;
    for (std::size_t k = i + 1; k < moved.size(); ++k) moved[k] += kPutIn;
    sealed_moved += fetched_sealed(with, next, moved);
    in_place_moved += fetched_in_place(*file, next);
  }
  if (layers == 0) return 1;
  const auto percent = [&](std::uint64_t bytes) {
    return 100.0 * double(bytes) / double(layers) / double(file->size());
  };
  std::printf("%s: %zu bytes, %d layers; each changed alone, on average:\n", path.c_str(),
              file->size(), layers);
  std::printf(
      "  changed %.2f%%, fetched with cuts at tensors %.2f%% (%.2f times the change), by "
      "content alone %.2f%% (%.2f times)\n",
      percent(changed), percent(fetched_with), double(fetched_with) / double(changed),
      percent(fetched_without), double(fetched_without) / double(changed));
  std::printf(
      "  sealed: fetched with the index over what is inside %.2f%%, by segments in their places "
      "%.2f%%; with 4 KiB put in before the layer %.2f%% and %.2f%%\n",
      percent(sealed), percent(in_place), percent(sealed_moved), percent(in_place_moved));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int status = argc < 2;
  for (int i = 1; i < argc; ++i) status |= measure(argv[i]);
  return status;
}
