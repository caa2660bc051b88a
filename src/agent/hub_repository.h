// By whose certificates a device knows its hub, and the repository of that hub over HTTPS.
//
// Once the trusted root names authorities of the hub (trust/hub_authorities.h), they stand in the
// place of [hub] 'ca_file', which is for the first contact. Where none of them knows the server, it
// is asked for one thing all the same: a next root, which proves itself by the signatures of the
// one before. So a hub gets another authority, after a break-in too, and no device is visited.
//
//   HubRepository client(url + "/repository", *storage, [&](const HubServer& server) {
//     options.ca_pem = server.authorities; ...
//     return open_http_client(options, clock, wall);
//   });
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "platform/http.h"
#include "platform/storage.h"

namespace polder::agent {

// Of the trusted root: certificates in PEM, one after another; empty: it names none, and 'ca_file'
// holds. Errors: kCorrupt for what is no such list; then no server is known.
Result<std::string> hub_authorities(Storage& storage);

// Who may answer.
struct HubServer {
  std::string authorities;  // as of hub_authorities()
  bool is_any = false;      // whoever does
};
void trust_server(HttpOptions& options, const std::string& ca_file, const HubServer& server);

// Not thread-safe. Errors of requests: as of the client that is opened.
class HubRepository final : public HttpClient {
 public:
  using Open = std::function<Result<std::unique_ptr<HttpClient>>(const HubServer&)>;

  // `url`: of the repository. Borrows the storage.
  HubRepository(std::string url, Storage& storage, Open open)
      : metadata_url_(std::move(url) + "/metadata/"), storage_(storage), open_(std::move(open)) {}

  Result<HttpReply> get(const HttpRequest& request, HttpSink& sink) override;
  Result<HttpReply> post(const HttpRequest& request, std::string_view content_type,
                         std::string_view body, HttpSink& sink) override;
  std::int64_t retry_after_s() const override { return client_ ? client_->retry_after_s() : 0; }
  void close_idle() override {
    if (client_) client_->close_idle();
  }

 private:
  Status know_server();
  bool is_root(std::string_view url) const;

  const std::string metadata_url_;
  Storage& storage_;
  const Open open_;
  std::string authorities_;  // of the client
  std::unique_ptr<HttpClient> client_;
};

}  // namespace polder::agent
