#include "cli/repo/contents.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "cli/repo/common.h"
#include "trust/tuf_metadata.h"

namespace polder::cli {
namespace {

using trust::Json;

constexpr std::size_t kShownAssignments = 20;
constexpr std::string_view kManifest = "/manifest.json";

std::vector<std::string> texts(const std::vector<trust::Version>& versions) {
  std::vector<std::string> all;
  for (const trust::Version& version : versions) all.push_back(version.text());
  return all;
}

std::string assignment_text(const trust::Assignment& assignment) {
  std::vector<std::string> releases;
  for (const trust::AssignedRelease& release : assignment.releases)
    releases.push_back(release.model + "=" + release.version.text());
  std::string text = releases.empty() ? "nothing" : fmt::format("{}", fmt::join(releases, " "));
  if (assignment.shadow) text += ", in shadow first";
  if (assignment.not_before_s > 0)
    text += ", not before " + trust::tuf::time_text(assignment.not_before_s);
  return text;
}

}  // namespace

Result<Contents> Contents::of(const trust::tuf::Repository& repository,
                              const std::map<std::string, std::string>& targets) {
  Contents contents;
  for (const auto& [path, role] : targets) {
    const std::size_t slash = path.find('/');
    if (slash == path.npos || !path.ends_with(kManifest)) continue;
    const std::size_t end = path.size() - kManifest.size();
    if (end <= slash + 1) continue;
    const auto version = trust::Version::parse(path.substr(slash + 1, end - slash - 1), path);
    if (version.ok()) contents.releases[path.substr(0, slash)].push_back(*version);
  }
  for (auto& [model, versions] : contents.releases) std::ranges::sort(versions);
  if (targets.contains(std::string(trust::kFloorsTarget))) {
    auto floors = repository.floors();
    if (floors.ok()) contents.floors = *std::move(floors);
    else contents.unread.push_back(floors.error().message);
  }
  for (const auto& [path, role] : targets) {
    if (!path.starts_with(fmt::format("{}/", trust::kAssignmentsRole))) continue;
    const auto bytes = repository.read_target(path, trust::kMaxAssignmentBytes);
    if (!bytes.ok() && bytes.error().code == Code::kNotFound && is_of_hub(repository)) {
      ++contents.at_hub;
      continue;
    }
    auto assignment = bytes.ok() ? trust::Assignment::parse(*bytes, path)
                                 : Result<trust::Assignment>(bytes.error());
    if (assignment.ok()) contents.assignments.push_back(*std::move(assignment));
    else contents.unread.push_back(assignment.error().message);
  }
  return contents;
}

Json Contents::releases_json() const {
  Json::Members all;
  for (const auto& [model, versions] : releases) {
    Json::Array list;
    for (const std::string& text : texts(versions)) list.emplace_back(text);
    all.emplace(model, std::move(list));
  }
  return all;
}

Json Contents::floors_json() const {
  Json::Members all;
  for (const auto& [model, version] : floors.floors) all.emplace(model, version.text());
  return all;
}

Json Contents::assignments_json() const {
  Json::Array all;
  for (const trust::Assignment& assignment : assignments) all.push_back(assignment.to_json());
  return all;
}

std::string Contents::text() const {
  std::string text;
  for (const auto& [model, versions] : releases) {
    const auto floor = floors.floors.find(model);
    text += fmt::format("  {}: {}{}\n", one_line(model), fmt::join(texts(versions), ", "),
                        floor == floors.floors.end() ? "" : "; floor " + floor->second.text());
  }
  for (std::size_t i = 0; i < std::min(assignments.size(), kShownAssignments); ++i) {
    const trust::Assignment& one = assignments[i];
    text += fmt::format("  assigned to {}: {}\n",
                        one.device == trust::kDefaultDevice ? "every other device" : one.device,
                        assignment_text(one));
  }
  if (assignments.size() > kShownAssignments)
    text += fmt::format("  and {} more assignments: --json has them all\n",
                        assignments.size() - kShownAssignments);
  if (at_hub > 0)
    text += fmt::format("  {} assignments are the hub's: 'polder rollout list' there\n", at_hub);
  for (const std::string& problem : unread) text += fmt::format("  {}\n", one_line(problem));
  return text;
}

}  // namespace polder::cli
