// Audit logs, checkpoints and proofs of any bytes: what they say, or an error, never a crash. What
// is read is written as it was read; a log that opens goes on and opens again; a proof that is
// accepted is about what was signed.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "trust/audit_log.h"
#include "trust/audit_proof.h"
#include "trust/audit_segments.h"
#include "trust_seeds.h"

namespace {

using namespace polder;
using namespace polder::trust;

// A log of these bytes, and what it is when it has been continued.
void open_and_append(const std::string& bytes, const std::string& checkpoints) {
  auto log_file = std::make_unique<MemoryAppendFile>(bytes);
  auto checkpoint_file = std::make_unique<MemoryAppendFile>(checkpoints);
  const MemoryAppendFile &log_bytes = *log_file, &checkpoint_bytes = *checkpoint_file;
  auto log = AuditLog::over(std::move(log_file), std::move(checkpoint_file), {"", "fuzz", 0});
  if (!log.ok()) return;
  POLDER_CHECK(bytes.starts_with(log_bytes.bytes));
  POLDER_CHECK(log->append({0, "fuzz", Act::kNote, "more"}).ok());
  POLDER_CHECK(AuditLog::over(std::make_unique<MemoryAppendFile>(log_bytes.bytes),
                              std::make_unique<MemoryAppendFile>(checkpoint_bytes.bytes),
                              {"", "fuzz", 0})
                   .ok());
}

// Those that are read, one after another, are the bytes up to what was torn.
void read_checkpoints(const std::string& bytes) {
  const MemoryAppendFile file(bytes);
  CheckpointReader reader(file);
  std::string read;
  for (;;) {
    const auto item = reader.next();
    if (!item.ok()) return;
    if (!*item) break;
    read += (*item)->note + "\n";
  }
  POLDER_CHECK(bytes.starts_with(read) && read.size() + reader.torn_bytes() == bytes.size());
}

// Bytes that are a log: as the first segment of a chain, and as the one after another.
void chain(const std::string& bytes) {
  const auto report = verify_log(MemoryAppendFile(bytes), {});
  if (!report.ok() || report->entries == 0) return;
  for (const std::uint64_t number : {1, 2, 7}) {
    SegmentChain chain;
    if (!chain.add(number, "fuzz", *report).ok()) continue;
    POLDER_CHECK(chain.removed().has_value() == (number > 1));
    POLDER_CHECK(chain.unsigned_entries() == report->entries);
    POLDER_CHECK(!chain.add(number + 2, "fuzz", *report).ok());
    POLDER_CHECK(!chain.is_of_removed({report->origin, report->entries, report->root}).value());
    (void)chain.is_of_removed({chain.origin() + "/3", 1, {}});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  static const PublicKey key = fuzz::audit_signer()->public_key();
  open_and_append(text, "");
  chain(text);
  read_checkpoints(text);
  if (const auto entry = Entry::parse(text, "fuzz"); entry.ok()) {
    POLDER_CHECK(entry->line().value() == text);
  }
  if (const auto note = Note::parse(text, "fuzz"); note.ok()) {
    if (const auto said = Checkpoint::parse(note->text, "fuzz"); said.ok()) {
      POLDER_CHECK(said->text() == note->text);
    }
    (void)note->verify("example.com/fuzz", {&key, 1});
  }
  if (const auto proven = check_proof(text, {&key, 1}, "fuzz"); proven.ok()) {
    // Only checkpoints of one and of seven entries were ever signed with this key.
    POLDER_CHECK(proven->checkpoint.size == 1 || proven->checkpoint.size == 7);
    const Checkpoint& end = proven->within ? *proven->within : proven->checkpoint;
    POLDER_CHECK(end.size == 1 || end.size == 7);
    POLDER_CHECK(!proven->entry || proven->entry->sequence < end.size);
  }
  return 0;
}
