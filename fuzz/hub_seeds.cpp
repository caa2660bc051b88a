#include "hub_seeds.h"

#include <cstdio>
#include <set>
#include <vector>

#include "base/fail.h"
#include "hub_world.h"
#include "platform/file.h"

namespace polder::fuzz {
namespace {

using trust::Json;

struct Seed {
  std::string_view route;  // as the router has it
  std::string target, body = {}, headers = {};
};

std::string order(std::string_view model, std::string_view more = "") {
  return fmt::format(
      R"({{"model":"{}","version":"1.1.0","unpublished":true,"query":"site=rtm"{}}})", model, more);
}

constexpr std::string_view kEveryPart =
    R"(,"strata":"site","stages":[{"devices":1,"shadow":true,"least_minutes":1,)"
    R"("least_observations":10,"negligible":0.1,"allowed":0.1},{"percent":50,"margin":2,)"
    R"("errors_an_hour":1,"failures":1},{"percent":100}],"measures":["errors","slow frames"],)"
    R"("look_s":60,"history_looks":2,"one_way":true,"not_before":"2026-11-28T18:41:40Z",)"
    R"("window":{"from":"22:00","to":"05:30"})";

std::string csr_of(const std::string& device, Json::Members more = {}) {
  more.emplace("csr", HubWorld::certificate_request(device));
  return Json(std::move(more)).compact();
}

std::vector<Seed> seeds() {
  const std::string digest = trust::hex(trust::sha256("a file"));
  const std::string blob = "/repository/blobs/sha256/@prefix/@blob";
  return {
      {"GET /healthz", "/healthz"},
      {"GET /openapi.json", "/openapi.json"},
      {"GET /metrics", "/metrics"},
      {"GET /v1/me", "/v1/me"},
      {"GET /repository/metadata/{name}", "/repository/metadata/timestamp.json"},
      {"GET /repository/metadata/{name}", "/repository/metadata/1.root.json", "",
       "Range: bytes=5-\n"},
      {"GET /repository/targets/{path}", "/repository/targets/people/1.0.0/@manifest.manifest.json",
       "", "Range: bytes=-10\n"},
      {"GET /repository/blobs/sha256/{prefix}/{digest}", blob, "", "Range: bytes=1-3\n"},
      {"GET /repository/blobs/sha256/{prefix}/{digest}", blob, "", "If-None-Match: \"x\"\n"},
      {"GET /v1/repository", "/v1/repository"},
      {"POST /v1/uploads", "/v1/uploads", R"({"sha256":[")" + digest + R"("]})"},
      {"GET /v1/uploads/{sha256}", "/v1/uploads/@uploaded"},
      {"POST /v1/uploads/{sha256}", "/v1/uploads/" + digest + "?from=0&total=6", "a file"},
      {"POST /v1/publications", "/v1/publications", "@publication"},
      {"GET /v1/approvals", "/v1/approvals?state=open&limit=1"},
      {"GET /v1/approvals", "/v1/approvals?after=@approval"},
      {"GET /v1/approvals/{id}", "/v1/approvals/@approval"},
      {"POST /v1/approvals/{id}/approve", "/v1/approvals/@approval/approve"},
      {"POST /v1/approvals/{id}/reject", "/v1/approvals/@approval/reject"},
      {"GET /v1/releases", "/v1/releases?model=people&limit=1&after=people/1.0.0"},
      {"GET /v1/releases/{model}/{version}", "/v1/releases/people/1.0.0"},
      {"GET /v1/models", "/v1/models"},
      {"GET /v1/models/{name}", "/v1/models/people"},
      {"PUT /v1/models/{name}/aliases/{alias}", "/v1/models/people/aliases/tried",
       R"({"version":"1.1.0"})"},
      {"PUT /v1/models/{name}/aliases/{alias}", "/v1/models/people/aliases/champion",
       R"({"version":"1.0.0"})"},
      {"POST /v1/tokens", "/v1/tokens", R"({"name":"anna","role":"operator","valid_s":3600})",
       "Idempotency-Key: 7\n"},
      {"GET /v1/tokens", "/v1/tokens?limit=1&after=@token"},
      {"POST /v1/tokens/{id}/revoke", "/v1/tokens/@token/revoke"},
      {"POST /v1/enrolment-tokens", "/v1/enrolment-tokens", R"({"device":"cam-9","valid_s":60})"},
      {"POST /v1/enrolment-token-batches", "/v1/enrolment-token-batches",
       R"({"devices":["cam-9","cam-10"],"valid_s":60})"},
      {"GET /v1/enrolment-tokens", "/v1/enrolment-tokens?limit=1"},
      {"POST /v1/enrolment-tokens/{id}/revoke", "/v1/enrolment-tokens/@invitation/revoke"},
      {"POST /v1/enrol", "/v1/enrol", csr_of("cam-5", {{"token", "@enrolment"}})},
      {"POST /v1/renew", "/v1/renew", csr_of("cam-1")},
      {"GET /v1/self", "/v1/self"},
      {"GET /v1/devices", "/v1/devices?query=site%3Dams&limit=1&after=cam-0"},
      {"GET /v1/devices/{id}", "/v1/devices/cam-1"},
      {"POST /v1/devices/{id}/revoke", "/v1/devices/cam-2/revoke"},
      {"PUT /v1/devices/{id}/tags", "/v1/devices/cam-2/tags", R"({"site":"rtm","line":"3"})"},
      {"GET /v1/groups", "/v1/groups"},
      {"GET /v1/groups/{name}", "/v1/groups/ams"},
      {"PUT /v1/groups/{name}", "/v1/groups/rtm", R"({"query":"site=rtm"})"},
      {"POST /v1/groups/{name}/remove", "/v1/groups/ams/remove"},
      {"POST /v1/rollouts", "/v1/rollouts", order("people")},
      {"POST /v1/rollouts", "/v1/rollouts", order("people", kEveryPart), "Idempotency-Key: 8\n"},
      {"POST /v1/rollouts", "/v1/rollouts", order("people", R"(,"other_version":"1.0.0")")},
      {"POST /v1/rollout-previews", "/v1/rollout-previews", order("people", kEveryPart)},
      {"GET /v1/rollouts", "/v1/rollouts?phase=running&limit=1"},
      {"GET /v1/rollouts/{id}", "/v1/rollouts/@rollout"},
      {"GET /v1/rollouts/{id}/looks", "/v1/rollouts/@rollout/looks?after=2026-11-28T18:41:40Z"},
      {"GET /v1/rollouts/{id}/devices", "/v1/rollouts/@rollout/devices?limit=1&after=cam-1"},
      {"POST /v1/rollouts/{id}/pause", "/v1/rollouts/@rollout/pause", R"({"reason":"rain"})"},
      {"POST /v1/rollouts/{id}/resume", "/v1/rollouts/@paused/resume"},
      {"POST /v1/rollouts/{id}/abort", "/v1/rollouts/@rollout/abort", R"({"reason":"rain"})"},
      {"POST /v1/checkin", "/v1/checkin", HubWorld::checkin("cam-1", 100)},
      {"GET /v1/devices/{id}/metrics",
       "/v1/devices/cam-1/metrics?unit=people&from=2026-11-28T18:41:40Z&limit=2"},
      {"GET /v1/fleet", "/v1/fleet"},
      {"GET /v1/audit", "/v1/audit?limit=2&before=9&act=token_created&actor=a&object=v"},
      {"GET /v1/audit/checkpoint", "/v1/audit/checkpoint"},
      {"GET /v1/audit/{id}/proof", "/v1/audit/1/proof"},
  };
}

std::string text_of(const Seed& seed, const hub::Route& route) {
  const std::string type = route.has_body ? fmt::format("Content-Type: {}\n", route.body_type) : "";
  return fmt::format("{} {}\n{}{}\n{}", route.method, seed.target, seed.headers, type, seed.body);
}

// What a dictionary of libFuzzer takes: quoted, with its own escapes.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c < ' ') out += fmt::format("\\x{:02X}", c);
    else out += c;
  }
  return out + "\"\n";
}

