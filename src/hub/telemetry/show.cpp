#include "hub/telemetry/show.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "hub/api/router.h"

namespace polder::hub {
namespace {

trust::Json text_or_null(const Value& text) {
  return text.text().empty() ? trust::Json() : trust::Json(text.text());
}

}  // namespace

Result<std::map<std::string, DeviceNews>> news_between(const Hub& hub, const std::string& first,
                                                       const std::string& last) {
  std::map<std::string, DeviceNews> all;
  TRY_VALUE(const Rows links, ask(hub,
                                  "SELECT device, seen_s, program FROM device_link "
                                  "WHERE device >= ? AND device <= ?",
                                  {first, last}));
  for (const Row& row : links) {
    DeviceNews& news = all[row[0].text()];
    news.seen_s = row[1];
    news.program = row[2];
  }
  TRY_VALUE(const Rows units,
            ask(hub,
                "SELECT device, unit, model, version, manifest, health, frames, crashes, "
                "reported_s FROM device_unit WHERE device >= ? AND device <= ? "
                "ORDER BY device, unit",
                {first, last}));
  for (const Row& row : units) {
    all[row[0].text()].units.push_back(trust::Json::Members{{"name", row[1].text()},
                                                            {"model", text_or_null(row[2])},
                                                            {"version", text_or_null(row[3])},
                                                            {"manifest", text_or_null(row[4])},
                                                            {"health", row[5].text()},
                                                            {"frames", row[6].integer()},
                                                            {"crashes", row[7].integer()},
                                                            {"reported", time_or_null(row[8])}});
  }
  return all;
}

Result<trust::Json::Array> latest_alarms(const Hub& hub, const std::string& device,
                                         std::int64_t limit) {
  const bool is_one = !device.empty();
  Values values;
  if (is_one) values.emplace_back(device);
  values.emplace_back(limit);
  TRY_VALUE(const Rows rows,
            ask(hub,
                std::string("SELECT device, time_s, what, unit, model, version, text FROM alarm ") +
                    (is_one ? "WHERE device = ? " : "") +
                    "ORDER BY time_s DESC, sequence DESC "
                    "LIMIT ?",
                values));
  trust::Json::Array alarms;
  for (const Row& row : rows) {
    trust::Json::Members alarm{{"time", time_or_null(row[1])},    {"what", row[2].text()},
                               {"unit", text_or_null(row[3])},    {"model", text_or_null(row[4])},
                               {"version", text_or_null(row[5])}, {"text", row[6].text()}};
    if (!is_one) alarm.emplace("device", row[0].text());
    alarms.push_back(std::move(alarm));
  }
  return alarms;
}

Result<trust::Json::Array> metric_windows(const Hub& hub, const WindowQuery& query) {
  Values values = {query.device, query.from_s, query.to_s};
  if (!query.unit.empty()) values.emplace_back(query.unit);
  values.emplace_back(query.limit);
  TRY_VALUE(const Rows rows,
            ask(hub,
                std::string("SELECT time_s, window_ms, unit, model, version, frames, errors, "
                            "crashes, details FROM metric_window WHERE device = ? AND time_s > ? "
                            "AND time_s <= ? ") +
                    (query.unit.empty() ? "" : "AND unit = ? ") +
                    "ORDER BY time_s DESC, boot DESC, sequence DESC, item DESC LIMIT ?",
                values));
  trust::Json::Array windows;
  for (const Row& row : rows) {
    TRY_VALUE(trust::Json details, trust::Json::parse(row[8].text(), "metric_window.details"));
    trust::Json::Members window =
        details.members() ? std::move(*details.members()) : trust::Json::Members();
    window.insert({{"time", time_or_null(row[0])},
                   {"window_ms", row[1].integer()},
                   {"unit", row[2].text()},
                   {"model", text_or_null(row[3])},
                   {"version", text_or_null(row[4])},
                   {"frames", row[5].integer()},
                   {"errors", row[6].integer()},
                   {"crashes", row[7].integer()}});
    windows.push_back(std::move(window));
  }
  std::ranges::reverse(windows);
  return windows;
}

}  // namespace polder::hub
