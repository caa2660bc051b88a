#include "agent/hub_link.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "platform/file.h"
#include "platform/private_file.h"
#include "trust/csr.h"
#include "trust/json.h"
#include "trust/secret.h"
#include "trust/tls_key.h"
#include "trust/tuf_metadata.h"

namespace polder::agent {

namespace {

constexpr std::int64_t kLookUs = 10 * kSecondUs;      // at the file of the token
constexpr std::int64_t kUrgentUs = 2 * kSecondUs;     // between check-ins at the least
constexpr std::int64_t kKeyAgainUs = 60 * kSecondUs;  // for a key that cannot be used
constexpr std::int64_t kDescribeAgainUs = 86'400 * kSecondUs;
constexpr std::int64_t kRenewAgainUs = 600 * kSecondUs;
constexpr std::size_t kMaxTokenBytes = 4096;
constexpr char kTimestampName[] = "metadata/timestamp.json";
constexpr std::size_t kMaxTimestampBytes = 64 << 10;

constexpr char kByKey[] = "polderd asks for another one by its key";
constexpr char kByItself[] = "what is installed goes on; polderd tries again by itself";

class TextSink final : public HttpSink {
 public:
  explicit TextSink(std::string& to) : to_(to) {}
  Status write(std::string_view bytes) override { return to_.append(bytes), Status(); }

