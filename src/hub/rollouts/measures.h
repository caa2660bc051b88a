// What is counted of the windows that devices report: trials, and which of them failed.
//
//   errors        ends of workers, of frames, but for those that are the device's own trouble
//   slow frames   packets that a stage took longer for than a quarter above the 95th percentile
//                 that the old release had in that stage on the same device; of windows without a
//                 shadow, as a step beside one takes as long as both models
//   empty frames  frames in which nothing was detected, of those that a detector looked at
//
// The limit is the device's own, so that a fast device is not hidden by slow ones, and a quarter
// above, as a distribution that is narrow has its 95th percentile next to its median. What the day
// changes for all is the controls' too. Stages that take less than a tenth of the time say little.
//
// Of a shadow, which sees what the old release sees in the same window:
//   frames that differ  inferences on which they do not agree
//   slower frames       inferences that took longer than a quarter above the old one's 95th
//                       percentile
#pragma once

#include <polder/error.h>

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hub/canary.h"
#include "proto/report.h"

namespace polder::hub {

inline constexpr std::string_view kErrors = "errors", kSlowFrames = "slow frames",
                                  kEmptyFrames = "empty frames";
inline constexpr std::array kMeasures = {kErrors, kSlowFrames, kEmptyFrames};
inline constexpr std::string_view kFramesThatDiffer = "frames that differ",
                                  kSlowerFrames = "slower frames";
inline constexpr std::array kShadowMeasures = {kFramesThatDiffer, kSlowerFrames};
// All that an order may ask for.
inline constexpr std::array kAllMeasures = {kErrors, kSlowFrames, kEmptyFrames, kFramesThatDiffer,
                                            kSlowerFrames};
// Of the evidence, before it is shared out: a shadow is there for a while only, and on few devices.
constexpr double weight_of(std::string_view measure) {
  return measure == kFramesThatDiffer || measure == kSlowerFrames ? 0.5 : 1;
}

// What the device reads is away, or its disk fails: no release is to blame, as in agent/driver.cpp,
// is_to_blame().
inline constexpr std::array kDevicesOwn = {Code::kUnavailable, Code::kIo, Code::kNotFound};

// Of a device in a window: more is taken for so much, as nobody has counted it.
inline constexpr std::uint64_t kMaxTrials = 1'000'000;

struct StageLimit {
  std::string stage;
  double ms = 0;
};
// By a window of the old release; none where it is too short, or has a shadow.
std::vector<StageLimit> limits_of(const proto::ReportUnit& unit);

struct MeasureCounts {
  std::string_view measure;
  Counts counts;
};
// Those of kMeasures that the window tells of.
std::vector<MeasureCounts> count_window(const proto::ReportUnit& unit,
                                        std::span<const StageLimit> limits);
// Those of kShadowMeasures; none without a shadow.
std::vector<MeasureCounts> count_shadow(const proto::ReportUnit& unit);

}  // namespace polder::hub
