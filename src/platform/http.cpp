#include "platform/http.h"

#include "base/fail.h"
#include "platform/http_status.h"

namespace polder {
namespace {

class TextSink final : public HttpSink {
 public:
  Status write(std::string_view bytes) override { return text.append(bytes), Status(); }
  std::string text;
};

}  // namespace

Error http_status_error(int status) {
  const auto error = [&](Code code, std::string_view what) {
    return fail(code, "the server answers {} ({})", status, what);
  };
  switch (status) {
    case 400: return error(Code::kInvalid, "bad request");
    case 401: return error(Code::kDenied, "who we are is not known or not enough");
    // Object stores whose lists are private say so of what they do not have.
    case 403: return error(Code::kNotFound, "forbidden, or not there");
    case 404: return error(Code::kNotFound, "not found");
    case 407: return error(Code::kDenied, "a proxy wants a password");
    case 408: return error(Code::kTimeout, "it waited too long for the request");
    case 410: return error(Code::kNotFound, "gone");
    case 416: return error(Code::kInvalid, "the file has no such part");
    case 429: return error(Code::kUnavailable, "too many requests; try again later");
    case 503: return error(Code::kUnavailable, "not available now; try again later");
    default: break;
  }
  if (status >= 500 && status < 600)
    return error(Code::kUnavailable, "it has a fault; try again later");
  if (status >= 400 && status < 500) return error(Code::kInvalid, "the request is refused");
  return error(Code::kCorrupt, "200 or 206 is expected");
}

Result<std::string> fetch_text(HttpClient& client, const std::string& url, std::size_t cap_bytes,
                               std::int64_t deadline_ms) {
  TextSink sink;
  HttpRequest request;
  request.url = url;
  request.cap_bytes = cap_bytes;
  request.deadline_ms = deadline_ms;
  if (auto reply = client.get(request, sink); !reply.ok()) return std::move(reply).error();
  return std::move(sink.text);
}

}  // namespace polder
