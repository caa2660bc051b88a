// A device's link to its hub: enrols it, keeps its certificate fresh, hands over what the ring of
// reports holds, and hears when the repository has something new. Requests are made in a thread of
// its own, so that no hub holds the agent up.
//
//   HubLink link(config, parts);
//   link.poll(&reporter);                       // each turn; never waits
//   if (link.take_news()) driver.check_soon();  // the hub's repository is newer than ours
//
// What is decided here:
// - Without a certificate of this name and key, or with one that the hub does not take (401), it
//   enrols with the token of [hub] token_file. A token that was refused is not sent again. The
//   same token and key give the same certificate again, so a power cut at any moment costs one
//   request more. The file is removed once the certificate is kept, where that may be.
// - A certificate that the hub does not take is shown once more, to renew it: a hub that has got
//   another authority knows the device's key still (docs/adr/0025).
// - A certificate is kept before anything relies on it, and renewed in the last third of its life
//   or when the hub says that it is time, as where the clock is wrong.
// - A check-in carries the reports that wait, the most urgent first; alarms and notices do not wait
//   for the next one. What the hub has taken leaves the ring; what it cannot read (400) is found by
//   sending fewer, at last one; that is given up and counted if a check-in without it is taken.
// - What the device is goes with the first check-in that is taken, and again when the hub asks.
// - What fails is tried again after a time that doubles, half of it by chance, or as the hub asks.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/config.h"
#include "agent/driver.h"
#include "agent/enrolment.h"
#include "agent/hub_repository.h"
#include "agent/hub_standing.h"
#include "agent/reporter.h"
#include "platform/clock.h"
#include "platform/http.h"
#include "platform/storage.h"
#include "platform/thread.h"
#include "trust/digest.h"
#include "trust/key.h"

namespace polder::agent {

// Of reports, as they are stored, but for the first.
inline constexpr std::uint64_t kMaxCheckinReportBytes = 48 << 10;
inline constexpr std::int64_t kHubFirstWaitS = 5, kHubLongestWaitS = 300, kHubRefusedWaitS = 600;

// Whom the device takes for its hub, and who it is to it; nobody where `certificate` is empty.
struct HubIdentity {
  HubServer server;
  std::string certificate;  // in PEM
  HttpKey key;
};

// All but the functions is borrowed.
struct HubLinkParts {
  Storage& storage;
  Clock& clock;
  const WallClock& wall;  // the time that is believed
  std::function<Result<std::unique_ptr<HttpClient>>(const HubIdentity&, const WallClock&)>
      open_client;
  std::function<Result<std::unique_ptr<trust::Signer>>()> open_key;
  std::function<std::uint64_t()> random;
  std::function<void(const Occurrence&)> happened;
  proto::Machine machine = {};  // what it tells of itself
};

// Not thread-safe: of one thread, which also owns the reporter. The destructor waits for a request
// that is under way.
class HubLink {
 public:
  HubLink(const Config& config, HubLinkParts parts);
  HubLink(const HubLink&) = delete;
  HubLink& operator=(const HubLink&) = delete;

  // `reporter` may be nullptr: nothing is reported then.
  void poll(Reporter* reporter);
  bool is_busy() const { return thread_.size() > 0; }
  // Whether the hub has published something since this was asked last that is not here yet.
  bool take_news() { return std::exchange(has_news_, false); }
  HubStanding standing() const;
  // Whether the hub has refused its certificate, and it has something that it has not shown yet.
  bool has_more_to_show() const { return is_refused_ && (is_busy() || has_new_token()); }
  // Another root may name another hub: it is asked at once.
  void root_changed() {
    next_us_ = parts_.clock.now_us();
    wait_s_ = kHubFirstWaitS;
  }

 private:
  enum class Asks : std::uint8_t { kEnrol, kRenew, kCheckin };
  // A report that was refused alone.
  struct Suspect {
    ReportKey report;
    std::string refusal;
  };
  struct Trouble {
    std::string what, advice;
  };
  // The time as it was when the request began: its thread may not ask what it is now.
  class HeldClock final : public WallClock {
   public:
    void hold(const WallClock& now) { now_s_ = now.now_s(), is_behind_ = now.is_behind(); }
    std::int64_t now_s() const override { return now_s_; }
    bool is_behind() const override { return is_behind_; }

   private:
    std::atomic<std::int64_t> now_s_{0};
    std::atomic<bool> is_behind_{false};
  };

  bool open();
  bool open_client();
  void close();
  void load();
  bool wants_enrolment() const { return !certificate_ || is_refused_; }
  bool look_at_token();
  bool has_new_token() const;
  bool is_urgent(Reporter* reporter) const;
  bool prepare(Reporter* reporter);
  bool prepare_enrolment();
  bool prepare_renewal();
  bool prepare_checkin(Reporter* reporter);
  bool take(Reporter& reporter, proto::Checkin& checkin);
  void begin();
  void send();
  void finish(Reporter* reporter);
  void failed();
  void refused();
  void enrolled(bool is_first);
  void checked_in(Reporter* reporter);
  void not_understood();
  void give_up_suspect(Reporter* reporter);
  void give_up_description(const std::string& why, std::int64_t until_us);
  bool acknowledge(Reporter* reporter);
  void wait(std::int64_t longest_s);
  void stand(HubState state, std::string what = "", std::string advice = "");

  const Config& config_;
  HubLinkParts parts_;
  HeldClock held_;
  std::shared_ptr<trust::Signer> key_;
  HttpKey tls_key_;
  std::unique_ptr<HttpClient> client_;
  std::string authorities_;  // that it knows the hub by
  std::optional<DeviceCertificate> certificate_;
  bool has_to_renew_ = false;           // says the hub: our clock may be wrong
  bool has_to_describe_ = true;         // what the device is: the hub may not know
  std::int64_t describes_from_us_ = 0;  // where that is what it refused
  bool is_loaded_ = false, is_refused_ = false, renews_refused_ = false, has_news_ = false;
  std::int64_t renewal_s_ = 0;  // of the certificate
  std::int64_t next_us_ = 0, next_look_us_ = 0, next_renewal_us_ = 0, last_checkin_us_ = 0;
  std::int64_t wait_s_ = kHubFirstWaitS;
  std::optional<trust::Sha256> sent_token_;  // the last that was sent
  bool is_token_refused_ = false;            // that one
  HubState state_ = HubState::kNone;
  Trouble trouble_, renewal_trouble_;
  std::int64_t checked_in_s_ = 0;

  // Of the request that is under way.
  Asks asks_ = Asks::kCheckin;
  std::string path_, type_, body_, answer_;
  std::uint64_t timestamp_ = 0;  // that was told
  bool describes_ = false;
  std::vector<ReportKey> keys_;
  std::optional<Suspect> suspect_;
  std::string description_refusal_;  // of the last check-in, which had one
  std::size_t batch_ = proto::kMaxCheckinReports;
  Result<int> result_{0};  // the status of its answer
  std::int64_t retry_after_s_ = 0;
  std::atomic<bool> is_done_{false};
  ThreadGroup thread_;
};

}  // namespace polder::agent
