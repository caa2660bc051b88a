// The hub of rollout_sim: what polder-hub does with check-ins and with time (hub/telemetry,
// hub/rollouts, its database), on a database in memory and a clock that is told.
//
// What is not there: connections, certificates, and the signing of assignments. Rows of what
// devices are to run are published as the hub's publisher does it, so many at once, each minute.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hub/rollouts/engine.h"
#include "hub/store/ask.h"
#include "hub/store/database.h"
#include "hub/store/schema.h"
#include "hub/telemetry/store.h"
#include "proto/report.h"

namespace polder::sim {

constexpr std::int64_t kTickS = 60;
constexpr int kPublishAtOnce = 2'000;
constexpr const char* kModel = "people";

[[noreturn]] inline void give_up(const Error& error) {
  std::fprintf(stderr, "rollout_sim: %s\n", error.message.c_str());
  std::exit(1);
}
inline void must(const Status& status) {
  if (!status.ok()) give_up(status.error());
}
template <class T>
T must(Result<T> result) {
  if (!result.ok()) give_up(result.error());
  return *std::move(result);
}

inline std::string device_name(int index) { return fmt::format("cam-{}", index); }

// How long calls took.
struct Times {
  std::int64_t count = 0;
  double sum_us = 0, most_us = 0;
  double mean_us() const { return count == 0 ? 0 : sum_us / double(count); }
  void add(double us) { ++count, sum_us += us, most_us = std::max(most_us, us); }
};

// What a device is assigned.
struct Assigned {
  std::string version;  // empty: nothing yet
  bool shadow = false;
  std::int64_t retry = 0;
};

class SimulatedHub {
 public:
  explicit SimulatedHub(int devices)
      : database_(must(hub::open_database(":memory:"))),
        assigned_(static_cast<std::size_t>(devices)) {
    must(hub::migrate(*database_));
  }

  void enrol(int device, int site, std::int64_t now_s) {
    must(database_->run("INSERT INTO device (id, key_id, enrolled_s) VALUES (?, ?, ?)",
                        {device_name(device), fmt::format("key-{}", device), now_s}));
    must(database_->run("INSERT INTO device_tag (device, name, value) VALUES (?, 'site', ?)",
                        {device_name(device), fmt::format("site-{}", site)}));
  }

  void publish_release(const std::string& version, std::int64_t now_s) {
    must(database_->run(
        "INSERT INTO model_release (model, version, manifest, state, added_s, added_by, "
        "publication, is_runtime, details) VALUES (?, ?, ?, 'published', ?, 'anna', '', 0, '{}')",
        {kModel, version, "manifest of " + version, now_s}));
  }

  std::string create(const hub::RolloutOrder& order, std::int64_t now_s) {
    std::string id;
    write([&](hub::Database& database) -> Status {
      auto made = hub::create_rollout(database, order, "anna", now_s);
      if (!made.ok()) return made.error();
      id = made->id;
      return {};
    });
    return id;
  }

  // As a request brings it; the version of the repository's timestamp.
  std::int64_t check_in(int device, std::string_view body, std::int64_t now_s) {
    const auto began = std::chrono::steady_clock::now();
    const proto::ReportMessage message = must(proto::decode_report_message(body));
    const auto& checkin = std::get<proto::Checkin>(message);
    write([&](hub::Database& database) -> Status {
      auto taken = hub::take_checkin(database, device_name(device), checkin, now_s);
      return taken.ok() ? Status() : Status(taken.error());
    });
    checkins_.add(us_since(began));
    return timestamp_;
  }

  // Every kTickS: what is due of rollouts, then what devices are to run.
  void tick(std::int64_t now_s) {
    const auto began = std::chrono::steady_clock::now();
    const hub::Carried carried = must(
        hub::run_due([this](std::string_view sql,
                            const hub::Values& values) { return database_->query(sql, values); },
                     [this](const hub::Work& work) { return write(work), Status(); }, now_s));
    if (carried.rollouts > 0) looks_.add(us_since(began));
    publish();
  }

  // What the repository has for a device.
  const Assigned& assigned(int device) const { return assigned_[static_cast<std::size_t>(device)]; }
  std::int64_t timestamp() const { return timestamp_; }

  // When the rollout ended, of which there is one.
  std::optional<std::int64_t> ended_s() {
    const hub::Rows rows = ask("SELECT ended_s FROM rollout WHERE ended_s IS NOT NULL");
    if (rows.empty()) return {};
    return rows[0][0].integer();
  }
  hub::Rollout rollout(const std::string& id) { return must(hub::load_rollout(*database_, id)); }
  const Times& checkins() const { return checkins_; }
  const Times& looks() const { return looks_; }

 private:
  hub::Rows ask(std::string_view sql, const hub::Values& values = {}) {
    return must(database_->query(sql, values));
  }
  template <class Work>
  void write(Work work) {
    must(database_->transaction([&]() -> Status { return work(*database_); }));
  }
  static double us_since(std::chrono::steady_clock::time_point began) {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - began)
        .count();
  }

  void publish() {
    const hub::Rows changed =
        ask("SELECT changed FROM wanted WHERE changed > ? ORDER BY changed LIMIT ?",
            {published_, kPublishAtOnce});
    if (changed.empty()) return;
    const std::int64_t until = changed.back()[0].integer();
    const hub::Rows rows =
        ask("SELECT device, version, shadow, retry FROM wanted WHERE changed > ? AND changed <= ?",
            {published_, until});
    for (const hub::Row& row : rows) {
      const int device = std::stoi(row[0].text().substr(std::string_view("cam-").size()));
      assigned_[static_cast<std::size_t>(device)] = {row[1].text(), row[2].integer() != 0,
                                                     row[3].integer()};
    }
    published_ = until;
    ++timestamp_;
  }

  std::unique_ptr<hub::Database> database_;
  std::vector<Assigned> assigned_;
  std::int64_t published_ = 0, timestamp_ = 1;
  Times checkins_, looks_;
};

}  // namespace polder::sim