 private:
  std::string& to_;
};

// Of the repository's metadata, as they are trusted here; 0: there are none.
std::uint64_t trusted_timestamp(Storage& storage) {
  const auto bytes = read_stored(storage, kTimestampName, kMaxTimestampBytes);
  if (!bytes.ok()) return 0;
  const auto document = trust::Json::parse(*bytes, kTimestampName);
  const trust::Json* body = document.ok() ? document->find("signed") : nullptr;
  const trust::Json* version = body ? body->find("version") : nullptr;
  if (!version || !version->integer() || *version->integer() < 0) return 0;
  return std::uint64_t(*version->integer());
}

Result<trust::Secret> read_token(const std::string& path) {
  trust::Secret token(kMaxTokenBytes);
  TRY_VALUE(const std::size_t size, read_private_file(path, token.span()));
  token.shrink(std::min(size, token.view().substr(0, size).find_first_of("\r\n ")));
  if (token.empty()) return fail(Code::kInvalid, "{}: a token expected, an empty line found", path);
  return token;
}

std::string new_token(const std::string& device) {
  return fmt::format(
      "ask an administrator of the hub for another token ('polder fleet enrolment-token {}') and "
      "put it into the file that [hub] 'token_file' names",
      device);
}

// A server that is not to be trusted is not one that is away.
std::string advice_for(const Error& error, const HubConfig& hub, bool is_named_by_root,
                       bool was_enrolled) {
  if (error.code != Code::kDenied) return kByItself;
  std::string advice;
  if (is_named_by_root)
    advice =
        "root of the repository says by whose certificates this device knows its hub, and "
        "this is none of them";
  else
    advice = fmt::format(
        "compare {} with the fingerprint that 'polder-hub serve' prints, and [hub] 'url' with the "
        "names of the hub's certificate ('polder-hub serve --host')",
        hub.ca_file.empty() ? "the system's certificates ([hub] 'ca_file' is not set)"
                            : hub.ca_file);
  if (!is_named_by_root && !was_enrolled) return advice;
  return advice +
         "; where the hub has got another authority this device follows by itself once "
         "root names it ('polder repo trust-hub'), at its next look at the repository: "
         "within 'check_every_s', or at once by 'systemctl reload polderd'";
}

}  // namespace

HubLink::HubLink(const Config& config, HubLinkParts parts)
    : config_(config), parts_(std::move(parts)) {
  const auto told = proto::encode(proto::Checkin{
      .program = POLDER_VERSION, .timestamp = 0, .reports = {}, .machine = parts_.machine});
  if (!told.ok()) give_up_description(told.error().message, INT64_MAX);
}

HubStanding HubLink::standing() const {
  const Trouble& trouble = trouble_.what.empty() ? renewal_trouble_ : trouble_;
  return {.state = state_,
          .certificate_until_s = certificate_ ? certificate_->until_s : 0,
          .checked_in_s = checked_in_s_,
          .trouble = trouble.what,
          .advice = trouble.advice};
}

void HubLink::stand(HubState state, std::string what, std::string advice) {
  const bool is_news = !what.empty() && (what != trouble_.what || trouble_.advice == kByKey);
  state_ = state;
  trouble_ = {std::move(what), std::move(advice)};
  if (is_news)
    parts_.happened(
        {.object = "hub", .text = fmt::format("{}: {}", trouble_.what, trouble_.advice)});
}

// --- What is there -------------------------------------------------------------------------------

// The key and the certificate of it. false: the key cannot be used now.
bool HubLink::open() {
  if (!key_) {
    auto opened = parts_.open_key();
    std::shared_ptr<trust::Signer> key;
    if (opened.ok()) key = std::move(*opened);
    auto tls = key ? trust::tls_key(key) : Result<HttpKey>(Error(opened.error()));
    if (!tls.ok()) {
      stand(certificate_ ? state_ : HubState::kNotEnrolled, "identity: " + tls.error().message,
            "'polderd doctor' says what to do");
      next_us_ = parts_.clock.now_us() + kKeyAgainUs;
      return false;
    }
    key_ = std::move(key);
    tls_key_ = std::move(*tls);
  }
  if (!is_loaded_) load();
  return true;
}

void HubLink::load() {
  is_loaded_ = true;
  auto kept = stored_certificate(parts_.storage);
  if (!kept.ok()) {
    if (kept.error().code != Code::kNotFound)
      parts_.happened({.object = "hub", .text = kept.error().message + ": it enrols anew"});
    return;
  }
  if (!fits(*kept, config_.device, key_->public_key())) {
    parts_.happened(
        {.object = "hub",
         .text = fmt::format("the certificate of {} is of another name or key than this "
                             "device has now: it enrols anew",
                             kept->device)});
    return;
  }
  certificate_ = std::move(*kept);
  renewal_s_ = renewal_s(*certificate_, parts_.random());
}

bool HubLink::open_client() {
  const auto refuse = [this](const Error& error, const char* advice) {
    client_.reset();
    stand(HubState::kAway, "hub: " + error.message, advice);
    wait(kHubLongestWaitS);
    return false;
  };
  auto authorities = hub_authorities(parts_.storage);
  if (!authorities.ok())
    return refuse(authorities.error(), "whoever signs root mends that: 'polder repo trust-hub'");
  if (client_ && authorities_ == *authorities) return true;
  authorities_ = *std::move(authorities);
  held_.hold(parts_.wall);
  HubIdentity who{.server = {.authorities = authorities_}, .certificate = {}, .key = {}};
  if (certificate_) who.certificate = certificate_->pem, who.key = tls_key_;
  auto client = parts_.open_client(who, held_);
  if (!client.ok()) return refuse(client.error(), "mend [hub] 'ca_file' in polderd.toml");
  client_ = std::move(*client);
  return true;
}

// A token that was pulled out, or another certificate, wants all to be opened anew.
void HubLink::close() {
  client_.reset();
  tls_key_.reset();
  key_.reset();
}

void HubLink::wait(std::int64_t longest_s) {
  const std::int64_t wait_us = std::max(std::min(wait_s_, longest_s), retry_after_s_) * kSecondUs;
  const std::int64_t chance_us = std::int64_t(parts_.random() % std::uint64_t(wait_us / 2 + 1));
  // No earlier than the hub asks for.
  next_us_ =
      parts_.clock.now_us() + (retry_after_s_ > 0 ? wait_us + chance_us / 2 : wait_us - chance_us);
  wait_s_ = std::min(2 * wait_s_, kHubRefusedWaitS);
}

// --- What is due ---------------------------------------------------------------------------------

void HubLink::poll(Reporter* reporter) {
  if (is_busy()) {
    if (!is_done_) return;
    thread_.join();
    finish(reporter);
  }
  const std::int64_t now_us = parts_.clock.now_us();
  bool is_due = now_us >= next_us_ || is_urgent(reporter);
  if (!is_due && wants_enrolment() && now_us >= next_look_us_) is_due = look_at_token();
  if (is_due && open() && prepare(reporter) && open_client()) begin();
}

bool HubLink::look_at_token() {
  next_look_us_ = parts_.clock.now_us() + kLookUs;
  return has_new_token();
}

// Whether there is a token that was not sent yet.
bool HubLink::has_new_token() const {
  const auto token = read_token(config_.hub.token_file);
  return token.ok() && trust::sha256(token->view()) != sent_token_;
}

// Alarms and notices do not wait for the next check-in, but where the hub does not take any.
bool HubLink::is_urgent(Reporter* reporter) const {
  return reporter && reporter->ring() && reporter->ring()->has_urgent() && !wants_enrolment() &&
         trouble_.what.empty() && parts_.clock.now_us() >= last_checkin_us_ + kUrgentUs;
}

// The next request. false: there is none now.
bool HubLink::prepare(Reporter* reporter) {
  keys_.clear();
  if (std::exchange(renews_refused_, false) && certificate_ && prepare_renewal()) return true;
  if (wants_enrolment()) {
    if (prepare_enrolment()) return true;
    // It may take the certificate again, as when it was set back and is set right.
    if (!certificate_) return false;
  } else if (held_.hold(parts_.wall), (has_to_renew_ || held_.now_s() >= renewal_s_) &&
                                          parts_.clock.now_us() >= next_renewal_us_) {
    if (prepare_renewal()) return true;
  }
  return prepare_checkin(reporter);
}

bool HubLink::prepare_enrolment() {
  const auto refuse = [&](std::string what, std::string advice) {
    if (!certificate_) stand(HubState::kNotEnrolled, std::move(what), std::move(advice));
    next_us_ = parts_.clock.now_us() + kLookUs;
    return false;
  };
  next_look_us_ = parts_.clock.now_us() + kLookUs;
  if (config_.hub.token_file.empty())
    return refuse("hub: not enrolled, and [hub] has no 'token_file'", new_token(config_.device));
  auto token = read_token(config_.hub.token_file);
  if (!token.ok())
    return refuse(
        "hub: not enrolled: " + token.error().message,
        token.error().code == Code::kNotFound ? new_token(config_.device) : "mend that file");
  const trust::Sha256 digest = trust::sha256(token->view());
  if (is_token_refused_ && digest == sent_token_) return refuse(trouble_.what, trouble_.advice);
  auto csr = trust::certificate_request(*key_, config_.device);
  if (!csr.ok()) {
    close();
    return refuse("identity: " + csr.error().message, "'polderd doctor' says what to do");
  }
  sent_token_ = digest;
  is_token_refused_ = false;
  asks_ = Asks::kEnrol;
  path_ = "/v1/enrol";
  type_ = "application/json";
  body_ = trust::Json(trust::Json::Members{{"token", token->view()}, {"csr", std::move(*csr)}})
              .compact();
  return true;
}

bool HubLink::prepare_renewal() {
  next_renewal_us_ = parts_.clock.now_us() + kRenewAgainUs;
  auto csr = trust::certificate_request(*key_, config_.device);
  if (!csr.ok()) {
    renewal_trouble_ = {"hub: the certificate is not renewed: " + csr.error().message,
                        "'polderd doctor' says what to do"};
    return false;
  }
  asks_ = Asks::kRenew;
  path_ = "/v1/renew";
  type_ = "application/json";
  body_ = trust::Json(trust::Json::Members{{"csr", std::move(*csr)}}).compact();
  return true;
}

bool HubLink::prepare_checkin(Reporter* reporter) {
  timestamp_ = config_.is_of_hub() ? trusted_timestamp(parts_.storage) : 0;
  describes_ = has_to_describe_ && description_refusal_.empty() &&
               parts_.clock.now_us() >= describes_from_us_;
  for (;;) {
    proto::Checkin checkin{.program = POLDER_VERSION, .timestamp = timestamp_, .reports = {}};
    keys_.clear();
    const bool has_reports = reporter && reporter->ring() && !suspect_;
    if (has_reports && !take(*reporter, checkin)) return false;
    if (reporter) checkin.time_s = reporter->wall_s();
    if (describes_) checkin.machine = parts_.machine;
    auto bytes = proto::encode(checkin);
    if (bytes.ok()) {
      asks_ = Asks::kCheckin;
      path_ = "/v1/checkin";
      type_ = proto::kCheckinType;
      body_ = std::move(*bytes);
      return true;
    }
    // Too large together; one alone fits, as it came from there.
    if (keys_.size() > 1) {
      batch_ = keys_.size() / 2;
      continue;
    }
    static_cast<void>(reporter->ring()->acknowledge(keys_));
    reporter->given_up(1);
  }
}

// What waits, the most urgent first. false: the ring cannot be read now.
bool HubLink::take(Reporter& reporter, proto::Checkin& checkin) {
  auto stored = reporter.ring()->next(batch_, kMaxCheckinReportBytes);
  if (!stored.ok()) {
    reporter.trouble(stored.error().message);
    next_us_ = parts_.clock.now_us() + kHubFirstWaitS * kSecondUs;
    return false;
  }
  for (const StoredReport& item : *stored) {
    auto message = proto::decode_report_message(item.bytes);
    auto* report = message.ok() ? std::get_if<proto::Report>(&*message) : nullptr;
    if (!report || report->device != config_.device) {
      // Of another version of this program, or another name of this device: no hub takes it.
      static_cast<void>(reporter.ring()->acknowledge({&item.key, 1}));
      reporter.given_up(1);
      continue;
    }
    keys_.push_back(item.key);
    checkin.reports.push_back(std::move(*report));
  }
  return true;
}

// --- The request ---------------------------------------------------------------------------------

void HubLink::begin() {
  held_.hold(parts_.wall);
  answer_.clear();
  is_done_ = false;
  const Status started = thread_.start(
      1, [](void* self) { static_cast<HubLink*>(self)->send(); }, this);
  if (!started.ok()) next_us_ = parts_.clock.now_us() + kHubFirstWaitS * kSecondUs;
}

// In the thread.
void HubLink::send() {
  TextSink sink(answer_);
  const auto reply = client_->post(
      {.url = config_.hub.url + path_, .cap_bytes = kMaxHubAnswerBytes, .takes_refusals = true},
      type_, body_, sink);
  result_ = reply.ok() ? Result<int>(reply->status) : Result<int>(Error(reply.error()));
  retry_after_s_ = client_->retry_after_s();
  is_done_ = true;
}

void HubLink::finish(Reporter* reporter) {
  if (reporter && asks_ == Asks::kCheckin) reporter->sent(body_.size());
  body_.clear();  // a token may be in it
  if (asks_ == Asks::kCheckin) last_checkin_us_ = parts_.clock.now_us();
  if (!result_.ok()) return failed();
  const int status = *result_;
  if (status / 100 == 2) {
    if (asks_ == Asks::kCheckin) return checked_in(reporter);
    return enrolled(asks_ == Asks::kEnrol);
  }
  const bool is_body = asks_ == Asks::kCheckin && (status == 400 || status == 413);
  if (is_body && describes_) {
    description_refusal_ = refusal_text(status, answer_);
    next_us_ = parts_.clock.now_us();
    return;
  }
  description_refusal_.clear();
  if (is_body && reporter && !keys_.empty()) return not_understood();
  suspect_.reset();  // it is the hub that takes nothing
  refused();
}

void HubLink::failed() {
  const Error& error = result_.error();
  stand(error.code == Code::kDenied && state_ == HubState::kNotEnrolled ? HubState::kNotEnrolled
                                                                        : HubState::kAway,
        "hub: " + error.message,
        advice_for(error, config_.hub, !authorities_.empty(), certificate_.has_value()));
  close();
  wait(kHubLongestWaitS);
}

void HubLink::refused() {
  const int status = *result_;
  const std::string why = refusal_text(status, answer_);
  const bool is_hub = status != 404 && status != 405 && status != 429 && status < 500;
  if (!is_hub) {
    // Busy, ill, or another server; with a token that it never saw.
    stand(HubState::kAway, fmt::format("hub: {}: {}", config_.hub.url, why),
          status == 404 || status == 405 ? "see that [hub] 'url' is a hub's, and the hub no older "
                                           "than this polderd"
                                         : kByItself);
    return wait(kHubLongestWaitS);
  }
  if (asks_ == Asks::kEnrol) {
    is_token_refused_ = true;
    stand(certificate_ ? HubState::kRefused : HubState::kNotEnrolled,
          "hub: it does not enrol this device: " + why, new_token(config_.device));
    next_us_ = parts_.clock.now_us() + kLookUs;
    return;
  }
  if (status == 401) {
    const bool was_refused = std::exchange(is_refused_, true);
    stand(HubState::kRefused, "hub: it does not take this device's certificate: " + why,
          was_refused ? new_token(config_.device) : kByKey);
    // By turns: a hub that has got another authority knows the key still, one that was set back and
    // is set right the certificate.
    renews_refused_ = asks_ == Asks::kCheckin;
    if (was_refused || !renews_refused_) return wait(kHubRefusedWaitS);
    next_us_ = parts_.clock.now_us();
    return;
  }
  if (asks_ == Asks::kRenew) {
    const std::string what = "hub: the certificate is not renewed: " + why;
    if (std::exchange(renewal_trouble_, {what, new_token(config_.device)}).what != what)
      parts_.happened({.act = status == 409 ? trust::Act::kDuplicateFound : trust::Act::kNote,
                       .object = config_.device,
                       .text = what});
    if (is_refused_) return wait(kHubRefusedWaitS);
    next_us_ = parts_.clock.now_us();  // check-ins go on with the one that there is
    return;
  }
  stand(HubState::kAway, "hub: it refuses what it is told: " + why,
        "see that the hub is no older than this polderd");
  wait(kHubRefusedWaitS);
}

// With its first certificate, or its next one.
void HubLink::enrolled(bool is_first) {
  auto given = certificate_of_answer(answer_);
  Status kept = given.ok() ? Status() : Status(given.error());
  if (kept.ok() && !fits(*given, config_.device, key_->public_key()))
    kept = fail(Code::kCorrupt, "the certificate is of another name or key than was asked for");
  if (kept.ok()) kept = keep_certificate(parts_.storage, given->pem);
  if (!kept.ok()) {
    // It is given once more to who asks once more.
    stand(certificate_ ? state_ : HubState::kNotEnrolled,
          "hub: its certificate cannot be kept: " + kept.error().message, kByItself);
    return wait(kHubLongestWaitS);
  }
  // A hub gives the one that it gave lately again: where the clock is ahead, at each try.
  const bool is_news = is_first || !certificate_ || certificate_->pem != given->pem;
  certificate_ = std::move(*given);
  renewal_s_ = renewal_s(*certificate_, parts_.random());
  is_refused_ = has_to_renew_ = false;
  renewal_trouble_ = {};
  client_.reset();
  wait_s_ = kHubFirstWaitS;
  next_us_ = parts_.clock.now_us();
  if (is_news)
    parts_.happened({.act = is_first ? trust::Act::kDeviceEnrolled : trust::Act::kDeviceRenewed,
                     .object = config_.device,
                     .text = fmt::format("the certificate of {} holds until {}", config_.hub.url,
                                         trust::tuf::time_text(certificate_->until_s))});
  stand(HubState::kEnrolled);
  if (!is_first) return;
  // It is of no use to anybody now; where it cannot be removed it is ignored.
  static_cast<void>(remove_file(config_.hub.token_file));
}

bool HubLink::acknowledge(Reporter* reporter) {
  if (!reporter || !reporter->ring() || keys_.empty()) return true;
  if (Status removed = reporter->ring()->acknowledge(keys_); !removed.ok()) {
    // They are sent again.
    reporter->trouble(removed.error().message);
    return false;
  }
  reporter->trouble("");
  reporter->delivered(keys_.back());
  return true;
}

void HubLink::checked_in(Reporter* reporter) {
  const auto answer = checkin_answer(answer_);
  if (!answer.ok()) {
    stand(HubState::kAway, "hub: " + answer.error().message, kByItself);
    return wait(kHubLongestWaitS);
  }
  is_refused_ = false;
  wait_s_ = kHubFirstWaitS;
  checked_in_s_ = parts_.wall.now_s();
  stand(HubState::kEnrolled);
  if (!description_refusal_.empty())
    give_up_description("hub: " + std::exchange(description_refusal_, ""),
                        parts_.clock.now_us() + kDescribeAgainUs);
  const bool was_suspect = suspect_.has_value();
  if (was_suspect) give_up_suspect(reporter);
  const bool is_removed = acknowledge(reporter);
  batch_ = std::min(batch_ * 2, proto::kMaxCheckinReports);
  has_to_renew_ = answer->renew;
  has_to_describe_ = answer->describe;
  // Again and again, until a check of the repository has gone well.
  if (config_.is_of_hub() && answer->timestamp && *answer->timestamp > std::int64_t(timestamp_))
    has_news_ = true;
  const bool has_more = is_removed && (!keys_.empty() || was_suspect) && reporter->ring() &&
                        reporter->ring()->count() > 0;
  const std::int64_t next_us = answer->next_s * kSecondUs;
  const std::int64_t early_us = std::int64_t(parts_.random() % std::uint64_t(next_us / 4 + 1));
  next_us_ = parts_.clock.now_us() + (has_more ? 0 : next_us - early_us);
  // Of a hub that is to be asked soon the connection is kept.
  if (!has_more && next_us > kLookUs) client_->close_idle();
}

// One of them, and nobody knows which.
void HubLink::not_understood() {
  next_us_ = parts_.clock.now_us();
  if (keys_.size() > 1) batch_ = 1;
  else suspect_ = Suspect{keys_[0], "hub: " + refusal_text(*result_, answer_)};
}

// Neither is what the device says of itself worth a report, nor the other way round.
void HubLink::give_up_description(const std::string& why, std::int64_t until_us) {
  describes_from_us_ = until_us;
  parts_.happened({.act = trust::Act::kNote,
                   .object = config_.device,
                   .text = "what this device is cannot be told: " + why});
}

// The hub takes a check-in without it.
void HubLink::give_up_suspect(Reporter* reporter) {
  const Suspect suspect = *std::exchange(suspect_, std::nullopt);
  if (!reporter || !reporter->ring()) return;
  reporter->trouble(suspect.refusal);
  // The ring may have dropped it meanwhile, and counted it.
  const std::uint64_t before = reporter->ring()->count();
  if (reporter->ring()->acknowledge({&suspect.report, 1}).ok())
    reporter->given_up(before - reporter->ring()->count());
}

}  // namespace polder::agent
