#include "hub/telemetry/show.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "hub/api/router.h"
#include "hub/telemetry/machine.h"

namespace polder::hub {
namespace {

trust::Json text_or_null(const Value& text) {
  return text.text().empty() ? trust::Json() : trust::Json(text.text());
}

}  // namespace

Result<std::map<std::string, DeviceNews>> news_of(const Hub& hub, const DeviceSet& devices) {
  std::map<std::string, DeviceNews> all;
  TRY_VALUE(
      const Rows links,
      ask(hub,
          fmt::format("SELECT l.device, l.seen_s, l.program, m.told_s, m.abilities, m.details "
                      "FROM device_link l LEFT JOIN device_machine m ON m.device = l.device "
                      "WHERE l.device IN ({})",
                      devices.sql),
          devices.values));
  for (const Row& row : links) {
    DeviceNews& news = all[row[0].text()];
    news.seen_s = row[1];
    news.program = row[2];
    TRY_VALUE(news.machine, machine_json(row[3], row[4], row[5]));
  }
  TRY_VALUE(const Rows units,
            ask(hub,
                fmt::format("SELECT device, unit, model, version, manifest, health, frames, "
                            "crashes, reported_s FROM device_unit WHERE device IN ({}) "
                            "ORDER BY device, unit",
                            devices.sql),
                devices.values));
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

namespace {

// The place of a window among those of its device: what its key has beside the device.
constexpr std::size_t kPlaceParts = 5;
constexpr std::string_view kPlace = "time_s, boot, epoch, sequence, item";

std::string place_text(std::span<const Value> place) {
  std::string text;
  for (const Value& part : place)
    text += fmt::format("{}{}", text.empty() ? "" : ".", part.integer());
  return text;
}

Result<Values> read_place(std::string_view text) {
  Values place;
  const char *at = text.data(), *const end = at + text.size();
  while (place.size() < kPlaceParts) {
    std::int64_t part = 0;
    const auto read = std::from_chars(at, end, part);
    if (read.ec != std::errc()) break;
    place.emplace_back(part);
    at = read.ptr;
    if (place.size() < kPlaceParts && (at == end || *at++ != '.')) break;
  }
  if (place.size() == kPlaceParts && at == end) return place;
  return fail(Code::kNotFound, "the query: before: what 'next' of a page says expected, '{}' found",
              clipped(text));
}

}  // namespace

Result<WindowPage> metric_windows(const Hub& hub, const WindowQuery& query) {
  std::string sql = fmt::format(
      "SELECT {}, window_ms, unit, model, version, frames, errors, crashes, details FROM "
      "metric_window WHERE device = ? AND time_s > ? AND time_s <= ?",
      kPlace);
  Values values = {query.device, query.from_s, query.to_s};
  if (!query.unit.empty()) {
    sql += " AND unit = ?";
    values.emplace_back(query.unit);
  }
  if (!query.before.empty()) {
    TRY_VALUE(const Values place, read_place(query.before));
    sql += fmt::format(" AND ({}) < (?, ?, ?, ?, ?)", kPlace);
    values.insert(values.end(), place.begin(), place.end());
  }
  sql += " ORDER BY time_s DESC, boot DESC, epoch DESC, sequence DESC, item DESC LIMIT ?";
  values.emplace_back(query.limit + 1);
  TRY_VALUE(const Rows rows, ask(hub, sql, values));
  WindowPage page;
  for (const Row& whole : rows) {
    if (static_cast<std::int64_t>(page.windows.size()) == query.limit) break;
    const std::span<const Value> row = std::span(whole).subspan(kPlaceParts - 1);
    TRY_VALUE(trust::Json details, trust::Json::parse(row[8].text(), "metric_window.details"));
    trust::Json::Members window =
        details.members() ? std::move(*details.members()) : trust::Json::Members();
    window.insert({{"time", time_or_null(whole[0])},
                   {"window_ms", row[1].integer()},
                   {"unit", row[2].text()},
                   {"model", text_or_null(row[3])},
                   {"version", text_or_null(row[4])},
                   {"frames", row[5].integer()},
                   {"errors", row[6].integer()},
                   {"crashes", row[7].integer()}});
    page.windows.push_back(std::move(window));
    page.before = place_text(std::span(whole).first(kPlaceParts));
  }
  if (rows.size() == page.windows.size()) page.before.clear();
  std::ranges::reverse(page.windows);
  return page;
}

}  // namespace polder::hub
