// What another copy of the repository has published.
#include <algorithm>

#include "base/text.h"
#include "trust/tuf_repository_files.h"

namespace polder::trust::tuf {

Result<std::string> Repository::read_published(std::string_view role) const {
  TRY_VALUE(const std::int64_t version, published_version(role));
  if (version == 0) return fail(Code::kNotFound, "{}: role '{}' is not published", folder_, role);
  return read_file(published_path(role, version), kMaxTargetsBytes);
}

Result<std::vector<std::string>> Repository::adopt(
    const std::map<std::string, std::string>& metadata, std::string_view theirs) {
  TRY_VALUE(const auto waiting, staged());
  const bool have_theirs = std::ranges::any_of(metadata, [&](const auto& file) {
    return !theirs.empty() && published_name(file.first).role == theirs;
  });
  const std::string their_bins = std::string(theirs) + std::string(kBinMark);
  const auto is_published = [&](const Staged& file) {
    if (have_theirs && (file.role == theirs || file.role.starts_with(their_bins))) return true;
    const auto found = metadata.find(fmt::format("{}.{}.json", file.version, file.role));
    return found != metadata.end() && sha256(found->second) == file.digest;
  };
  // Files first, timestamp.json last, as in publish(). Those of what goes on waiting wait with it.
  const bool all_published = std::ranges::all_of(waiting, is_published);
  if (all_published && !waiting.empty()) TRY(serve_listed());
  for (const auto& [name, bytes] : metadata) {
    if (name == "timestamp.json") continue;
    const std::string path = folder_ + "/metadata/" + name;
    const auto [role, version] = published_name(path);
    const bool is_name = version > 0 && name.find('/') == name.npos && check_role_name(role).ok();
    if (!is_name) return fail(Code::kInvalid, "'{}': no name of metadata", clipped(name));
    TRY(write_file_atomic(path, bytes));
  }
  const auto timestamp = metadata.find("timestamp.json");
  if (timestamp != metadata.end())
    TRY(write_file_atomic(published_path("timestamp", 0), timestamp->second));
  std::vector<std::string> outdated;
  for (const Staged& file : waiting) {
    if (is_published(file)) TRY(remove_file(staged_path(file.role)));
    else if (!check_follows(file).ok()) outdated.push_back(file.role);
  }
  TRY_VALUE(const auto left, staged_roles());
  if (left.empty()) TRY(empty_staged());
  return outdated;
}

}  // namespace polder::trust::tuf
