#include "agent/exporter.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"

namespace polder::agent {

namespace {

constexpr std::uint64_t kMaxAnswerBytes = 16 << 10;

// What a collector answers says at most what it did not like.
class NoSink final : public HttpSink {
 public:
  Status write(std::string_view) override { return {}; }
};

}  // namespace

void Exporter::poll(Reporter& reporter) {
  if (is_busy()) {
    if (!is_done_) return;
    thread_.join();
    finish(reporter);
  }
  if (clock_.now_us() < next_us_ || !reporter.ring()) return;
  if (take(reporter)) begin();
  else next_us_ = clock_.now_us() + kSecondUs;
}

// The next request. false: there is nothing to be sent.
bool Exporter::take(Reporter& reporter) {
  auto stored = reporter.ring()->next(batch_, kMaxExportBytes);
  if (!stored.ok()) {
    reporter.trouble(stored.error().message);
    return false;
  }
  keys_.clear();
  std::vector<proto::Report> reports;
  for (const StoredReport& item : *stored) {
    auto message = proto::decode_report_message(item.bytes);
    auto* report = message.ok() ? std::get_if<proto::Report>(&*message) : nullptr;
    if (!report) {
      // Of another version of this program: nobody will ever understand it.
      if (keys_.empty()) {
        static_cast<void>(reporter.ring()->acknowledge({&item.key, 1}));
        reporter.given_up(1);
        continue;
      }
      break;
    }
    if (!reports.empty() && is_metrics(*report) != is_metrics(reports[0])) break;
    keys_.push_back(item.key);
    reports.push_back(std::move(*report));
  }
  if (reports.empty()) return false;
  request_ = otlp_request(reports);
  if (request_.body.size() <= kMaxExportBodyBytes || keys_.size() == 1) return true;
  batch_ = std::max<std::size_t>(keys_.size() / 2, 1);
  return take(reporter);
}

void Exporter::begin() {
  is_done_ = false;
  const Status started = thread_.start(
      1, [](void* self) { static_cast<Exporter*>(self)->send(); }, this);
  if (!started.ok()) next_us_ = clock_.now_us() + kFirstWaitS * kSecondUs;
}

// In the thread.
void Exporter::send() {
  NoSink sink;
  const auto reply = client_.post({.url = url_ + request_.path, .cap_bytes = kMaxAnswerBytes},
                                  kOtlpType, request_.body, sink);
  result_ = reply.ok() ? Status() : Status(Error(reply.error()));
  retry_after_s_ = client_.retry_after_s();
  client_.close_idle();
  is_done_ = true;
}

void Exporter::finish(Reporter& reporter) {
  reporter.sent(request_.body.size());
  request_ = {};
  const std::int64_t now_us = clock_.now_us();
  const bool is_bad = !result_.ok() && result_.error().code == Code::kInvalid;
  if (result_.ok() || (is_bad && keys_.size() == 1)) {
    if (Status removed = reporter.ring()->acknowledge(keys_); !removed.ok()) {
      // They are sent again.
      reporter.trouble(removed.error().message);
      next_us_ = now_us + wait_s_ * kSecondUs;
      return;
    }
    if (result_.ok()) reporter.delivered(keys_.back());
    else reporter.given_up(1);
    reporter.trouble(result_.ok() ? "" : "collector: " + result_.error().message);
    batch_ = std::min(batch_ * 2, kMaxExportReports);
    wait_s_ = kFirstWaitS;
    next_us_ = now_us;
    return;
  }
  reporter.trouble("collector: " + result_.error().message);
  if (is_bad) {
    batch_ = 1;
    next_us_ = now_us;
    return;
  }
  next_us_ = now_us + std::max(wait_s_, retry_after_s_) * kSecondUs;
  wait_s_ = std::min(2 * wait_s_, kLongestWaitS);
}

}  // namespace polder::agent
