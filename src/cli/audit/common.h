// What the commands on audit logs share.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cli/args.h"
#include "trust/audit_log.h"

namespace polder::cli {

#define POLDER_AUDIT_KEY_OPTION \
  { "--key", "PUB.pem", "a public key that signs the log's checkpoints", true }

// Whether a path is a folder of segments, as a device keeps it, and no log.
bool is_segment_folder(const std::string& path);
// The numbers of the segments in a folder, in their order. Errors: kNotFound without any.
Result<std::vector<std::uint64_t>> segments_in(const std::string& folder);
// "segments 1 to 4", "segment 3": of `first` to `last`.
std::string segments_text(std::uint64_t first, std::uint64_t last);

// The signed note in a file. Errors name the file.
Result<std::string> read_note(const std::string& path);
// The last checkpoint beside the log. Errors: kNotFound when there is none.
Result<std::string> last_note(const std::string& log_path);
// What a log calls itself in its first entry.
Result<std::string> origin_of(const std::string& log_path);
// The public keys of --key, of which there must be one at least.
Result<std::vector<trust::PublicKey>> audit_keys(const Args& args);

// {"origin", "size", "root"}
trust::Json checkpoint_json(const trust::Checkpoint& checkpoint);
trust::Json entry_json(const trust::Entry& entry);
// On one line, fit for a terminal.
std::string entry_text(const trust::Entry& entry);

}  // namespace polder::cli
