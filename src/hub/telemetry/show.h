// What is kept of devices, as the API shows it.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <string>

#include "hub/hub.h"
#include "trust/json.h"

namespace polder::hub {

// When a device was seen, what it is, what its units do.
struct DeviceNews {
  Value seen_s, program;  // NULL: it has never checked in
  trust::Json machine;    // null: it has not told what it is
  trust::Json::Array units;
};
// Some devices: what stands in "device IN (...)", with its values.
struct DeviceSet {
  std::string sql;
  Values values;
};
// By their names. Errors: those of stored().
Result<std::map<std::string, DeviceNews>> news_of(const Hub& hub, const DeviceSet& devices);

// The newest alarms, of one device or (empty) of all.
Result<trust::Json::Array> latest_alarms(const Hub& hub, const std::string& device,
                                         std::int64_t limit);

struct WindowQuery {
  std::string device, unit;  // empty unit: all
  std::int64_t from_s = 0, to_s = 0, limit = 0;
  std::string before;  // what a page before says of the older ones; empty: the newest
};
struct WindowPage {
  trust::Json::Array windows;  // the newest of them, in the order of their times
  std::string before;          // for the next page; empty: there are no older ones
};
// Errors: kNotFound for a `before` that no page said; those of stored().
Result<WindowPage> metric_windows(const Hub& hub, const WindowQuery& query);

}  // namespace polder::hub
