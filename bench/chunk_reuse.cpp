// How much of a plan a device fetches anew when one layer was trained anew, with cuts where tensors
// begin and with cuts by content alone: docs/adr/0009-releases.md.
//
//   chunk_reuse PLAN
#include <algorithm>
#include <cstdio>
#include <span>
#include <string>

#include "platform/file.h"
#include "release/plan_facts.h"
#include "trust/chunks.h"

namespace {

using polder::trust::ChunkIndex;

std::uint64_t fetched(const ChunkIndex& before, const std::string& file,
                      std::span<const std::uint64_t> cuts) {
  const ChunkIndex wanted = ChunkIndex::of(file, cuts);
  const ChunkIndex* have[] = {&before};
  return polder::trust::plan_fetch(wanted, have).fetch_bytes;
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
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int status = argc < 2;
  for (int i = 1; i < argc; ++i) status |= measure(argv[i]);
  return status;
}
