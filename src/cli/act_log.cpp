#include "cli/act_log.h"

#include "base/fail.h"
#include "cli/repo/common.h"

namespace polder::cli {

Result<ActLog> ActLog::open(const Args& args) {
  ActLog acts;
  const std::string path = args.text("--audit-log");
  if (path.empty()) return acts;
  // A log is begun by hand: its name is for its owner to say.
  if (auto log = open_readable(path); !log.ok()) {
    if (log.error().code != Code::kNotFound) return std::move(log).error();
    return fail(Code::kNotFound,
                "{}; 'polder audit add FILE --origin NAME --actor WHO --object WHAT' begins a log",
                log.error().message);
  }
  TRY_VALUE(acts.now_s_, signing_time());
  TRY_VALUE(acts.log_, trust::AuditLog::open(path, {}));
  return acts;
}

Status ActLog::add(trust::Act act, const std::string& object, std::span<const std::string> key_ids,
                   trust::Json::Members details) {
  if (!log_) return {};
  std::string actor;
  for (const std::string& id : key_ids) actor += (actor.empty() ? "key:" : ",key:") + id;
  if (actor.empty()) actor = "polder";
  const auto sequence = log_->append({now_s_, actor, act, object, std::move(details)});
  if (sequence.ok()) return {};
  return fail(sequence.error().code, "{} was done, but is not on record: {}", trust::act_name(act),
              sequence.error().message);
}

}  // namespace polder::cli
