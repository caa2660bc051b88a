#include "cli/audit/common.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "cli/repo/common.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/audit_segments.h"

namespace polder::cli {

bool is_segment_folder(const std::string& path) {
  return entry_kind(path + "/.").ok();  // or a link to one
}

Result<std::vector<std::uint64_t>> segments_in(const std::string& folder) {
  constexpr std::size_t kMaxFiles = 10'000;
  TRY_VALUE(const auto entries, walk_folder(folder, kMaxFiles));
  std::vector<std::uint64_t> numbers;
  for (const FolderEntry& entry : entries) {
    if (const auto number = trust::segment_number(entry.path)) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  if (numbers.empty()) {
    return fail(Code::kNotFound, "{}: no audit log: '{}', '{}' ... expected", folder,
                trust::segment_file(1), trust::segment_file(2));
  }
  return numbers;
}

std::string segments_text(std::uint64_t first, std::uint64_t last) {
  return first == last ? fmt::format("segment {}", first)
                       : fmt::format("segments {} to {}", first, last);
}

Result<std::string> read_note(const std::string& path) {
  return read_file(path, trust::kMaxNoteBytes);
}

Result<std::string> last_note(const std::string& log_path) {
  const std::string path = trust::checkpoints_path(log_path);
  TRY_VALUE(const auto file, open_readable(path));
  trust::CheckpointReader reader(*file);
  std::string note;
  for (;;) {
    TRY_VALUE(auto item, reader.next());
    if (!item) break;
    note = std::move(item->note);
  }
  if (note.empty()) {
    return fail(Code::kNotFound, "{}: no checkpoint yet: polder audit checkpoint signs one", path);
  }
  return note;
}

Result<std::string> origin_of(const std::string& log_path) {
  TRY_VALUE(const auto log, open_readable(log_path));
  trust::LogReader reader(*log);
  TRY_VALUE(const auto line, reader.next());
  if (!line) return fail(Code::kCorrupt, "{}: no entry: it is not a log yet", log_path);
  TRY_VALUE(trust::Entry first, trust::Entry::parse(*line, log_path + ": entry 0"));
  return std::move(first.object);
}

Result<std::vector<trust::PublicKey>> audit_keys(const Args& args) {
  TRY_VALUE(auto keys, public_keys(args, "--key"));
  if (keys.empty()) {
    return fail(Code::kInvalid,
                "--key is missing: the public key that signs the log's checkpoints; without it "
                "nothing here can be believed");
  }
  return keys;
}

trust::Json checkpoint_json(const trust::Checkpoint& checkpoint) {
  return trust::Json::Members{{"origin", checkpoint.origin},
                              {"size", std::int64_t(checkpoint.size)},
                              {"root", trust::hex(checkpoint.root)}};
}

trust::Json entry_json(const trust::Entry& entry) {
  return trust::Json::Members{{"sequence", std::int64_t(entry.sequence)},
                              {"time", entry.time},
                              {"actor", entry.actor},
                              {"act", entry.act},
                              {"object", entry.object},
                              {"details", entry.details}};
}

std::string entry_text(const trust::Entry& entry) {
  const std::string details =
      entry.details.empty() ? "" : "  " + trust::Json(entry.details).compact();
  return one_line(fmt::format("{:>6}  {}  {:<22} {}  by {}{}", entry.sequence, entry.time,
                              entry.act, entry.object, entry.actor, details));
}

}  // namespace polder::cli
