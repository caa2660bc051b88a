#include "hub/repository/title.h"

#include <algorithm>
#include <set>
#include <span>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "trust/floors.h"
#include "trust/manifest.h"
#include "trust/tuf_limits.h"

namespace polder::hub {

bool is_of_assignments(std::string_view role) {
  return role.substr(0, role.find(".bin-")) == trust::kAssignmentsRole;
}
namespace {

using trust::tuf::Changes;
using trust::tuf::TargetChange;
using trust::tuf::TrustChange;

constexpr std::size_t kNamed = 4;         // of one kind
constexpr std::size_t kMaxBytes = 1'000;  // the audit log takes no more
constexpr std::size_t kMaxPart = 960;     // leaves room for "; and 12345 more changes"
constexpr std::size_t kMaxQuoted = 40;    // of a name that people chose
constexpr std::size_t kShownDigits = 12;  // of a key's id
constexpr std::size_t kDateLength = 10;   // "2027-06-01"
constexpr std::string_view kTopLevel[] = {"root", "targets", "snapshot", "timestamp"};
constexpr std::string_view kOnline[] = {"snapshot", "timestamp", trust::kAssignmentsRole};

bool has(std::span<const std::string_view> list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

// The beginning of a text of one line that is longer; whole characters of it.
std::string cut(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most - 3;
  while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

// A name as people chose it, which so reads as one: it has no words of the title's.
std::string quoted(std::string_view name) {
  std::string text = cut(one_line(name), kMaxQuoted);
  std::ranges::replace(text, '\'', '?');
  return fmt::format("'{}'", text);
}

std::vector<std::string> quoted(const std::vector<std::string>& names) {
  std::vector<std::string> words;
  for (const std::string& name : names) words.push_back(quoted(name));
  return words;
}

// Those that every repository has are words of the title.
std::string role_name(const std::string& role) {
  return has(kTopLevel, role) || role == trust::kAssignmentsRole ? role : quoted(role);
}

// "a", "a and b", "a, b, c, d and 3 more".
std::string list_of(const std::vector<std::string>& words) {
  std::vector<std::string> shown(words.begin(),
                                 words.begin() + std::ptrdiff_t(std::min(words.size(), kNamed)));
  std::string last = shown.empty() ? "" : shown.back();
  if (words.size() > kNamed) last = fmt::format("{} more", words.size() - kNamed);
  else if (!shown.empty()) shown.pop_back();
  return shown.empty() ? last : fmt::format("{} and {}", fmt::join(shown, ", "), last);
}

using Parts = std::vector<std::string>;

void tell(Parts& parts, std::string_view verb, const std::vector<std::string>& words) {
  if (!words.empty()) parts.push_back(fmt::format("{} {}", verb, list_of(words)));
}

// --- Who is trusted ------------------------------------------------------------------------------

class Trusting {
 public:
  Trusting(const Changes& changes, std::string_view own) : changes_(changes), own_(own) {}

  void tell_to(Parts& parts) const {
    const bool begins = std::ranges::any_of(changes_.files, [](const auto& file) {
      return file.role == "root" && !file.version_before;
    });
    if (begins) parts.emplace_back("begins the repository");
    std::set<std::string> told;
    for (const TrustChange& change : changes_.trust) {
      if (told.contains(change.role) || (begins && has(kTopLevel, change.role))) continue;
      // Roles of one key, as snapshot and timestamp, change together.
      std::vector<std::string> roles;
      for (const TrustChange& other : changes_.trust) {
        if (!is_same(change, other) || !told.insert(other.role).second) continue;
        roles.push_back(role_name(other.role));
      }
      parts.push_back(text_of(change, roles));
    }
  }

 private:
  static bool is_same(const TrustChange& one, const TrustChange& other) {
    const bool has_keys = !one.added_keys.empty() || !one.removed_keys.empty();
    return one.role == other.role ||
           (has_keys && one.added_keys == other.added_keys &&
            one.removed_keys == other.removed_keys && one.threshold == other.threshold &&
            one.threshold_before == other.threshold_before && one.threshold_before > 0 &&
            one.threshold > 0 && one.paths == one.paths_before &&
            other.paths == other.paths_before);
  }

  std::string key(const std::string& id) const {
    return id == own_ ? "the hub's own" : one_line(id.substr(0, kShownDigits));
  }
  std::string keys(const std::vector<std::string>& ids) const {
    std::vector<std::string> words;
    for (const std::string& id : ids) words.push_back(key(id));
    return list_of(words);
  }

  std::string text_of(const TrustChange& change, const std::vector<std::string>& roles) const {
    const std::string role = list_of(roles);
    const bool is_own = change.added_keys == std::vector<std::string>{std::string(own_)};
    if (change.threshold_before == 0 && change.role == trust::kAssignmentsRole && is_own)
      return "lets the hub assign releases";
    std::string text;
    if (change.threshold_before == 0)
      text = fmt::format("trusts role {} for {}, by key {}", role, list_of(quoted(change.paths)),
                         keys(change.added_keys));
    else if (change.threshold == 0) return fmt::format("trusts role {} no more", role);
    else if (!change.added_keys.empty() && !change.removed_keys.empty())
      text = fmt::format("replaces {} {} of {} by {}", noun(roles), keys(change.removed_keys), role,
                         keys(change.added_keys));
    else if (!change.added_keys.empty())
      text = fmt::format("trusts {} {} to sign {}", noun(roles), keys(change.added_keys), role);
    else if (!change.removed_keys.empty())
      text = fmt::format("trusts {} {} no more to sign {}", noun(roles), keys(change.removed_keys),
                         role);
    if (change.threshold_before > 0 && change.paths != change.paths_before)
      text +=
          fmt::format("{}lets role {} sign {} in place of {}", text.empty() ? "" : ", and ", role,
                      list_of(quoted(change.paths)), list_of(quoted(change.paths_before)));
    if (change.threshold == change.threshold_before ||
        (change.threshold_before == 0 && change.threshold == 1))
      return text;
    return fmt::format("{}{}{} {} must sign {}{}", text, text.empty() ? "" : ", and ",
                       change.threshold, change.threshold == 1 ? "key" : "keys", role,
                       change.threshold_before > 0
                           ? fmt::format(", in place of {}", change.threshold_before)
                           : "");
  }

  static std::string_view noun(const std::vector<std::string>& roles) {
    return std::ranges::all_of(roles, [](const auto& role) { return has(kOnline, role); })
               ? "the online key"
               : "key";
  }

  const Changes& changes_;
  std::string_view own_;
};

// --- What devices find ---------------------------------------------------------------------------

// "people 1.2.0" of "people/1.2.0/manifest.json".
std::string release_of(const std::string& target) {
  std::string name = one_line(target.substr(0, target.rfind('/')));
  std::ranges::replace(name, '/', ' ');
  return name;
}

// " for arm64", " for 3 platforms"; nothing for what runs on any.
std::string platforms_of(const ProposedRelease& release) {
  const auto manifest = trust::Manifest::parse(release.manifest, release.target);
  std::set<std::string> targets;
  if (manifest.ok())
    for (const trust::Artifact& artifact : manifest->artifacts) targets.insert(artifact.target);
  if (targets.size() > 1) return fmt::format(" for {} platforms", targets.size());
  return targets.empty() || targets.contains("generic") ? "" : " for " + *targets.begin();
}

std::string assignment_of(const std::string& target, const trust::Assignment* assignment) {
  const auto to = [](std::string_view device) {
    if (device == trust::kDefaultDevice) return std::string("every other device");
    return trust::is_release_name(device) ? std::string(device) : quoted(device);
  };
  if (!assignment) {
    const std::size_t start = target.find('/') + 1;
    return "nothing of its own to " +
           to(std::string_view(target).substr(start, target.rfind('.') - start));
  }
  std::vector<std::string> releases;
  for (const trust::AssignedRelease& release : assignment->releases)
    releases.push_back(fmt::format("{} {}", release.model, release.version.text()));
  return fmt::format("{} to {}", releases.empty() ? "nothing" : list_of(releases),
                     to(assignment->device));
}

void tell_targets(Parts& parts, const Proposal& proposal) {
  std::set<std::string> places;  // "people/1.2.0/": what else is there comes and goes with it
  std::set<std::string> added;
  for (const ProposedRelease& release : proposal.releases) added.insert(release.target);
  std::vector<std::string> withdrawn, moved, adds, assigned, files[3];
  for (const TargetChange& change : proposal.changes.targets) {
    if (!trust::tuf::is_manifest(change.path)) continue;
    places.insert(change.path.substr(0, change.path.rfind('/') + 1));
    if (!change.after.empty()) continue;
    (added.contains(change.path) ? moved : withdrawn).push_back(release_of(change.path));
  }
  for (const ProposedRelease& release : proposal.releases)
    if (std::ranges::find(moved, release_of(release.target)) == moved.end())
      adds.push_back(release_of(release.target) + platforms_of(release));
  for (const TargetChange& change : proposal.changes.targets) {
    if (trust::tuf::is_manifest(change.path) || change.path == trust::kFloorsTarget ||
        places.contains(change.path.substr(0, change.path.rfind('/') + 1)))
      continue;
    if (change.path.starts_with(fmt::format("{}/", trust::kAssignmentsRole))) {
      const auto found = proposal.assignments.find(change.path);
      assigned.push_back(assignment_of(
          change.path, found == proposal.assignments.end() ? nullptr : &found->second));
      continue;
    }
    const int kind = change.before.empty() ? 0 : change.after.empty() ? 2 : 1;
    files[kind].push_back(quoted(change.path));
  }
  tell(parts, "withdraws", withdrawn);
  std::vector<std::string> raised;
  for (const trust::tuf::FloorChange& floor : proposal.changes.floors)
    raised.push_back(fmt::format("{} to {}", one_line(floor.model), floor.after));
  tell(parts, raised.size() == 1 ? "raises the floor of" : "raises the floors of", raised);
  tell(parts, "assigns", assigned);
  tell(parts, "adds", adds);
  tell(parts, "moves to another role", moved);
  tell(parts, "adds", files[0]);
  tell(parts, "replaces", files[1]);
  tell(parts, "removes", files[2]);
}

// --- What is only signed anew --------------------------------------------------------------------

void tell_renewed(Parts& parts, const Proposal& proposal, std::string_view own) {
  const Changes& changes = proposal.changes;
  // With each publication the hub makes assignments anew, where they are its own.
  const bool assigns = std::ranges::any_of(proposal.roles, [&](const trust::tuf::Staged& role) {
    return role.role == trust::kAssignmentsRole &&
           std::ranges::find(role.signed_keys, own) != role.signed_keys.end();
  });
  const auto says = [&](const std::string& role) {
    const auto is_of_role = [&](const TrustChange& change) {
      const bool is_delegated = !has(kTopLevel, change.role);
      return role == "root" ? !is_delegated
                            : change.role == role || (role == "targets" && is_delegated);
    };
    return std::ranges::any_of(changes.trust, is_of_role) ||
           std::ranges::count(changes.targets, role, &TargetChange::role) > 0 ||
           std::ranges::any_of(changes.other, [&](const std::string& line) {
             return line.starts_with(role + ":");
           });
  };
  for (const trust::tuf::StagedVersion& file : changes.files) {
    const bool is_bin = file.role.find(".bin-") != file.role.npos;
    if (is_bin || (assigns && file.role == trust::kAssignmentsRole) || says(file.role)) continue;
    parts.push_back(fmt::format("renews {} until {}", role_name(file.role),
                                trust::tuf::time_text(file.expires_s).substr(0, kDateLength)));
  }
}

// Whole parts, as many as there is room for, and how many more there are.
std::string joined(const Parts& parts) {
  std::string title = cut(parts.front(), kMaxPart);
  std::size_t told = 1;
  for (; told < parts.size(); ++told) {
    const std::size_t most = told + 1 == parts.size() ? kMaxBytes : kMaxPart;
    if (title.size() + 2 + parts[told].size() > most) break;
    title += "; " + parts[told];
  }
  const std::size_t left = parts.size() - told;
  if (left > 0) title += fmt::format("; and {} more change{}", left, left == 1 ? "" : "s");
  return title;
}

}  // namespace

std::string title_of(const Proposal& proposal, std::string_view own_key_id) {
  Parts parts;
  Trusting(proposal.changes, own_key_id).tell_to(parts);
  for (const std::string& line : proposal.changes.other) {
    parts.push_back(one_line(line));
    std::ranges::replace(parts.back(), ';', ',');  // it is one part of the title
  }
  tell_targets(parts, proposal);
  tell_renewed(parts, proposal, own_key_id);
  if (parts.empty()) parts.emplace_back("signs hash bins anew");
  return joined(parts);
}

}  // namespace polder::hub
