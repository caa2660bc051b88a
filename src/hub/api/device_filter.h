// Which devices a list is of, as its query says.
//
//   GET /v1/devices?query=site=ams&health=failed&version=people=1.2.0&revoked=false
//
// All must hold. `health` and `version` are of one unit; `target` is one that the device has told
// of; `seen_before` is for those that have not checked in since that time, or never, and enrolled
// before it. What the database finds by an index it does; `seen_before` and `revoked` go through
// the devices in the order of the list, until a page is full.
#pragma once

#include <polder/error.h>

#include <string>

#include "hub/api/target.h"
#include "hub/store/database.h"

namespace polder::hub {

struct DeviceFilter {
  std::string condition;  // of SQL, on "d": " AND ..." for each part
  Values values;          // of the condition
  std::string text;       // the same as a query: "&query=site=ams&health=failed"

  // Errors: kInvalid.
  static Result<DeviceFilter> read(const Target& target);
};

}  // namespace polder::hub
