// What is done is put on record in the transaction that does it, and moved from there into the
// audit log (trust/audit_log.h). So no act is without its entry, whenever the plug is pulled; one
// that was being moved then has two entries, with the same "id" in their details.
#pragma once

#include <polder/error.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "hub/store/readers.h"
#include "hub/store/writer.h"
#include "trust/audit_log.h"

namespace polder::hub {

// As a part of a Work. Errors: those of tell(); kExhausted without randomness.
Status put_on_record(Database& database, const trust::Record& record);

// Moves acts into the log in a thread of its own. Thread-safe.
class Recorder {
 public:
  // Borrows the writer and the readers. `signer` signs the log's checkpoints; `trouble` is told,
  // by that thread, why something waits.
  Recorder(trust::AuditLog log, std::unique_ptr<trust::Signer> signer, Writer& writer,
           Readers& readers, std::function<void(std::string)> trouble);
  ~Recorder();  // when all is moved that can be, and signed
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Something was put on record.
  void wake();

 private:
  void serve();
  Status move_all();

  trust::AuditLog log_;
  const std::unique_ptr<trust::Signer> signer_;
  Writer& writer_;
  Readers& readers_;
  const std::function<void(std::string)> trouble_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool has_new_ = true, ends_ = false;
  std::thread thread_;
};

}  // namespace polder::hub
