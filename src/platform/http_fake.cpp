#include "platform/http_fake.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "platform/http_status.h"
#include "platform/url.h"

namespace polder {

using Kind = HttpFault::Kind;

HttpFault FakeHttp::next_fault(const HttpRequest& request) {
  if (!faults.empty()) {
    const HttpFault fault = faults.front();
    faults.pop_front();
    return fault;
  }
  return fault_of ? fault_of(request) : HttpFault();
}

Result<HttpReply> FakeHttp::get(const HttpRequest& request, HttpSink& sink) {
  retry_after_s_ = 0;
  TRY_VALUE(const Url url, Url::parse(request.url));
  requests.push_back(request.url);
  const HttpFault fault = next_fault(request);
  const auto file = files.find(request.url);
  if (fault.kind == Kind::kNone && file == files.end())
    return http_status_error(404).at(url.shown());
  auto reply = answer(request, file == files.end() ? "" : file->second, fault, sink);
  if (!reply.ok()) return std::move(reply).error().at(url.shown());
  return reply;
}

Result<HttpReply> FakeHttp::post(const HttpRequest& request, std::string_view,
                                 std::string_view body, HttpSink& sink) {
  retry_after_s_ = 0;
  TRY_VALUE(const Url url, Url::parse(request.url));
  requests.push_back(request.url);
  const HttpFault fault = next_fault(request);
  // A cut comes after the server has taken the body: only its answer is lost.
  std::string content;
  const bool arrives = fault.kind != Kind::kUnreachable && fault.kind != Kind::kStatus;
  if (arrives) {
    if (!on_post) return http_status_error(404).at(url.shown());
    TRY_VALUE(content, on_post(request.url, body));
  }
  auto reply = answer(request, content, fault, sink);
  if (!reply.ok()) return std::move(reply).error().at(url.shown());
  return reply;
}

Result<HttpReply> FakeHttp::answer(const HttpRequest& request, const std::string& content,
                                   const HttpFault& fault, HttpSink& sink) {
  if (fault.kind == Kind::kUnreachable) return fail(Code::kUnavailable, "cannot connect");
  if (fault.kind == Kind::kRedirect)
    return fail(Code::kDenied, "the server leads elsewhere (302), to 'http://elsewhere.example/'");
  if (fault.kind == Kind::kStatus) {
    retry_after_s_ = fault.retry_after_s;
    if (!request.takes_refusals) return http_status_error(int(fault.at));
    HttpReply refusal{.status = int(fault.at)};
    TRY(sink.begin(refusal));
    TRY(send(request, fault.body, {}, refusal, sink));
    return refusal;
  }
  HttpReply reply;
  reply.status = 200;
  reply.total_bytes = content.size();
  std::string_view part = content;
  const bool wants_part = request.offset > 0 || request.size > 0;
  if (wants_part && fault.kind != Kind::kWhole) {
    if (request.offset >= content.size()) return http_status_error(416);
    reply.status = 206;
    reply.offset = request.offset;
    part = part.substr(request.offset, request.size == 0 ? part.npos : request.size);
  }
  if (part.size() > request.cap_bytes)
    return fail(Code::kExhausted, "{} bytes; at most {} are accepted here", part.size(),
                request.cap_bytes);
  if (fault.kind == Kind::kEndless) reply.total_bytes.reset();
  TRY(sink.begin(reply));
  TRY(send(request, part, fault, reply, sink));
  return reply;
}

Status FakeHttp::send(const HttpRequest& request, std::string_view part, const HttpFault& fault,
                      HttpReply& reply, HttpSink& sink) {
  const bool stops = fault.kind == Kind::kCut || fault.kind == Kind::kTimeout;
  const std::size_t end = stops ? std::min<std::size_t>(part.size(), fault.at) : part.size();
  const auto deliver = [&](std::string_view bytes) {
    reply.received_bytes += bytes.size();
    sent_bytes += bytes.size();
    return sink.write(bytes);
  };
  for (std::size_t at = 0; at < end;) {
    std::string piece(part.substr(at, std::min(piece_bytes, end - at)));
    if (fault.kind == Kind::kFlip && fault.at >= at && fault.at - at < piece.size())
      piece[fault.at - at] = char(piece[fault.at - at] ^ 1);
    at += piece.size();
    TRY(deliver(piece));
  }
  if (fault.kind == Kind::kCut)
    return fail(Code::kUnavailable, "cut after {} of {} bytes of the body", end, part.size());
  if (fault.kind == Kind::kTimeout) {
    if (clock) clock->advance_us(deadline_ms * 1000);
    return fail(Code::kTimeout, "not done within {} ms, the deadline of a request", deadline_ms);
  }
  if (fault.kind == Kind::kEndless) {
    const std::string noise(piece_bytes, 'x');
    while (request.cap_bytes - reply.received_bytes >= noise.size()) TRY(deliver(noise));
    return fail(Code::kExhausted, "more than the {} bytes that are accepted here",
                request.cap_bytes);
  }
  return {};
}

}  // namespace polder
