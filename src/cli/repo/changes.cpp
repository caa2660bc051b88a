#include "cli/repo/changes.h"

#include <fmt/format.h>

#include "base/text.h"
#include "trust/tuf_metadata.h"

namespace polder::cli {

namespace {

using trust::tuf::Changes;
using trust::tuf::time_text;

constexpr std::size_t kShown = 100;      // targets; --json has them all
constexpr std::size_t kShownFiles = 12;  // hash bins come by the hundred
constexpr std::size_t kDigits = 12;      // of a digest

std::string digits(std::string_view digest) { return one_line(digest.substr(0, kDigits)); }

void print_trust(std::FILE* stream, const trust::tuf::TrustChange& change, const KeyNames& names) {
  const std::string role = one_line(change.role);
  if (change.threshold_before == 0) {
    fmt::print(stream, "  {}: {} of these must sign\n", role, change.threshold);
  } else if (change.threshold == 0) {
    fmt::print(stream, "  {}: is trusted no more\n", role);
  } else if (change.threshold != change.threshold_before) {
    fmt::print(stream, "  {}: {} must sign, were {}\n", role, change.threshold,
               change.threshold_before);
  } else {
    fmt::print(stream, "  {}: {} must sign, as before\n", role, change.threshold);
  }
  for (const std::string& id : change.added_keys) {
    fmt::print(stream, "    + key {}\n", names.beside(one_line(id)));
  }
  for (const std::string& id : change.removed_keys) {
    fmt::print(stream, "    - key {}\n", names.beside(one_line(id)));
  }
  if (change.paths == change.paths_before) return;
  for (const std::string& path : change.paths_before) {
    fmt::print(stream, "    - path {}\n", one_line(path));
  }
  for (const std::string& path : change.paths) {
    fmt::print(stream, "    + path {}\n", one_line(path));
  }
}

void print_target(std::FILE* stream, const trust::tuf::TargetChange& change) {
  const std::string what = one_line(change.path);
  if (change.before.empty()) {
    fmt::print(stream, "  + {} {}\n", what, digits(change.after));
  } else if (change.after.empty()) {
    fmt::print(stream, "  - {} {}\n", what, digits(change.before));
  } else {
    fmt::print(stream, "  ~ {} {}, was {}\n", what, digits(change.after), digits(change.before));
  }
  if (!change.problem.empty()) fmt::print(stream, "      {}\n", one_line(change.problem));
}

}  // namespace

void print_versions(std::FILE* stream, const Changes& changes) {
  if (changes.files.empty()) return;
  fmt::print(stream, "against what is published:\n");
  std::size_t shown = 0;
  for (const auto& file : changes.files) {
    if (++shown > kShownFiles) continue;
    const std::string before =
        file.version_before == 0
            ? "new"
            : fmt::format("was {} until {}", file.version_before, time_text(file.expires_before_s));
    fmt::print(stream, "  {} version {} until {}, {}\n", one_line(file.role), file.version,
               time_text(file.expires_s), before);
  }
  if (shown > kShownFiles) fmt::print(stream, "  ... {} files in all\n", shown);
}

void print_changes(std::FILE* stream, const Changes& changes, const KeyNames& names) {
  if (changes.files.empty()) return;
  print_versions(stream, changes);
  std::size_t shown = 0;
  for (const auto& change : changes.trust) print_trust(stream, change, names);
  for (const auto& change : changes.targets) {
    if (++shown <= kShown || !change.problem.empty()) print_target(stream, change);
  }
  if (shown > kShown) fmt::print(stream, "  ... {} targets change; --json lists all\n", shown);
  for (const auto& change : changes.floors) {
    fmt::print(stream, "  floor of {}: {}, was {}\n", one_line(change.model),
               change.after.empty() ? "none" : one_line(change.after),
               change.before.empty() ? "none" : one_line(change.before));
  }
  for (const std::string& line : changes.other) fmt::print(stream, "  {}\n", one_line(line));
  if (changes.trust.empty() && changes.targets.empty() && changes.other.empty()) {
    fmt::print(stream, "  the same, signed anew\n");
  }
}

}  // namespace polder::cli