void add_word(std::string_view word, std::set<std::string>& words) {
  constexpr std::size_t kMaxWord = 64;
  if (word.size() > 1 && word.size() <= kMaxWord) words.insert(quoted(word));
}

// Names of members and of queries, values that are one of a few, parts of addresses.
void add_words(const Json& json, std::set<std::string>& words) {
  if (const Json::Array* const array = json.array())
    for (const Json& item : *array) add_words(item, words);
  const Json::Members* const members = json.members();
  if (!members) return;
  for (const auto& [name, member] : *members) {
    if ((name == "properties" || name == "paths") && member.members())
      for (const auto& [each, meaning] : *member.members())
        add_word(name == "paths" ? each : fmt::format("\"{}\":", each), words);
    if (name == "enum" && member.array())
      for (const Json& value : *member.array())
        if (value.string()) add_word(*value.string(), words);
    if (name == "name" && member.string()) add_word(*member.string() + "=", words);
    add_words(member, words);
  }
}

}  // namespace

int write_hub_seeds(const std::string& folder) {
  HubWorld world;
  const std::vector<Seed> all = seeds();
  int written = 0;
  for (const hub::Route& route : hub::routes()) {
    const std::string name = fmt::format("{} {}", route.method, route.path);
    const int before = written;
    for (const Seed& seed : all) {
      if (seed.route != name) continue;
      const std::string text = text_of(seed, route);
      const hub::Response response = world.ask(text);
      world.reset();
      if (response.status >= 300) {
        std::fprintf(stderr, "%s\n%s\n", text.c_str(), response.body.c_str());
        return 0;
      }
      written += write_file_atomic(fmt::format("{}/{}", folder, written), text).ok();
    }
    if (written > before) continue;
    std::fprintf(stderr, "%s: no seed of fuzz/hub_seeds.cpp asks for it\n", name.c_str());
    return 0;
  }
  return written;
}

int write_hub_words(const std::string& path) {
  HubWorld world;
  const auto described = Json::parse(world.ask("GET /openapi.json\n\n").body, "openapi.json");
  if (!described.ok()) return 0;
  std::set<std::string> words;
  add_words(*described, words);
  for (const auto& [word, meaning] : world.words()) add_word(word, words);
  for (const char* const header : {"Content-Type: application/json\n", "Range: bytes=",
                                   "Idempotency-Key: ", "If-None-Match: \"", "Authorization: "})
    add_word(header, words);
  std::string text;
  for (const std::string& word : words) text += word;
  return write_file_atomic(path, text).ok() ? static_cast<int>(words.size()) : 0;
}

}  // namespace polder::fuzz
