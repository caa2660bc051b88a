// Reports that wait on the disk until the hub has them: as many as fit, alarms before notices of
// the life cycle before metrics, and what did not fit is counted.
//
//   TRY_VALUE(auto ring, ReportRing::open(storage, state.boot, {}));
//   TRY_VALUE(const ReportKey key, ring->append(ReportKind::kAlarm, encode(ring->next_key())));
//   TRY_VALUE(const auto reports, ring->next(100, 1 << 20));  // to be sent, with ring->drops()
//   TRY(ring->acknowledge(keys_of(reports)));                 // once the receiver has them
//
//   reports/BOOT-SEQUENCE.alarm   one report each, or .lifecycle, .metrics; with a checksum
//   reports/drops                 how many were dropped, and which are about to be
//
// Nothing that append() has returned for is lost in a power cut. One that is sent and not yet
// acknowledged when the power goes is sent again: the receiver counts each key once. When the ring
// is full the oldest metrics go; then, for what is no less urgent, the oldest notices and alarms.
// Each drop is written down before it happens, so that it is counted once, whatever happens in
// between; the two records of `drops` are written in place, in turn, so that a full disk does not
// keep a drop from being counted. Only of reports that a failing disk does not take, whose append()
// says so, may the count end with the process; their sequence numbers are missing at the receiver.
#pragma once

#include <polder/error.h>

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/storage.h"

namespace polder::agent {

inline constexpr std::size_t kMaxReportBytes = 64u << 10;
inline constexpr std::size_t kMaxReports = 4096;

// The most urgent first.
enum class ReportKind : std::uint8_t { kAlarm, kLifecycle, kMetrics };
inline constexpr std::size_t kReportKinds = 3;

// Names a report on this disk: `boot` is AgentState::boot, `sequence` counts from 1 in each. For
// receivers Report::epoch belongs to it: a lost state counts its boots again.
struct ReportKey {
  std::uint64_t boot = 0, sequence = 0;
  auto operator<=>(const ReportKey&) const = default;
};

struct StoredReport {
  ReportKey key;
  ReportKind kind = ReportKind::kMetrics;
  std::string bytes;
};

// Since the ring was made: a receiver takes the difference to what it saw before. Begins anew when
// the file of drops is lost.
struct ReportDrops {
  std::uint64_t alarms = 0, lifecycle = 0, metrics = 0;
  bool operator==(const ReportDrops&) const = default;
};

struct RingLimits {
  // Of the files, each rounded up to 4,096 bytes.
  std::uint64_t max_bytes = 16u << 20;
  std::size_t max_reports = kMaxReports;  // at most kMaxReports
};

// Borrows the storage. One process at a time. Not thread-safe.
class ReportRing {
 public:
  // Ends what a power cut has interrupted. `boot` must not have been used before. Errors: kInvalid
  // for limits; kExhausted, kIo.
  static Result<std::unique_ptr<ReportRing>> open(Storage& storage, std::uint64_t boot,
                                                  const RingLimits& limits);

  // What the next append() returns.
  ReportKey next_key() const { return {boot_, next_sequence_}; }
  // Durable when it returns. On an error the report is dropped, and counted. Errors: kInvalid above
  // kMaxReportBytes; kExhausted when there is no room for it; kIo.
  Result<ReportKey> append(ReportKind kind, std::string_view bytes);
  // The first to be sent: the most urgent, of these the oldest. At most so many, and so many
  // bytes but for the first. What has rotten is dropped, and counted.
  Result<std::vector<StoredReport>> next(std::size_t max_count, std::uint64_t max_bytes);
  // Removes them for good. Keys that are not there are fine.
  Status acknowledge(std::span<const ReportKey> keys);

  ReportDrops drops() const { return drops_; }
  // Whether something waits that is more than numbers.
  bool has_urgent() const { return !sizes_[0].empty() || !sizes_[1].empty(); }
  std::size_t count() const { return sizes_[0].size() + sizes_[1].size() + sizes_[2].size(); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Victim {
    ReportKind kind;
    ReportKey key;
  };

  ReportRing(Storage& storage, std::uint64_t boot, const RingLimits& limits)
      : storage_(storage), boot_(boot), limits_(limits) {}
  Status load();
  Status load_drops();
  Status save_drops(const ReportDrops& drops);
  Status drop(std::span<const Victim> victims);
  Status remove_going();
  // Does again what failed of the drops so far.
  Status settle();
  // The oldest that may go for one of that kind; none: it has to go itself.
  std::vector<Victim> victims_for(ReportKind kind, std::uint64_t room_bytes) const;
  Status make_room(ReportKind kind, std::uint64_t size);
  Status store(ReportKind kind, const ReportKey& key, std::string_view bytes);
  Error lose(ReportKind kind, const ReportKey& key, Error why);
  bool fits(std::uint64_t size) const {
    return bytes_ + size <= limits_.max_bytes && count() < limits_.max_reports;
  }
  void forget(const Victim& victim);

  Storage& storage_;
  const std::uint64_t boot_;
  const RingLimits limits_;
  std::uint64_t next_sequence_ = 1;
  std::map<ReportKey, std::uint64_t> sizes_[kReportKinds];  // by kind
  std::uint64_t bytes_ = 0;
  ReportDrops drops_;
  std::vector<Victim> going_;  // counted, and perhaps still on the disk
  bool is_saved_ = true;       // drops_
  std::uint64_t turn_ = 0;     // of the record of drops that holds
};

}  // namespace polder::agent
