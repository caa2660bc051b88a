#include "trust/tuf_http.h"

namespace polder::trust::tuf {

namespace {

std::string with_slash(std::string url) {
  if (!url.ends_with('/')) url += '/';
  return url;
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
  return fetch_text(*client_, metadata_url_ + name, cap_bytes, kMetadataDeadlineMs);
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
