// What a comparison of canaries knows, as JSON.
#include <algorithm>

#include "base/fail.h"
#include "hub/canary.h"

namespace polder::hub {
namespace {

constexpr std::size_t kMaxDevices = 100'000, kMaxEpochs = 64;

// Numbers in their order; errors where there are not `count` of them.
Result<std::vector<double>> read_numbers(const trust::Json* list, std::size_t count,
                                         const std::string& where) {
  if (!list || !list->array() || list->array()->size() != count)
    return fail(Code::kCorrupt, "{}: a list of {} numbers expected", where, count);
  std::vector<double> numbers;
  for (const trust::Json& one : *list->array()) {
    if (!one.number() && !one.integer())
      return fail(Code::kCorrupt, "{}: a number expected, {} found", where, one.kind());
    numbers.push_back(one.number() ? *one.number() : static_cast<double>(*one.integer()));
  }
  return numbers;
}

trust::Json::Array list_of(std::initializer_list<double> numbers) {
  return trust::Json::Array(numbers.begin(), numbers.end());
}

}  // namespace

trust::Json CanaryComparison::to_json() const {
  trust::Json::Array devices, epochs;
  for (const auto& [number, one] : devices_)
    devices.emplace_back(
        list_of({static_cast<double>(number), one.is_canary ? 1.0 : 0.0, one.before.observed,
                 one.before.expected, one.after.observed, one.after.expected}));
  for (const Epoch& one : epochs_) {
    trust::Json::Array all = list_of({one.devices, one.spread, one.control_noise});
    all.insert(all.end(), one.log_likelihood.begin(), one.log_likelihood.end());
    epochs.emplace_back(std::move(all));
  }
  return trust::Json::Members{
      {"devices", std::move(devices)},
      {"epochs", std::move(epochs)},
      {"scales", list_of({known_, scatter_, within_.sum, within_.count})},
      {"last", list_of({last_.ratio, last_.low, last_.high, last_.worse, last_.acceptable,
                        last_.dispersion, static_cast<double>(last_.canary_trials),
                        static_cast<double>(last_.control_trials)})}};
}

Result<CanaryComparison> CanaryComparison::from_json(const trust::Json& json,
                                                     const std::string& where) {
  TRY_VALUE(const trust::Object from, trust::Object::of(json, where));
  TRY_VALUE(const trust::Json::Array* const devices, from.array("devices", kMaxDevices));
  TRY_VALUE(const trust::Json::Array* const epochs, from.array("epochs", kMaxEpochs));
  CanaryComparison made;
  for (const trust::Json& one : *devices) {
    TRY_VALUE(const std::vector<double> all, read_numbers(&one, 6, from.place("devices")));
    if (all[0] < 0 || all[0] > UINT32_MAX)
      return fail(Code::kCorrupt, "{}: {} is no device", from.place("devices"), all[0]);
    made.devices_[static_cast<std::uint32_t>(all[0])] = {
        .before = {all[2], all[3]}, .after = {all[4], all[5]}, .is_canary = all[1] != 0};
  }
  for (const trust::Json& one : *epochs) {
    TRY_VALUE(const std::vector<double> all, read_numbers(&one, 3 + kBoth, from.place("epochs")));
    Epoch& epoch = made.epochs_.emplace_back();
    epoch = {.devices = all[0], .spread = all[1], .control_noise = all[2]};
    std::copy(all.begin() + 3, all.end(), epoch.log_likelihood.begin());
  }
  TRY_VALUE(const std::vector<double> scales,
            read_numbers(json.find("scales"), 4, from.place("scales")));
  made.known_ = scales[0];
  made.scatter_ = scales[1];
  made.within_ = {scales[2], scales[3]};
  TRY_VALUE(const std::vector<double> last, read_numbers(json.find("last"), 8, from.place("last")));
  made.last_ = {.ratio = last[0],
                .low = last[1],
                .high = last[2],
                .worse = last[3],
                .acceptable = last[4],
                .dispersion = last[5],
                .canary_trials = static_cast<std::uint64_t>(last[6]),
                .control_trials = static_cast<std::uint64_t>(last[7])};
  return made;
}

}  // namespace polder::hub
