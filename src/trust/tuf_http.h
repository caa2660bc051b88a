// A TUF repository on a web server.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>

#include "platform/http.h"
#include "trust/tuf_updater.h"

namespace polder::trust::tuf {

// Of one metadata file: who drips them keeps a device from looking after anything else.
inline constexpr std::int64_t kMetadataDeadlineMs = 60'000;

// Borrows the client. A base URL may end with '/' or without; the caps and paces are the client's,
// and so is the deadline of targets.
class HttpFetcher final : public Fetcher {
 public:
  HttpFetcher(HttpClient& client, std::string metadata_url, std::string target_url);
  // Errors: those of HttpClient; kUnavailable for a web page, as networks answer that want a login.
  Result<std::string> fetch_metadata(const std::string& name, std::size_t cap_bytes) override;
  Status fetch_target(const std::string& name, std::int64_t cap_bytes, const Sink& sink) override;

 private:
  HttpClient* client_;
  std::string metadata_url_, target_url_;  // end with '/'
};

}  // namespace polder::trust::tuf
