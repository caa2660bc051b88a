// What is done is put on record in the transaction that does it, and moved from there into the
// audit log (trust/audit_log.h). So each act has one entry, whenever the plug is pulled: what the
// log has and the database does not know is found by its "id" before anything else is moved. The
// database keeps a copy of the entries, in which people search; the log is what proves them.
#pragma once

#include <polder/error.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "hub/store/readers.h"
#include "hub/store/writer.h"
#include "trust/audit_log.h"
#include "trust/json.h"

namespace polder::hub {

// Who acts where nobody has asked; nobody else has this name (check_actor(), hub/api/identity.h).
inline constexpr std::string_view kHubActor = "polder-hub";

// As a part of a Work. Errors: those of tell(); kExhausted without randomness.
Status put_on_record(Database& database, const trust::Record& record);

// Gives the database what its copy of a log lacks, and takes what that has out of what waits, as a
// part of a Work. Errors: those of the database; kCorrupt.
Status copy_log(Database& database, const std::string& path, const std::string& origin);

// Moves acts into the log in a thread of its own. Thread-safe.
class Recorder {
 public:
  // `path` is the log's. Borrows the writer and the readers. `signer` signs the log's checkpoints;
  // `trouble` is told, by that thread, why something waits.
  Recorder(std::string path, trust::AuditLog log, std::unique_ptr<trust::Signer> signer,
           Writer& writer, Readers& readers, std::function<void(std::string)> trouble);
  ~Recorder();  // when all is moved that can be, and signed
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Something was put on record.
  void wake();

  const std::string& origin() const { return origin_; }  // of the log
  const trust::PublicKey& key() const { return signer_->public_key(); }
  // A signed checkpoint of at least `entries` entries, made now where the last has fewer. Errors:
  // kInvalid, the log has fewer; kUnavailable, the log cannot be signed now.
  Result<std::string> checkpoint(std::uint64_t entries);
  // That an entry is in the log (trust/audit_proof.h). Errors: kNotFound; those of checkpoint().
  Result<trust::Json> prove(std::uint64_t sequence);

 private:
  void serve();
  Status copy_what_is_new();
  Status move_all();
  Status sign();

  const std::string path_, origin_;
  trust::AuditLog log_;     // of the thread alone
  bool is_copied_ = false;  // the database has all entries of the log; of the thread alone
  const std::unique_ptr<trust::Signer> signer_;
  Writer& writer_;
  Readers& readers_;
  const std::function<void(std::string)> trouble_;
  std::mutex mutex_;
  std::condition_variable wake_, signed_;
  bool has_new_ = true, ends_ = false, is_asked_to_sign_ = false;
  // As the thread said last.
  std::uint64_t size_ = 0, covered_ = 0;
  std::string note_;  // the last checkpoint; empty: none
  std::thread thread_;
};

}  // namespace polder::hub
