// What a report means to rollouts: which device runs what, whether it went wrong there, and what is
// counted of canaries and controls.
//
//   Observer observer(database, device, now_s);   // of one body of reports
//   for (const proto::Report& report : reports) TRY(observer.take(report, report.time_s));
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/rollouts/measures.h"
#include "hub/rollouts/members.h"
#include "hub/store/database.h"
#include "proto/report.h"

namespace polder::hub {

// As a part of a Work; the device is enrolled, and all is borrowed. What many windows of one body
// say alike is noted once: a device that was away for a day tells of hundreds.
class Observer {
 public:
  Observer(Database& database, std::string_view device, std::int64_t now_s)
      : database_(database), device_(device), now_s_(now_s) {}
  // Each report once, in the order in which they were written; `time_s`: when that was, by the
  // hub's clock. A hard failure of a canary ends its rollout within it. Errors: those of tell().
  Status take(const proto::Report& report, std::int64_t time_s);

 private:
  // What the device is part of with a model, of a rollout that is not over.
  struct Part {
    std::string rollout;
    std::int64_t look_s = 0;
    std::string version, other_version, old_version;
    std::optional<std::int64_t> number;  // where its counts are compared
    std::int64_t created_s = 0;
    bool has_failed = false, is_told = false;  // that it is to take the new release
    bool has_counted = false;                  // anything with its old release
    std::vector<StageLimit> limits;            // of one with a number

    int arm_of(std::string_view running) const;
  };
  // Of a model, as the database has it by now.
  struct Known {
    std::optional<ModelNews> news;  // that were noted last
    bool is_asked = false;          // whether it has a part
    std::optional<Part> part;
  };

  Status note(const std::string& model, const ModelNews& news);
  // Nothing of what is not part of any. Until the next note().
  Result<Part*> part_of(const std::string& model);
  Status take_alarm(const proto::ReportAlarm& alarm, std::int64_t time_s);
  Status note_trouble(const Part& part, const proto::ReportAlarm& alarm);
  Status note_ended(const Part& part, Code code);
  Status note_refusal(const Part& part, const proto::ReportAlarm& alarm);
  Status take_unit(const proto::ReportUnit& unit, std::int64_t counted_s, bool is_late);
  Status take_shadow(const Part& part, const proto::ReportUnit& unit, std::int64_t counted_s,
                     std::int64_t look);

  Database& database_;
  const std::string_view device_;
  const std::int64_t now_s_;
  std::map<std::string, Known, std::less<>> known_;
};

}  // namespace polder::hub
