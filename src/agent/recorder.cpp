#include "agent/recorder.h"

#include <utility>

#include "agent/device_pin.h"
#include "agent/state.h"
#include "base/fail.h"

namespace polder::agent {

namespace {

constexpr char kActor[] = "polderd";

std::string another_log(const Config& config) {
  return fmt::format(
      "keep it as evidence and let another begin: mv {0}/{1} {0}/{1}.damaged, then "
      "restart polderd",
      config.folder, kAuditFolder);
}

}  // namespace

RecordTrouble not_recorded(const Config& config, const Error& error) {
  const bool is_damaged = error.code == Code::kCorrupt || error.code == Code::kInvalid;
  return {
      "audit log: entries are not recorded: " + error.message,
      is_damaged ? another_log(config) : "see that the disk can be written, and restart polderd"};
}

RecordTrouble not_signed(const Config& config, const Error& error) {
  // Of the key itself the message says what to do.
  const bool is_of_another = error.message.find(trust::checkpoints_path("")) != std::string::npos;
  const bool is_refused = error.message.find(kPinRefused) != std::string::npos;
  return {"audit log: entries are not signed: " + error.message,
          is_of_another ? another_log(config)
          : is_refused  ? "mend " + config.pin_file +
                             "; 'systemctl reload polderd' looks at it at once, polderd "
                             "itself every 10 minutes"
                       : "polderd tries again every 10 minutes"};
}

Recorder::Recorder(const Config& config, Storage& storage, Clock& clock, const WallClock& wall,
                   Log log)
    : config_(config), storage_(storage), clock_(clock), wall_(wall), tell_(std::move(log)) {
  auto opened = trust::AuditSegments::open(storage, kAuditFolder,
                                           {"polderd/" + config.device, kActor, wall.now_s()},
                                           std::uint64_t(config.audit_bytes));
  if (opened.ok()) log_.emplace(std::move(*opened));
  else set(unrecorded_, not_recorded(config_, opened.error()));
  open_key();
}

Recorder::~Recorder() {
  if (log_ && signer_ && log_->unsigned_entries() > 0) sign();
}

void Recorder::set(RecordTrouble& which, RecordTrouble to) {
  if (which == to) return;
  which = std::move(to);
  if (!which.what.empty()) tell_(fmt::format("{}: {}", which.what, which.advice));
}

void Recorder::open_key() {
  auto signer = open_device_signer(config_, storage_);
  // A device may do without a key; 'polderd doctor' says what it lacks.
  const bool may_lack = config_.key.empty();
  if (!signer.ok() && signer.error().code == Code::kNotFound && may_lack) return set(unsigned_, {});
  if (!signer.ok()) return set(unsigned_, not_signed(config_, signer.error()));
  signer_ = std::move(*signer);
  set(unsigned_, {});
}

void Recorder::add(const Occurrence& what) {
  if (!log_ || what.act == trust::Act::kNote || what.repeats) return;
  const Status written = log_->append(
      {wall_.now_s(), kActor, what.act, fit_reason(what.object), {{"text", fit_reason(what.text)}}},
      signer_.get());
  set(unrecorded_, written.ok() ? RecordTrouble() : not_recorded(config_, written.error()));
  poll();
}

void Recorder::poll() {
  if (log_ && log_->unsigned_entries() > 0 && clock_.now_us() >= next_sign_us_) sign();
}

void Recorder::sign() {
  next_sign_us_ = clock_.now_us() + kSignEveryUs;
  if (!signer_) open_key();
  if (!signer_) return;
  const Status done = log_->sign(*signer_);
  set(unsigned_, done.ok() ? RecordTrouble() : not_signed(config_, done.error()));
  // A token that was pulled out, or another PIN, wants to be opened anew.
  if (!done.ok()) signer_.reset();
}

}  // namespace polder::agent
