// Audit logs, checkpoints and proofs of any bytes: what they say, or an error, never a crash. What
// is read is written as it was read; a log that opens goes on and opens again; a proof that is
// accepted is about what was signed.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "trust/audit_log.h"
#include "trust/audit_proof.h"
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  static const PublicKey key = fuzz::audit_signer()->public_key();
  open_and_append(text, "");
  (void)read_checkpoints(MemoryAppendFile(text));
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
    POLDER_CHECK(!proven->entry || proven->entry->sequence < proven->checkpoint.size);
  }
  return 0;
}
