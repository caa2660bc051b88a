#include "hub/upkeep/folder.h"

#include <map>
#include <utility>

#include "base/fail.h"
#include "hub/record.h"
#include "hub/tokens.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/audit_log.h"
#include "trust/json.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

constexpr char kMarker[] = "unfinished";
constexpr std::size_t kMaxMarkerBytes = 4096;
constexpr std::size_t kMaxFiles = 1u << 20;

struct Marker {
  std::string command, source;
  Change change;
};

std::string marker_of(const std::string& folder) { return folder + "/" + kMarker; }

Result<std::optional<Marker>> read_marker(const std::string& folder) {
  const std::string path = marker_of(folder);
  const auto text = read_file(path, kMaxMarkerBytes);
  if (!text.ok() && text.error().code == Code::kNotFound) return std::optional<Marker>();
  if (!text.ok()) return text.error();
  TRY_VALUE(const trust::Json json, trust::Json::parse(*text, path));
  TRY_VALUE(const trust::Object object, trust::Object::of(json, path));
  Marker marker;
  TRY_VALUE(marker.command, object.text("command"));
  TRY_VALUE(marker.source, object.text("source"));
  TRY_VALUE(marker.change.name, object.text("name"));
  TRY_VALUE(const std::string begun, object.text("begun"));
  TRY_VALUE(marker.change.begun_s, trust::tuf::parse_time(begun, path));
  return std::optional(std::move(marker));
}

// Of whoever was killed here; they may have keys in them.
Status remove_leftovers(const std::string& folder) {
  TRY_VALUE(const auto entries, walk_folder(folder, kMaxFiles));
  for (const FolderEntry& entry : entries)
    if (entry.kind == EntryKind::kFile && is_leftover(entry.path))
      TRY(remove_file(folder + "/" + entry.path));
  return {};
}

}  // namespace

Result<std::optional<Change>> unfinished(const std::string& folder, const ChangeKind& kind) {
  TRY_VALUE(auto marker, read_marker(folder));
  if (!marker) return std::optional<Change>();
  if (marker->command == kind.command && marker->source == kind.source)
    return std::optional(std::move(marker->change));
  const bool is_restore = marker->command == "restore";
  return fail(Code::kDenied,
              "{}: 'polder-hub {}' was cut off here{}: run it again, as it was run{}", folder,
              marker->command, marker->command == kind.command ? ", with another backup" : "",
              is_restore ? ", or empty the folder and begin anew" : "");
}

Status check_finished(const std::string& folder) {
  const auto other = unfinished(folder, {});
  return other.ok() ? Status() : Status(other.error());
}

Result<Change> begin_change(const std::string& folder, const ChangeKind& kind, std::int64_t now_s) {
  TRY_VALUE(auto before, unfinished(folder, kind));
  TRY(remove_leftovers(folder));
  if (before) return *std::move(before);
  TRY_VALUE(const std::string chance, random_name());
  const std::string begun = trust::tuf::time_text(now_s);
  Change change{.name = begun + "-" + chance.substr(0, 8), .begun_s = now_s};
  const trust::Json marker = trust::Json::Members{{"command", std::string(kind.command)},
                                                  {"source", kind.source},
                                                  {"name", change.name},
                                                  {"begun", begun}};
  TRY(write_file_atomic(marker_of(folder), marker.pretty()));
  return change;
}

Status end_change(const std::string& folder) { return remove_file(marker_of(folder)); }

Status put_aside(const std::string& folder, const Change& change, Aside which) {
  std::map<std::string, std::string> files;
  for (const HubFile& file : kHubFiles) {
    const std::string path = folder + "/" + file.name;
    if ((file.is_log || which == Aside::kAll) && entry_kind(path).ok())
      files.emplace(path, change.former(folder) + "/" + file.name);
  }
  return move_files(files);
}

Result<FormerLog> former_log(const std::string& folder, const Change& change) {
  for (const std::string& place : {folder, change.former(folder)}) {
    const std::string path = place + "/" + kAuditLog;
    if (!entry_kind(path).ok()) continue;
    TRY_VALUE(const auto log,
              trust::AuditLog::open(path, {"", std::string(kHubActor), change.begun_s}));
    return FormerLog{path, log.end()};
  }
  return fail(Code::kNotFound, "{}/{}: is not there", folder, kAuditLog);
}

}  // namespace polder::hub
