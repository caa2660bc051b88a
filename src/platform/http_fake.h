// The fake of HttpClient: files by URL, and a network that fails as it is told. For tests and the
// simulator.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "platform/http.h"

namespace polder {

// What becomes of one request.
struct HttpFault {
  enum class Kind {
    kNone,
    kUnreachable,  // no connection
    kCut,          // the connection ends after `at` bytes of the body
    kTimeout,      // `at` bytes of the body come, then nothing until the deadline
    kFlip,         // bit 0 of the body's byte `at` arrives turned; all else is well
    kEndless,      // the body goes on until the cap
    kStatus,       // status `at`, with Retry-After when `retry_after_s` is not 0
    kWhole,        // a request for a part gets the whole
    kRedirect,     // leads elsewhere, and is refused
  };
  Kind kind = Kind::kNone;
  std::uint64_t at = 0;
  std::int64_t retry_after_s = 0;
  std::string body = {};  // of kStatus, for who takes refusals
};

// Answers as the real client does: the same codes, the same order of calls. Bodies come in pieces
// of `piece_bytes`. Not thread-safe.
class FakeHttp final : public HttpClient {
 public:
  // What is there, by URL; everything else is 404. May change between requests.
  std::map<std::string, std::string> files;
  // Faults of the next requests, first come first served.
  std::deque<HttpFault> faults;
  // Asked for requests beyond `faults`; empty: all is well.
  std::function<HttpFault(const HttpRequest&)> fault_of;
  // Called for each POST: its answer's body.
  std::function<Result<std::string>(const std::string& url, std::string_view body)> on_post;
  // Moved on by `deadline_ms` when a request times out; borrowed, may be nullptr.
  ManualClock* clock = nullptr;
  std::int64_t deadline_ms = 300'000;
  std::size_t piece_bytes = 4096;

  // What happened.
  std::vector<std::string> requests;  // URLs
  std::uint64_t sent_bytes = 0;       // of bodies

  Result<HttpReply> get(const HttpRequest& request, HttpSink& sink) override;
  Result<HttpReply> post(const HttpRequest& request, std::string_view content_type,
                         std::string_view body, HttpSink& sink) override;
  std::int64_t retry_after_s() const override { return retry_after_s_; }

 private:
  HttpFault next_fault(const HttpRequest& request);
  Result<HttpReply> answer(const HttpRequest& request, const std::string& content,
                           const HttpFault& fault, HttpSink& sink);
  Status send(const HttpRequest& request, std::string_view part, const HttpFault& fault,
              HttpReply& reply, HttpSink& sink);

  std::int64_t retry_after_s_ = 0;
};

}  // namespace polder
