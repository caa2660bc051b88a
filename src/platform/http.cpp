#include "platform/http.h"

namespace polder {
namespace {

class TextSink final : public HttpSink {
 public:
  Status write(std::string_view bytes) override { return text.append(bytes), Status(); }
  std::string text;
};

}  // namespace

Result<std::string> fetch_text(HttpClient& client, const std::string& url, std::size_t cap_bytes) {
  TextSink sink;
  HttpRequest request;
  request.url = url;
  request.cap_bytes = cap_bytes;
  if (auto reply = client.get(request, sink); !reply.ok()) return std::move(reply).error();
  return std::move(sink.text);
}

}  // namespace polder
