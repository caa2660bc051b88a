// Keeps the device's record: what happens goes into its audit log, which its key signs.
//
//   Recorder recorder(config, storage, clock, wall, log);
//   recorder.add({.act = trust::Act::kUpdateCommitted, .object = "people 1.2.0", .text = ""});
//   recorder.poll();  // now and then
//
// Nothing depends on it: what cannot be recorded or signed is told, and goes on. A signature may
// take a TPM's second, and whoever can make the device record much can make it sign much: so one is
// made at once after a quiet time, and at most every kSignEveryUs, of all that there is then; and
// at the end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/config.h"
#include "agent/driver.h"
#include "platform/clock.h"
#include "platform/storage.h"
#include "trust/audit_segments.h"
#include "trust/key.h"

namespace polder::agent {

inline constexpr char kAuditFolder[] = "audit";
inline constexpr std::int64_t kSignEveryUs = 600'000'000;

// Why the record is not whole, and what to do. Empty: it is.
struct RecordTrouble {
  std::string what, advice;
  bool operator==(const RecordTrouble&) const = default;
};
// For a log that cannot be opened or written.
RecordTrouble not_recorded(const Config& config, const Error& error);
// For a key that cannot be used.
RecordTrouble not_signed(const Config& config, const Error& error);

class Recorder {
 public:
  using Log = std::function<void(const std::string&)>;
  // Everything but `log` is borrowed. The lock of the storage is the caller's.
  Recorder(const Config& config, Storage& storage, Clock& clock, const WallClock& wall, Log log);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void add(const Occurrence& what);
  void poll();
  // What is recorded is signed.
  bool is_signed() const { return signer_ && trouble().what.empty(); }
  const RecordTrouble& trouble() const {
    return unrecorded_.what.empty() ? unsigned_ : unrecorded_;
  }

 private:
  void open_key();
  void sign();
  void set(RecordTrouble& which, RecordTrouble to);

  const Config& config_;
  Storage& storage_;
  Clock& clock_;
  const WallClock& wall_;
  Log tell_;
  std::optional<trust::AuditSegments> log_;
  std::unique_ptr<trust::Signer> signer_;
  RecordTrouble unrecorded_, unsigned_;
  std::int64_t next_sign_us_ = INT64_MIN;
};

}  // namespace polder::agent
