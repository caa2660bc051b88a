// What clients need no more of a repository that is published anew all the time.
#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "trust/tuf_repository_files.h"

namespace polder::trust::tuf {

namespace {

using Versions = std::set<std::int64_t>;
using ByRole = std::map<std::string, Versions, std::less<>>;

Result<ByRole> published_files(const std::string& folder) {
  TRY_VALUE(const auto paths, list_folder(folder + "/metadata", kMaxRepositoryFiles));
  ByRole found;
  for (const std::string& path : paths) {
    const PublishedName name = published_name(path);
    if (name.version > 0 && name.role != "root") found[name.role].insert(name.version);
  }
  return found;
}

}  // namespace

Result<std::size_t> Repository::prune(std::int64_t before_s, std::string_view role,
                                      std::size_t max_files) {
  TRY_VALUE(const ByRole there, published_files(folder_));
  TRY_VALUE(const std::int64_t newest, published_version("snapshot"));
  const auto snapshots = there.find("snapshot");
  if (snapshots == there.end() || !snapshots->second.contains(newest)) return std::size_t(0);
  ByRole kept;
  for (auto each = snapshots->second.rbegin(); each != snapshots->second.rend(); ++each) {
    // What is later than the newest was written by a publication that was cut off.
    if (*each < newest) {
      TRY_VALUE(const std::int64_t replaced_s,
                written_at(published_path("snapshot", *std::prev(each))));
      if (replaced_s < before_s) break;
    }
    const std::string path = published_path("snapshot", *each);
    TRY_VALUE(const std::string bytes, read_file(path, kMaxSnapshotBytes));
    TRY_VALUE(const auto snapshot, parse_metadata<Snapshot>(bytes, path));
    kept["snapshot"].insert(*each);
    for (const auto& [file, meta] : snapshot.body.meta)
      kept[file.substr(0, file.size() - 5)].insert(meta.version);
  }
  std::vector<std::string> old;
  std::set<std::string> listed;
  for (const auto& [name, versions] : there) {
    const auto stays = kept.find(name);
    const bool is_of_role =
        name == role || name.starts_with(std::string(role) + std::string(kBinMark));
    for (const std::int64_t version : versions) {
      const std::string path = published_path(name, version);
      const bool is_kept = stays != kept.end() &&
                           (stays->second.contains(version) || version > *stays->second.rbegin());
      if (!is_kept && stays != kept.end()) {
        old.push_back(path);
      } else if (is_of_role) {
        TRY_VALUE(const std::string bytes, read_file(path, kMaxTargetsBytes));
        TRY_VALUE(const auto metadata, parse_metadata<Targets>(bytes, path));
        for (const auto& [target, file] : metadata.body.targets)
          listed.insert(target_name(target, digest_of(file)));
      }
    }
  }
  const std::string folder = fmt::format("{}/targets/{}", folder_, role);
  const auto files = role.empty() || !file_exists(folder)
                         ? Result<std::vector<std::string>>(std::vector<std::string>())
                         : list_folder(folder, kMaxRepositoryFiles);
  if (!files.ok()) return files.error();
  for (const std::string& path : *files) {
    if (listed.contains(path.substr(folder_.size() + 1))) continue;
    // One that was made for a publication that is under way is younger than that.
    TRY_VALUE(const std::int64_t made_s, written_at(path));
    if (made_s < before_s) old.push_back(path);
  }
  if (old.size() > max_files) old.resize(max_files);
  for (const std::string& path : old) TRY(remove_file(path));
  return old.size();
}

}  // namespace polder::trust::tuf
