#include "trust/tuf_http.h"

#include "base/fail.h"

namespace polder::trust::tuf {

namespace {

std::string with_slash(std::string url) {
  if (!url.ends_with('/')) url += '/';
  return url;
}

bool is_web_page(std::string_view bytes) {
  const std::size_t begin = bytes.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  return begin != bytes.npos && bytes[begin] == '<';
}

class SinkOf final : public HttpSink {
 public:
  explicit SinkOf(const Sink& sink) : sink_(&sink) {}
  Status write(std::string_view bytes) override { return (*sink_)(bytes); }

 private:
  const Sink* sink_;
};

}  // namespace

HttpFetcher::HttpFetcher(HttpClient& client, std::string metadata_url, std::string target_url)
    : client_(&client),
      metadata_url_(with_slash(std::move(metadata_url))),
      target_url_(with_slash(std::move(target_url))) {}

Result<std::string> HttpFetcher::fetch_metadata(const std::string& name, std::size_t cap_bytes) {
  TRY_VALUE(std::string bytes,
            fetch_text(*client_, metadata_url_ + name, cap_bytes, kMetadataDeadlineMs));
  if (is_web_page(bytes))
    return fail(Code::kUnavailable,
                "{}: a web page came in place of metadata: does this network want somebody to log "
                "in, or is the address that of something else?",
                metadata_url_ + name);
  return bytes;
}

Status HttpFetcher::fetch_target(const std::string& name, std::int64_t cap_bytes,
                                 const Sink& sink) {
  HttpRequest request;
  request.url = target_url_ + name;
  request.cap_bytes = std::uint64_t(cap_bytes);
  SinkOf body(sink);
  auto reply = client_->get(request, body);
  return reply.ok() ? Status() : Status(std::move(reply).error());
}

}  // namespace polder::trust::tuf
