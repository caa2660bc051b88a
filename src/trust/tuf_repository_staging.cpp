// Files of targets and blobs from when they are added until they are published. They wait in
// staged/, which nobody is served, and come to their places when everything that was staged is
// signed.
#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "platform/random_access.h"
#include "trust/device_targets.h"
#include "trust/file_digest.h"
#include "trust/floors.h"
#include "trust/manifest.h"
#include "trust/release_folder.h"
#include "trust/tuf_repository_files.h"

namespace polder::trust::tuf {

// --- Names and places ---

std::string target_name(std::string_view path, std::string_view digest) {
  const std::size_t slash = path.rfind('/');
  const std::size_t start = slash == path.npos ? 0 : slash + 1;
  return fmt::format("targets/{}{}.{}", path.substr(0, start), digest, path.substr(start));
}

std::string digest_of(const std::optional<TargetFile>& file) {
  if (!file) return {};
  const auto digest = file->hashes.find("sha256");
  return digest == file->hashes.end() ? "" : digest->second;
}

bool is_manifest(std::string_view path) { return device_target(path) == DeviceTarget::kManifest; }

std::string Repository::staged_place(const std::string& name) const { return staged_ + "/" + name; }

std::string Repository::place_of(const std::string& name) const {
  std::string served = folder_ + "/" + name;
  return file_exists(served) ? served : staged_place(name);
}

std::string Repository::target_place(const std::string& path, std::string_view digest) const {
  return place_of(target_name(path, digest));
}

// What is written is what was hashed: the file may change meanwhile.
Status Repository::keep_file(const std::string& file, const std::string& place,
                             const Sha256& digest) {
  if (file_exists(place)) {
    const auto there = digest_file(place, kMaxTargetBytes);
    if (there && there->sha256 == digest) return {};
  } else {
    before_.try_emplace(place);
  }
  DiskStore disk;
  TRY(make_folders(parent_of(place)));
  TRY_VALUE(const auto output, disk.create(place));
  Sha256Stream copied;
  TRY_VALUE([[maybe_unused]] const std::uint64_t bytes,
            stream_file(file, kMaxTargetBytes, [&](std::string_view piece) {
              copied.update(piece);
              return output->write(piece);
            }));
  if (const Sha256 found = copied.finish(); found != digest) {
    return fail(
        Code::kCorrupt,
        "{}: SHA-256 {} expected, {} found: it is damaged, or was changed while it was copied",
        file, hex(digest), hex(found));
  }
  return output->commit();
}

Result<const Repository::Blobs*> Repository::blobs_of(const std::string& path,
                                                      const TargetFile& target) const {
  const std::string digest = digest_of(target);
  auto found = blobs_.find(digest);
  if (found == blobs_.end()) {
    TRY_VALUE(const std::string bytes, read_target_file(path, target, kMaxManifestBytes));
    TRY_VALUE(Manifest manifest, Manifest::parse(bytes, path));
    found = blobs_.emplace(digest, std::move(manifest.blobs)).first;
  }
  return &found->second;
}

// --- Whether they are there ---

namespace {

Status check_size(const std::string& place, std::int64_t bytes) {
  const auto file = open_readable(place);
  if (file.ok() && (*file)->size() == std::uint64_t(bytes)) return {};
  if (file.ok()) {
    return fail(Code::kCorrupt, "{}: {} bytes expected, {} found: add it again", place, bytes,
                (*file)->size());
  }
  if (file.error().code != Code::kNotFound) return file.error();
  return fail(Code::kNotFound, "{}: is missing: copy it here, or add it again", place);
}

std::string problem_of_file(const std::string& place, std::int64_t bytes,
                            const std::string& digest) {
  if (const Status size = check_size(place, bytes); !size.ok()) return size.error().message;
  const auto found = digest_file(place, std::uint64_t(bytes));
  if (!found.ok()) return found.error().message;
  if (hex(found->sha256) == digest) return {};
  return fmt::format("{}: SHA-256 {} found: it is damaged, add it again", place,
                     hex(found->sha256));
}

// What a link leads to may be for nobody, and would be served.
Status check_is_file(const std::string& place) {
  TRY_VALUE(const EntryKind kind, entry_kind(place));
  if (kind == EntryKind::kFile) return {};
  return fail(Code::kDenied, "{}: is a link or a folder, not a file: remove it, and add it again",
              place);
}

}  // namespace

std::string Repository::problem_of(const std::string& path, const TargetFile& target,
                                   bool* is_refused) const {
  const std::string digest = digest_of(target);
  std::string problem = problem_of_file(target_place(path, digest), target.length, digest);
  if (!problem.empty()) return problem;
  const Status taken = check_taken(path, target);
  if (taken.ok()) return {};
  if (is_refused != nullptr) *is_refused = true;
  return taken.error().message;
}

Status Repository::check_taken(const std::string& path, const TargetFile& target) const {
  const std::size_t cap = device_target_cap_bytes(device_target(path));
  if (cap == 0) return {};
  if (target.length > std::int64_t(cap))
    return fail(Code::kExhausted, "{}: {} bytes; devices take {} at most", clipped(path),
                target.length, cap);
  TRY_VALUE(const std::string bytes, read_target_file(path, target, cap));
  return check_device_target(path, bytes);
}

Result<std::vector<std::string>> Repository::staged_problems() const {
  std::vector<std::string> problems;
  const auto note = [&](std::string problem) {
    if (!problem.empty()) problems.push_back(std::move(problem));
  };
  TRY_VALUE(const Changes staged, changes());
  const Status rise = check_floors();
  if (!rise.ok() && rise.error().code == Code::kDenied) note(rise.error().message);
  for (const TargetChange& change : staged.targets) {
    note(change.problem);
    if (change.after.empty() || !change.problem.empty() || !is_manifest(change.path)) continue;
    TRY_VALUE(const std::string bytes,
              read_file(target_place(change.path, change.after), kMaxManifestBytes));
    TRY_VALUE(const Manifest manifest, Manifest::parse(bytes, change.path));
    for (const auto& [digest, blob] : manifest.blobs)
      note(problem_of_file(place_of(blob_place(digest)), blob.bytes, hex(digest)));
  }
  return problems;
}

Result<std::vector<StagedFile>> Repository::staged_files(Files which) const {
  std::map<std::string, StagedFile> files;
  const auto add = [&](const std::string& name, std::int64_t bytes, std::string digest) {
    if (which == Files::kNotServed && file_exists(folder_ + "/" + name)) return;
    const std::string place = place_of(name);
    files.try_emplace(name, StagedFile{name, place, std::move(digest), bytes, file_exists(place)});
  };
  TRY_VALUE(const auto roles, staged_roles());
  for (const std::string& role : roles) {
    if (role == "root") continue;
    TRY_VALUE(const auto metadata, current<Targets>(role));
    for (const auto& [path, target] : metadata.body.targets) {
      const std::string digest = digest_of(target), name = target_name(path, digest);
      const bool is_served = file_exists(folder_ + "/" + name);
      add(name, target.length, digest);
      if (is_served && which == Files::kNotServed) continue;
      if (!is_manifest(path) || !file_exists(place_of(name))) continue;
      TRY_VALUE(const Blobs* const blobs, blobs_of(path, target));
      for (const auto& [blob, facts] : *blobs) add(blob_place(blob), facts.bytes, hex(blob));
    }
  }
  std::vector<StagedFile> result;
  for (auto& [name, file] : files) result.push_back(std::move(file));
  return result;
}

// --- Before publishing ---

namespace {

Status check_expiry(const std::string& folder, const std::string& role, std::int64_t expires_s,
                    std::int64_t now_s) {
  if (expires_s > now_s) return {};
  return fail(Code::kDenied,
              "role '{}' expired on {}, so no device would take this: 'polder repo renew {} {}', "
              "and sign it, or set this machine's clock, which says {}",
              role, time_text(expires_s), folder, role, time_text(now_s));
}

}  // namespace

// What is served was held to its digest when it came there; what waits may have been carried
// around.
Status Repository::check_file(const std::string& name, std::int64_t bytes,
                              const std::string& digest) const {
  const std::string place = place_of(name);
  TRY(check_size(place, bytes));
  if (place != staged_place(name)) return {};
  const std::string problem = problem_of_file(place, bytes, digest);
  if (problem.empty()) return check_is_file(place);
  return fail(Code::kCorrupt, "{}", problem);
}

Status Repository::check_release_blobs(const std::string& path, const TargetFile& target) const {
  TRY_VALUE(const Blobs* const blobs, blobs_of(path, target));
  for (const auto& [digest, blob] : *blobs) {
    TRY(check_file(blob_place(digest), blob.bytes, hex(digest)));
  }
  return {};
}

Status Repository::check_publishable(std::int64_t now_s) const {
  TRY_VALUE(const auto all_staged, staged());
  for (const Staged& file : all_staged) TRY(check_follows(file));
  TRY_VALUE(const auto timestamp, or_none(published<Timestamp>("timestamp")));
  const std::int64_t expires_s = now_s + profile_.timestamp_days * kDayS;
  if (timestamp && expires_s < timestamp->expires_s) {
    return fail(Code::kDenied,
                "timestamp: would hold until {}, and the one before holds until {}: set this "
                "machine's clock, which says {}; where it is right, the clock was ahead when the "
                "one before was made, and 'polder repo publish --force' replaces it",
                time_text(expires_s), time_text(timestamp->expires_s), time_text(now_s));
  }
  TRY_VALUE(const auto root, current<Root>("root"));
  TRY(check_expiry(folder_, "root", root.body.expires_s, now_s));
  const auto check_role = [&](const std::string& role, const Targets& body) -> Status {
    TRY(check_expiry(folder_, role, body.expires_s, now_s));
    for (const auto& [path, target] : body.targets) {
      const std::string digest = digest_of(target);
      TRY(check_file(target_name(path, digest), target.length, digest));
      // What is served was held to its name when it came there; of all devices read floors.
      if (path == kFloorsTarget || !file_exists(folder_ + "/" + target_name(path, digest)))
        TRY(check_taken(path, target));
      if (is_manifest(path)) TRY(check_release_blobs(path, target));
    }
    return {};
  };
  TRY(visit_targets(check_role));
  return check_floors();
}

// --- To their places, or away ---

// Where the power goes meanwhile some are served that nothing published names; the next
// publication, or discard(), finds them where they are. What names them is written once they are
// all on the disk.
Status Repository::serve_listed() const {
  std::map<std::string, std::string> moves;
  const auto serve = [&](const std::string& name) -> Status {
    std::string waits = staged_place(name), served = folder_ + "/" + name;
    if (file_exists(served) || !file_exists(waits)) return {};
    TRY(check_is_file(waits));
    moves.emplace(std::move(waits), std::move(served));
    return {};
  };
  const auto serve_targets = [&](const std::string&, const Targets& body) -> Status {
    for (const auto& [path, target] : body.targets) {
      if (is_manifest(path)) {
        // What is no manifest is published by force, and has no blobs.
        const auto blobs = blobs_of(path, target);
        if (blobs.ok())
          for (const auto& [digest, blob] : **blobs) TRY(serve(blob_place(digest)));
      }
      TRY(serve(target_name(path, digest_of(target))));
    }
    return {};
  };
  TRY(visit_targets(serve_targets));
  return move_files(moves);
}

// Of what has come to its place, in a publication that was cut off, all that no published version
// names: what an older one names was there before. What waits goes with all of staged/.
Status Repository::forget_files() const {
  TRY_VALUE(const Changes staged, changes());
  std::set<std::string> names;
  for (const TargetChange& change : staged.targets) {
    if (change.after.empty()) continue;
    const std::string place = target_place(change.path, change.after);
    names.insert(target_name(change.path, change.after));
    if (!is_manifest(change.path) || !change.problem.empty()) continue;
    TRY_VALUE(const std::string bytes, read_file(place, kMaxManifestBytes));
    const auto manifest = Manifest::parse(bytes, change.path);
    if (!manifest) continue;
    for (const auto& [digest, blob] : manifest->blobs) names.insert(blob_place(digest));
  }
  std::erase_if(names, [&](const std::string& name) { return !file_exists(folder_ + "/" + name); });
  if (names.empty()) return {};
  TRY(visit_all_published([&](const std::string& path, const TargetFile& target) {
    names.erase(target_name(path, digest_of(target)));
    if (names.empty() || !is_manifest(path)) return;
    if (const auto blobs = blobs_of(path, target); blobs.ok()) {
      for (const auto& [digest, blob] : **blobs) names.erase(blob_place(digest));
    } else {  // which it has is not known: all stay
      std::erase_if(names, [](const std::string& name) { return name.starts_with("blobs/"); });
    }
  }));
  for (const std::string& name : names) TRY(remove_file(folder_ + "/" + name));
  return {};
}

Status Repository::visit_all_published(
    const std::function<void(const std::string& path, const TargetFile& target)>& visit) const {
  TRY_VALUE(const auto paths, list_folder(folder_ + "/metadata", kMaxRepositoryFiles));
  for (const std::string& path : paths) {
    const auto [role, version] = published_name(path);
    if (version == 0 || (is_top_level(role) && role != "targets")) continue;
    TRY_VALUE(const std::int64_t newest, listed_version(role));
    if (version > newest) continue;  // its publication was cut off
    TRY_VALUE(const std::string bytes, read_file(path, kMaxTargetsBytes));
    TRY_VALUE(const auto metadata, parse_metadata<Targets>(bytes, path));
    TRY(check_targets(metadata.body, path));
    for (const auto& [name, target] : metadata.body.targets) visit(name, target);
  }
  return {};
}

Status Repository::stage_signed(const std::string& role, std::string_view bytes) {
  TRY(check_role_name(role));
  if (std::ranges::find(kMadeByPublishing, role) != std::end(kMadeByPublishing))
    return fail(Code::kDenied, "role '{}': publishing makes it; nobody stages it", role);
  TRY(make_folders(staged_));
  return write_file_atomic(staged_path(role), bytes);
}

Status Repository::unstage(std::string_view role) {
  TRY_VALUE(const auto roles, staged_roles());
  for (const std::string& each : roles)
    if (each == role || each.starts_with(std::string(role) + std::string(kBinMark)))
      TRY(remove_file(staged_path(each)));
  return {};
}

Status Repository::remember(const std::string& path) {
  if (before_.contains(path)) return {};
  if (!file_exists(path)) {
    before_.try_emplace(path);
    return {};
  }
  TRY_VALUE(std::string bytes, read_file(path, kMaxTargetsBytes));
  before_.emplace(path, std::move(bytes));
  return {};
}

Status Repository::undo() {
  const auto before = std::exchange(before_, {});
  for (const auto& [path, bytes] : before) {
    if (bytes) TRY(write_file_atomic(path, *bytes));
    else TRY(remove_file(path));
  }
  return {};
}

Status Repository::discard() {
  before_.clear();
  for (const char* role : kMadeByPublishing) TRY(remove_file(staged_path(role)));
  // Of metadata that cannot be read no files are known: those that wait go all the same.
  if (Status forgot = forget_files(); !forgot.ok() && forgot.error().code != Code::kCorrupt)
    return forgot;
  TRY_VALUE(const auto roles, staged_roles());
  for (const std::string& role : roles) {
    // Of a publication that was cut off. A root that clients may have followed to stays.
    TRY_VALUE(const std::int64_t published, published_version(role));
    if (role != "root") TRY(remove_file(published_path(role, published + 1)));
    TRY(remove_file(staged_path(role)));
  }
  return empty_staged();
}

// Once no role is staged: of what was added and replaced or removed before it was published.
Status Repository::empty_staged() const {
  for (const char* name : {"targets", "blobs"}) {
    const std::string folder = staged_place(name);
    if (file_exists(folder)) TRY(empty_folder(folder));
  }
  return {};
}

}  // namespace polder::trust::tuf
