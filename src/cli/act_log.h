// Puts what a command did on record: --audit-log FILE, or POLDER_AUDIT_LOG.
//
//   TRY_VALUE(ActLog acts, ActLog::open(args));  // before anything is done
//   ...the act...
//   TRY(acts.add(trust::Act::kFloorRaised, "people 1.2.0", {}, {{"repository", folder}}));
#pragma once

#include <polder/error.h>

#include <optional>
#include <span>
#include <string>

#include "cli/args.h"
#include "trust/audit_log.h"

namespace polder::cli {

#define POLDER_AUDIT_LOG_OPTION \
  { "--audit-log", "FILE", "appends what is done to this audit log; nothing is done without it" }

class ActLog {
 public:
  // Without the option nothing is recorded. Errors: kNotFound, saying how to begin a log; those of
  // AuditLog::open(). Then nothing must be done.
  static Result<ActLog> open(const Args& args);
  // `key_ids` are of the keys that did it; none: "polder". Errors: those of AuditLog::append(),
  // saying that it was done all the same.
  Status add(trust::Act act, const std::string& object, std::span<const std::string> key_ids,
             trust::Json::Members details);

 private:
  std::optional<trust::AuditLog> log_;
  std::int64_t now_s_ = 0;
};

}  // namespace polder::cli
