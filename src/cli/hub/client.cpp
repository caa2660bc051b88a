#include "cli/hub/client.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "platform/file.h"
#include "platform/terminal.h"
#include "platform/url.h"
#include "trust/tuf_metadata.h"
#include "trust/tuf_updater.h"

namespace polder::cli {

namespace {

constexpr std::size_t kMaxTokenBytes = 4096;
constexpr std::size_t kMaxAnswerBytes = 16 << 20;
constexpr std::size_t kMaxPage = 1'000;
constexpr int kTries = 5;                      // where the hub asks to wait
constexpr std::int64_t kMaxWaitS = 30;         // at a time
constexpr std::int64_t kDeadlineMs = 600'000;  // a hub hashes what it is to publish
constexpr std::int64_t kTellAfterUs = 2'000'000;
constexpr std::string_view kBytes = "application/octet-stream";

class TextSink final : public HttpSink {
 public:
  Status write(std::string_view bytes) override { return text.append(bytes), Status(); }
  std::string text;
};

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

Result<std::string> token_of(const Args& args) {
  std::string token = environment("POLDER_HUB_TOKEN");
  if (args.has("--token-file")) {
    TRY_VALUE(token, read_file(args.text("--token-file"), kMaxTokenBytes));
  }
  const auto is_blank = [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; };
  while (!token.empty() && is_blank(token.back())) token.pop_back();
  if (token.empty())
    return fail(Code::kInvalid,
                "who asks? --token-file FILE or POLDER_HUB_TOKEN has a token; an administrator of "
                "the hub makes one");
  const auto is_odd = [](char c) { return c <= ' ' || c > '~'; };
  if (std::ranges::any_of(token, is_odd))
    return fail(Code::kInvalid, "{}: has a character that no token has: the token alone expected",
                args.has("--token-file") ? args.text("--token-file") : "POLDER_HUB_TOKEN");
  return token;
}

Code code_from_name(std::string_view name) {
  for (int i = static_cast<int>(Code::kInvalid); i <= static_cast<int>(Code::kTimeout); ++i)
    if (code_name(static_cast<Code>(i)) == name) return static_cast<Code>(i);
  return Code::kUnavailable;
}

std::string random_key() {
  std::random_device source;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", source(), source(), source(), source());
}

// In the hub's own words (RFC 9457).
Error refusal(const std::string& path, int status, const std::string& body) {
  const auto document = trust::Json::parse(body, "answer");
  const trust::Json* detail = document.ok() ? document->find("detail") : nullptr;
  const trust::Json* code = document.ok() ? document->find("code") : nullptr;
  if (!detail || !detail->string() || !code || !code->string())
    return fail(Code::kUnavailable, "{}: status {}, and no word of a hub: is it one?", path,
                status);
  return fail(code_from_name(*code->string()), "the hub says: {}", one_line(*detail->string()));
}

}  // namespace

Status check_query(std::string_view option, const std::string& value) {
  if (value.find('=') != value.npos) return {};
  return fail(Code::kInvalid, "{}: TAG=VALUE,... expected, such as site=ams,line=3; '{}' given",
              option, clipped(value));
}

Status check_time(std::string_view option, const std::string& value) {
  const auto time = trust::tuf::parse_time(value, option);
  return time.ok() ? Status() : Status(time.error());
}

Status check_reason(std::string_view option, const std::string& value) {
  if (value.find_first_not_of(' ') != value.npos) return {};
  return fail(Code::kInvalid, "{}: is empty", option);
}

Result<HubClient> HubClient::open(const Args& args) {
  std::string url = args.text("--hub");
  if (url.empty()) return fail(Code::kInvalid, "--hub URL, or POLDER_HUB, says which hub");
  if (!url.starts_with("https://"))
    return fail(Code::kInvalid, "--hub: https://HOST:PORT expected, and what is given is none");
  TRY_VALUE(const Url parsed, Url::parse(url));
  if (parsed.target != "/")
    return fail(Code::kInvalid, "--hub: https://HOST:PORT expected, '{}' given", parsed.shown());
  url = parsed.origin();
  TRY_VALUE(std::string token, token_of(args));
  HubClient hub(std::move(url), std::move(token));
  HttpOptions options{.ca_file = args.text("--ca", environment("POLDER_HUB_CA")),
                      .ca_setting = "--ca FILE, or POLDER_HUB_CA,",
                      .deadline_ms = kDeadlineMs,
                      .min_rate_bytes_s = 0};
  TRY_VALUE(hub.http_, open_http_client(options, hub.clocks_->clock, hub.clocks_->wall));
  return hub;
}

Result<trust::Json> HubClient::get(const std::string& path) {
  return ask(Method::kGet, path, "", "");
}

Result<trust::Json::Array> HubClient::get_all(std::string path, std::string_view member) {
  const std::string list = path.substr(0, path.find('?'));
  const bool tells = stderr_is_terminal();
  const std::int64_t begun_us = clocks_->clock.now_us();
  bool has_told = false;
  trust::Json::Array all;
  while (!path.empty()) {
    if (tells && clocks_->clock.now_us() - begun_us > kTellAfterUs) {
      fmt::print(stderr, "\r{} {} so far", all.size(), member);
      has_told = true;
    }
    TRY_VALUE(const trust::Json page, get(path));
    TRY_VALUE(const trust::Object object, trust::Object::of(page, "answer"));
    TRY_VALUE(const trust::Json::Array* const found, object.array(member, kMaxPage));
    all.insert(all.end(), found->begin(), found->end());
    const trust::Json* const next = page.find("next");
    // More of this list, and no other address.
    const bool goes_on = next && next->string() && next->string()->starts_with(list + "?");
    path = goes_on ? *next->string() : "";
  }
  if (has_told) fmt::print(stderr, "\r\x1b[K");
  return all;
}

Result<trust::Json> HubClient::post(const std::string& path, const trust::Json& body) {
  return ask(Method::kPost, path, "application/json", body.compact());
}

Result<trust::Json> HubClient::put(const std::string& path, const trust::Json& body) {
  return ask(Method::kPut, path, "application/json", body.compact());
}

Result<trust::Json> HubClient::post(const std::string& path) {
  return ask(Method::kPost, path, "", "");
}

Result<trust::Json> HubClient::post_bytes(const std::string& path, std::string_view bytes) {
  return ask(Method::kPost, path, kBytes, bytes);
}

Result<trust::Json> HubClient::ask(Method method, const std::string& path, std::string_view type,
                                   std::string_view body) {
  HttpRequest request;
  request.url = url_ + path;
  request.cap_bytes = kMaxAnswerBytes;
  request.takes_refusals = true;
  request.puts = method == Method::kPut;
  request.headers = {{"Authorization", "Bearer " + token_}};
  // Whether it was done where an answer is lost or says to wait, the hub knows by this. A piece of
  // a file says itself where it belongs.
  const bool has_key = method == Method::kPost && type != kBytes;
  if (has_key) request.headers.emplace_back("Idempotency-Key", random_key());
  for (int tries = 1;; ++tries) {
    TextSink sink;
    const auto reply =
        method == Method::kGet ? http_->get(request, sink) : http_->post(request, type, body, sink);
    // An answer that is lost, or does not know whether it was done: asked again, it does.
    const bool is_unknown =
        reply.ok() ? reply->status == 500 : reply.error().code == Code::kUnavailable;
    if (is_unknown && has_key && tries == 1) {
      clocks_->clock.sleep_until_us(clocks_->clock.now_us() + 1'000'000);
      continue;
    }
    if (!reply.ok()) return reply.error();
    const bool is_busy = reply->status == 429 || reply->status == 503;
    if (is_busy && tries < kTries) {
      const std::int64_t wait_s = std::clamp<std::int64_t>(http_->retry_after_s(), 1, kMaxWaitS);
      clocks_->clock.sleep_until_us(clocks_->clock.now_us() + wait_s * 1'000'000);
      continue;
    }
    if (reply->status >= 400) return refusal(path, reply->status, sink.text);
    if (sink.text.empty()) return trust::Json();
    return trust::Json::parse(sink.text, url_ + path);
  }
}

std::string group_path(const std::string& name) {
  return "/v1/groups/" + trust::tuf::percent_encoded(name);
}

Result<std::string> query_of(const Args& args, HubClient& hub) {
  if (!args.has("--group")) return args.has("--query") ? args.text("--query") : std::string();
  if (args.has("--query")) return fail(Code::kInvalid, "--query and --group: one of them");
  TRY_VALUE(const trust::Json answer, hub.get(group_path(args.text("--group"))));
  TRY_VALUE(const trust::Object group, trust::Object::of(answer, "answer"));
  return group.text("query");
}

}  // namespace polder::cli
