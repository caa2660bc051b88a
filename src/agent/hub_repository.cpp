#include "agent/hub_repository.h"

#include <algorithm>
#include <utility>

#include "agent/repository_client.h"
#include "base/fail.h"
#include "trust/hub_authorities.h"

namespace polder::agent {

Result<std::string> hub_authorities(Storage& storage) {
  const auto trusted = StoredMetadata(storage).root();
  // There is nothing yet, and 'ca_file' holds. Once root was there, that may be a thief's by now.
  if (!trusted.ok() && trusted.error().code == Code::kNotFound) return std::string();
  if (!trusted.ok()) return trusted.error();
  TRY_VALUE(const auto root,
            trust::tuf::parse_metadata<trust::tuf::Root>(trusted->bytes, "root.json"));
  TRY_VALUE(const auto pems, trust::tuf::hub_authorities(root.body));
  std::string all;
  for (const std::string& pem : pems) all += pem + '\n';
  return all;
}

void trust_server(HttpOptions& options, const std::string& ca_file, const HubServer& server) {
  options.takes_any_server = server.is_any;
  options.ca_pem = server.authorities;
  options.ca_file = server.authorities.empty() ? ca_file : "";
  options.ca_setting = server.authorities.empty() ? "'ca_file' ([hub])" : "";
}

// "https://hub.example.org:8443/repository/metadata/3.root.json".
bool HubRepository::is_root(std::string_view url) const {
  if (!url.starts_with(metadata_url_) || !url.ends_with(".root.json")) return false;
  url.remove_prefix(metadata_url_.size());
  url.remove_suffix(std::string_view(".root.json").size());
  return !url.empty() && std::ranges::all_of(url, [](char c) { return c >= '0' && c <= '9'; });
}

// An update may have brought another root since the last request.
Status HubRepository::know_server() {
  auto authorities = hub_authorities(storage_);
  if (!authorities.ok()) {
    client_.reset();
    return std::move(authorities).error();
  }
  if (client_ && *authorities == authorities_) return {};
  client_.reset();
  TRY_VALUE(client_, open_({.authorities = *authorities}));
  authorities_ = *std::move(authorities);
  return {};
}

Result<HttpReply> HubRepository::get(const HttpRequest& request, HttpSink& sink) {
  const bool is_metadata = request.url.starts_with(metadata_url_);
  const Status known = is_metadata || !client_ ? know_server() : Status();
  auto reply = known.ok() ? client_->get(request, sink) : Result<HttpReply>(Error(known.error()));
  const bool is_unknown = !known.ok() || (!reply.ok() && reply.error().code == Code::kDenied);
  if (!is_unknown || !is_root(request.url)) return reply;
  auto any = open_({.is_any = true});
  if (!any.ok()) return reply;
  auto root = (*any)->get(request, sink);
  // What an unknown server does not have is nothing that it is believed.
  if (root.ok()) return root;
  return reply;
}

Result<HttpReply> HubRepository::post(const HttpRequest& request, std::string_view content_type,
                                      std::string_view body, HttpSink& sink) {
  if (!client_) TRY(know_server());
  return client_->post(request, content_type, body, sink);
}

}  // namespace polder::agent
