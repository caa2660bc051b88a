// One rollout to a fleet, from the hub's first check-in to the last device that has what it is to
// have: a queue of events, the devices, the hub. Devices are looked at when something happens to
// them, and never all in a row.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <queue>
#include <string>
#include <tuple>
#include <vector>

#include "rollout_device.h"

namespace polder::sim {

constexpr std::int64_t kStartS = 1'800'000'000;

struct FleetSettings {
  WorldSettings world;
  DeviceSettings device;
  hub::RolloutOrder order;
  double late = 0.02;                   // of devices: switched on within the first two days
  std::int64_t longest_s = 20 * kDayS;  // of a rollout
  std::int64_t settle_s = 2 * kDayS;    // after its end
};

struct Outcome {
  hub::RolloutPhase phase = hub::RolloutPhase::kRunning;
  std::uint32_t stage = 0;  // in which it ended, from 1
  std::string reason;       // of its end, or what the gate says of one that goes on
  int exposed = 0;          // devices on which the new release ever acted
  double right = 0;         // share of devices that run what they are to, at last
  double hours = 0;         // of the rollout
  double exposed_h = 0;     // from the first device that acts by the new release to the end
  // Since the end: until 99.9% and until all run what they are to; negative: not within settle_s.
  double most_right_h = -1, all_right_h = -1;
  int looks = 0;  // since three devices ran the new release, or the first where fewer did
  Times checkins, judgements;
};

class Fleet {
 public:
  Fleet(const FleetSettings& settings, std::uint64_t seed)
      : settings_(settings),
        random_(seed),
        world_(settings_.world, random_),
        hub_(settings_.world.devices),
        around_{world_, hub_, settings_.device,
                [this](std::int64_t time_s, int device, What what, int start) {
                  events_.push({time_s, ++order_, device, start, what});
                }} {
    now_s_ = kStartS + world_.between(0, kDayS);
    hub_.publish_release(kOldVersion.text(), now_s_);
    hub_.publish_release(kNewVersion.text(), now_s_);
    for (int i = 0; i < settings_.world.devices; ++i) {
      hub_.enrol(i, i % world_.sites(), now_s_);
      const bool is_late = world_.uniform() < settings_.late;
      const std::int64_t within_s = is_late ? 2 * kDayS : settings_.device.poll_s;
      devices_.emplace_back(around_, i, now_s_ + world_.between(0, within_s));
    }
    tick_s_ = (now_s_ / kTickS + 1) * kTickS;
  }

  Outcome run() {
    pass_until(now_s_ + 2 * settings_.device.poll_s);
    const std::int64_t began_s = now_s_;
    id_ = hub_.create(settings_.order, now_s_);
    while (!ended_s_ && now_s_ < began_s + settings_.longest_s) step();
    const std::int64_t ended_s = ended_s_.value_or(now_s_);
    const hub::Rollout rollout = hub_.rollout(id_);
    Outcome outcome{.phase = rollout.state.phase,
                    .stage = rollout.state.stage + 1,
                    .reason = ended_s_ ? rollout.state.reason : rollout.gate,
                    .hours = hours(began_s, ended_s),
                    .exposed_h = exposed_ == 0 ? 0 : hours(first_s_, ended_s)};
    if (exposed_ > 0) outcome.looks = looks_between(exposed_ >= 3 ? third_s_ : first_s_, ended_s);
    settle(outcome, ended_s);
    outcome.exposed = exposed_;
    outcome.checkins = hub_.checkins();
    outcome.judgements = hub_.looks();
    return outcome;
  }

 private:
  struct Event {
    std::int64_t time_s = 0;
    std::uint64_t order = 0;
    int device = 0, start = 0;
    What what = What::kStart;
    bool operator>(const Event& other) const {
      return std::tie(time_s, order) > std::tie(other.time_s, other.order);
    }
  };

  static double hours(std::int64_t from_s, std::int64_t to_s) {
    return double(to_s - from_s) / kHourS;
  }
  // Looks that began after the one time and were judged by the other.
  int looks_between(std::int64_t from_s, std::int64_t to_s) const {
    const std::int64_t look_s = settings_.order.look_s;
    return int(to_s / look_s - from_s / look_s);
  }

  // The next thing that happens.
  void step() {
    if (events_.empty() || events_.top().time_s > tick_s_) {
      now_s_ = tick_s_;
      tick_s_ += kTickS;
      hub_.tick(now_s_);
      ended_s_ = hub_.ended_s();
      return;
    }
    const Event event = events_.top();
    events_.pop();
    now_s_ = event.time_s;
    Device& device = devices_[std::size_t(event.device)];
    if (event.start != device.starts()) return;
    const bool ran_new = device.runs_new(), ever = device.ever_ran_new();
    device.happen(event.what, now_s_);
    run_new_ += int(device.runs_new()) - int(ran_new);
    if (ever || !device.ever_ran_new()) return;
    if (++exposed_ == 1) first_s_ = now_s_;
    if (exposed_ == 3) third_s_ = now_s_;
  }
  void pass_until(std::int64_t time_s) {
    while (now_s_ < time_s) step();
  }

  double share_right(const Outcome& outcome) const {
    const int run_new =
        outcome.phase == hub::RolloutPhase::kDone ? run_new_ : settings_.world.devices - run_new_;
    return double(run_new) / settings_.world.devices;
  }

  void settle(Outcome& outcome, std::int64_t ended_s) {
    while (now_s_ < ended_s + settings_.settle_s && outcome.all_right_h < 0) {
      outcome.right = share_right(outcome);
      if (outcome.right >= 0.999 && outcome.most_right_h < 0)
        outcome.most_right_h = hours(ended_s, now_s_);
      if (outcome.right >= 1) outcome.all_right_h = hours(ended_s, now_s_);
      step();
    }
  }

  const FleetSettings settings_;
  Random random_;
  World world_;
  SimulatedHub hub_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t order_ = 0;
  Around around_;
  std::deque<Device> devices_;
  std::int64_t now_s_ = 0, tick_s_ = 0;
  std::string id_;
  std::optional<std::int64_t> ended_s_;  // of the rollout
  int exposed_ = 0, run_new_ = 0;
  std::int64_t first_s_ = 0, third_s_ = 0;
};

}  // namespace polder::sim
