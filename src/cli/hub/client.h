// What the commands on a hub share: its address, who asks, and its API.
//
//   TRY_VALUE(HubClient hub, HubClient::open(args));
//   TRY_VALUE(const trust::Json list, hub.get("/v1/approvals?state=open"));
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cli/args.h"
#include "platform/clock.h"
#include "platform/http.h"
#include "trust/json.h"

namespace polder::cli {

#define POLDER_HUB_OPTIONS                                                                     \
  {"--hub", "URL", "the hub, such as https://hub.example.org:8443"},                           \
      {"--ca", "FILE",                                                                         \
       "the authority of its certificate (default: POLDER_HUB_CA, or those of this machine)"}, \
  {                                                                                            \
    "--token-file", "FILE", "who asks: a file with a token (default: POLDER_HUB_TOKEN)"        \
  }

// Of an option that names devices by their tags; the hub looks at the rest.
Status check_query(std::string_view option, const std::string& value);
// Of one that is a time, such as 2027-01-11T00:00:00Z.
Status check_time(std::string_view option, const std::string& value);
// Of one that says why: not empty.
Status check_reason(std::string_view option, const std::string& value);

// "/v1/groups/NAME".
std::string group_path(const std::string& name);

// Not thread-safe.
class HubClient {
 public:
  // Errors: kInvalid without an address, a token, or for one that is not https; those of files.
  static Result<HubClient> open(const Args& args);

  const std::string& url() const { return url_; }
  // For files of its repository.
  HttpClient& http() { return *http_; }

  // `path`: "/v1/models". Who is asked to wait, waits, a few times. Errors: what the hub says, with
  // its code; those of HttpClient.
  Result<trust::Json> get(const std::string& path);
  // Of a list that comes page by page all that is in `member`; stderr says how far it is where that
  // takes long.
  Result<trust::Json::Array> get_all(std::string path, std::string_view member);
  Result<trust::Json> post(const std::string& path, const trust::Json& body);
  Result<trust::Json> put(const std::string& path, const trust::Json& body);
  // Without a body.
  Result<trust::Json> post(const std::string& path);
  Result<trust::Json> post_bytes(const std::string& path, std::string_view bytes);

 private:
  struct Clocks {
    SystemClock clock;
    SystemWallClock wall;
  };
  HubClient(std::string url, std::string token)
      : url_(std::move(url)), token_(std::move(token)), clocks_(std::make_unique<Clocks>()) {}
  enum class Method : std::uint8_t { kGet, kPost, kPut };
  Result<trust::Json> ask(Method method, const std::string& path, std::string_view type,
                          std::string_view body);

  std::string url_, token_;
  std::unique_ptr<Clocks> clocks_;
  std::unique_ptr<HttpClient> http_;
};

// What --query says, or the query that the hub has for --group; "": neither is there. Errors:
// kInvalid for both; those of HubClient::get().
Result<std::string> query_of(const Args& args, HubClient& hub);

}  // namespace polder::cli
