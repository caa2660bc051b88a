// What a report means to rollouts: which device runs what, whether it went wrong there, and what is
// counted of canaries and controls.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string_view>

#include "hub/store/database.h"
#include "proto/report.h"

namespace polder::hub {

// As a part of a Work, for each report once; the device is enrolled. A hard failure of a canary
// ends its rollout within it. Errors: those of tell().
Status observe(Database& database, std::string_view device, const proto::Report& report,
               std::int64_t now_s);

}  // namespace polder::hub
