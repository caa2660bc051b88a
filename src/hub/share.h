// Whether a share (of frames on which two models differ, of looks in which a worker ended) stays
// below a limit, judged anew at each look, for as long as anybody likes.
//
//   ShareEvidence evidence(0.25);
//   evidence.look(0.04);                      // what the devices saw since the last look
//   const Judgement now = evidence.judge();   // now.acceptable >= 20: it is below the limit
//
// Frames of one look resemble each other: a static scene with one object at the threshold makes all
// of them differ. So a look, however many frames and devices it has, is one observation, between 0
// and 1, and somebody who does not believe in the limit bets on it: a wealth that grows by a factor
// whose mean is at most 1 if the limit holds (Waudby-Smith and Ramdas, Estimating means of bounded
// random variables by betting, 2024). Nothing is asked of what is within a look; of looks only that
// the mean of the next one, whatever came before, is beyond the limit.
#pragma once

#include <polder/error.h>

#include <array>
#include <cstdint>
#include <string>

#include "hub/judgement.h"
#include "trust/json.h"

namespace polder::hub {

class ShareEvidence {
 public:
  // 0 < limit < 1.
  explicit ShareEvidence(double limit) : limit_(limit) {}
  double limit() const { return limit_; }
  std::int64_t looks() const { return looks_; }

  // 0 to 1.
  void look(double share);
  // `ratio`, `low` and `high` are those of the mean share to the limit.
  Judgement judge() const;
  // The looks, all of 0, after which `acceptable` is at least `at`, of 1 to 1e12.
  static std::int64_t looks_to_prove(double limit, double at);

  trust::Json to_json() const;
  // Errors: kCorrupt.
  static Result<ShareEvidence> from_json(const trust::Json& json, const std::string& where);

 private:
  // Of what may be lost in one look, so much is staked; the same money on each.
  static constexpr std::array kStakes = {0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97};
  using Wealth = std::array<double, kStakes.size()>;  // logarithms

  double limit_;
  std::int64_t looks_ = 0;
  double sum_ = 0;
  Wealth worse_{}, acceptable_{};
};

}  // namespace polder::hub
