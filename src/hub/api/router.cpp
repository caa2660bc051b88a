#include "hub/api/router.h"

#include <cmath>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "hub/api/handlers.h"
#include "hub/api/once.h"
#include "hub/api/problem.h"
#include "proto/report.h"
#include "trust/digest.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

constexpr Route kRoutes[] = {
    {"GET", "/healthz", Access::kAnyone, get_health},
    {"GET", "/openapi.json", Access::kAnyone, get_openapi},
    {"GET", "/metrics", Access::kViewer, get_metrics},
    {"GET", "/v1/me", Access::kViewer, show_me},
    {"GET", "/repository/metadata/{name}", Access::kAnyone, get_metadata},
    {"GET", "/repository/targets/{path}", Access::kAnyone, get_target},
    {"GET", "/repository/blobs/sha256/{prefix}/{digest}", Access::kAnyone, get_blob},
    {"GET", "/v1/repository", Access::kViewer, show_repository},
    {"POST", "/v1/uploads", Access::kReleaser, list_missing_uploads, true},
    {"GET", "/v1/uploads/{sha256}", Access::kReleaser, show_upload},
    {"POST", "/v1/uploads/{sha256}", Access::kReleaser, add_upload, true, false, kMaxLargeBodyBytes,
     "application/octet-stream"},
    {"POST", "/v1/publications", Access::kReleaser, create_publication, true, false,
     kMaxLargeBodyBytes},
    {"GET", "/v1/approvals", Access::kViewer, list_approvals},
    {"GET", "/v1/approvals/{id}", Access::kViewer, show_approval},
    {"POST", "/v1/approvals/{id}/approve", Access::kReleaser, approve_one},
    {"POST", "/v1/approvals/{id}/reject", Access::kReleaser, reject_one, true, false, kMaxBodyBytes,
     "application/json", true},
    {"GET", "/v1/releases", Access::kViewer, list_releases},
    {"GET", "/v1/releases/{model}/{version}", Access::kViewer, show_release},
    {"GET", "/v1/models", Access::kViewer, list_models},
    {"GET", "/v1/models/{name}", Access::kViewer, show_model},
    {"PUT", "/v1/models/{name}/aliases/{alias}", Access::kReleaser, set_model_alias, true},
    {"POST", "/v1/tokens", Access::kAdmin, create_person_token, true, true},
    {"GET", "/v1/tokens", Access::kAdmin, list_person_tokens},
    {"POST", "/v1/tokens/{id}/revoke", Access::kAdmin, revoke_person_token},
    {"POST", "/v1/enrolment-tokens", Access::kAdmin, create_enrolment_token, true, true},
    {"POST", "/v1/enrolment-token-batches", Access::kAdmin, create_enrolment_tokens, true, true},
    {"GET", "/v1/enrolment-tokens", Access::kAdmin, list_enrolment_tokens},
    {"POST", "/v1/enrolment-tokens/{id}/revoke", Access::kAdmin, revoke_enrolment_token},
    {"POST", "/v1/enrol", Access::kAnyone, enrol, true},
    {"POST", "/v1/renew", Access::kKnownKey, renew, true},
    {"GET", "/v1/self", Access::kDevice, show_self},
    {"GET", "/v1/devices", Access::kViewer, list_devices},
    {"GET", "/v1/devices/{id}", Access::kViewer, show_device},
    {"POST", "/v1/devices/{id}/revoke", Access::kOperator, revoke_device},
    {"PUT", "/v1/devices/{id}/tags", Access::kOperator, set_device_tags, true},
    {"GET", "/v1/groups", Access::kViewer, list_groups},
    {"GET", "/v1/groups/{name}", Access::kViewer, show_group},
    {"PUT", "/v1/groups/{name}", Access::kOperator, set_group, true},
    {"POST", "/v1/groups/{name}/remove", Access::kOperator, remove_group},
    {"POST", "/v1/rollouts", Access::kOperator, create_rollout, true},
    {"POST", "/v1/rollout-previews", Access::kOperator, preview_rollout, true},
    {"GET", "/v1/rollouts", Access::kViewer, list_rollouts},
    {"GET", "/v1/rollouts/{id}", Access::kViewer, show_rollout},
    {"GET", "/v1/rollouts/{id}/looks", Access::kViewer, list_rollout_looks},
    {"GET", "/v1/rollouts/{id}/devices", Access::kViewer, list_rollout_devices},
    {"POST", "/v1/rollouts/{id}/pause", Access::kOperator, pause_rollout, true},
    {"POST", "/v1/rollouts/{id}/resume", Access::kOperator, resume_rollout},
    {"POST", "/v1/rollouts/{id}/abort", Access::kOperator, abort_rollout, true},
    {"POST", "/v1/checkin", Access::kDevice, check_in, true, false, proto::kMaxCheckinBytes,
     proto::kCheckinType},
    {"GET", "/v1/devices/{id}/metrics", Access::kViewer, list_metrics},
    {"GET", "/v1/fleet", Access::kViewer, show_fleet},
    {"GET", "/v1/audit", Access::kViewer, list_audit},
    {"GET", "/v1/audit/checkpoint", Access::kViewer, show_checkpoint},
    {"GET", "/v1/audit/{id}/proof", Access::kViewer, prove_audit},
};

// What stands for the "{...}" of a path, if it is that of the target.
std::optional<std::vector<std::string>> match(std::string_view pattern,
                                              const std::vector<std::string>& path) {
  std::vector<std::string> parts;
  std::size_t i = 0;
  for (; !pattern.empty(); ++i) {
    pattern.remove_prefix(1);  // '/'
    const std::string_view part = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(part.size());
    if (i >= path.size()) return {};
    if (part == "{path}") {
      parts.insert(parts.end(), path.begin() + static_cast<std::ptrdiff_t>(i), path.end());
      return parts;
    }
    if (part.starts_with('{')) parts.push_back(path[i]);
    else if (part != path[i]) return {};
  }
  if (i != path.size()) return {};
  return parts;
}

Asker asker_of(Access access) {
  if (access == Access::kAnyone) return Asker::kAnyone;
  const bool is_device = access == Access::kDevice || access == Access::kKnownKey;
  return is_device ? Asker::kDevice : Asker::kPerson;
}

// Whatever its parameters are.
bool is_type(std::string_view type, std::string_view expected) {
  if (!type.starts_with(expected)) return false;
  type.remove_prefix(expected.size());
  return type.empty() || type[0] == ';' || type[0] == ' ';
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

namespace {

// To JSON Schema, and to those who write JSON, 5.0 is an integer.
trust::Json with_integers(trust::Json json) {
  constexpr double kMaxExact = 9'007'199'254'740'992;  // 2^53
  if (const double* const number = json.number())
    if (std::trunc(*number) == *number && std::abs(*number) <= kMaxExact)
      return static_cast<std::int64_t>(*number);
  if (trust::Json::Array* const array = json.array())
    for (trust::Json& item : *array) item = with_integers(std::move(item));
  if (trust::Json::Members* const members = json.members())
    for (auto& [name, member] : *members) member = with_integers(std::move(member));
  return json;
}

}  // namespace

Result<trust::Json> Call::json() const {
  auto read = trust::Json::parse(request.body, "body");
  // Its caps are of depth and of values: what is too large was refused before.
  if (!read.ok()) return Error{Code::kInvalid, read.error().message};
  return with_integers(std::move(*read));
}

Response document(const trust::Json& json, const Request& request, int status) {
  Response response{.status = status, .body = json.compact() + "\n"};
  if (request.method != "GET" && request.method != "HEAD") return response;
  const std::string tag = '"' + trust::hex(trust::sha256(response.body)).substr(0, 32) + '"';
  response.headers.emplace_back("ETag", tag);
  if (request.if_none_match != tag && request.if_none_match != "*") return response;
  response.status = 304;
  response.body.clear();
  return response;
}

trust::Json time_or_null(const Value& seconds) {
  return seconds.is_null() ? trust::Json() : trust::Json(trust::tuf::time_text(seconds.integer()));
}

std::optional<Response> Router::too_often(std::string_view kind, std::string_view name,
                                          const Limit& limit, const Request& request) {
  const std::int64_t wait_s = limits_.take(fmt::format("{} {}", kind, name), limit);
  if (wait_s == 0) return {};
  Response response = problem(
      429,
      fail(Code::kUnavailable, "too many requests by {} {}: again in {} s", kind, name, wait_s),
      request.id);
  response.headers.emplace_back("Retry-After", std::to_string(wait_s));
  return response;
}

Result<std::optional<Response>> Router::refusal(const Route& route, Call& call, bool counts) {
  const Request& request = call.request;
  const auto of_address = [&] {
    return too_often("address", request.peer, kAddressLimit, request);
  };
  if (route.access == Access::kDevice || route.access == Access::kKnownKey) {
    auto device = device_of(hub_, request.certificate);
    if (route.access == Access::kKnownKey && !device.ok() && device.error().code == Code::kDenied)
      device = known_key(hub_, request.certificate, std::move(device).error());
    if (!device.ok() && device.error().code == Code::kDenied)
      return std::optional(of_address().value_or(problem(401, device.error(), request.id)));
    if (!device.ok()) return device.error();
    call.device = std::move(*device);
    call.actor = call.device.id;
    if (auto wait = too_often("device", call.actor, kDeviceLimit, request)) return wait;
  } else if (route.access == Access::kAnyone) {
    auto wait = route.has_body ? of_address()
                               : too_often("open address", request.peer, kOpenLimit, request);
    if (wait) return wait;
  } else {
    const auto person = person_of(hub_, request.authorization);
    if (!person.ok() && person.error().code == Code::kDenied)
      return std::optional(of_address().value_or(problem(401, person.error(), request.id)));
    if (!person.ok()) return person.error();
    if (counts)
      if (auto wait = too_often("person", person->name, person_limit_, request)) return wait;
    const auto needed =
        static_cast<Role>(static_cast<int>(route.access) - static_cast<int>(Access::kViewer));
    if (person->role < needed)
      return fail(Code::kDenied, "{} has the role {}; this needs {}", person->name,
                  role_name(person->role), role_name(needed));
    call.actor = person->name;
    call.role = person->role;
  }
  return std::optional<Response>();
}

Result<Response> Router::serve(const Route& route, Call& call) {
  const Request& request = call.request;
  TRY_VALUE(std::optional<Response> refused, refusal(route, call, true));
  if (refused) return std::move(*refused);
  const bool has_content = route.has_body && !(route.may_be_empty && request.body.empty());
  if (has_content && !is_type(request.content_type, route.body_type))
    return problem(415, fail(Code::kUnsupported, "'Content-Type: {}' expected", route.body_type),
                   request.id);
  if (!route.has_body && !request.body.empty())
    return fail(Code::kInvalid, "a body of {} bytes; none expected", request.body.size());
  const bool is_person = route.access >= Access::kViewer;
  if (!is_person || route.method == "GET" || request.idempotency_key.empty())
    return route.handler(call);
  return serve_once(route, call);
}

Result<Response> Router::serve_once(const Route& route, const Call& call) {
  const Once once(call.actor, call.request);
  TRY_VALUE(std::optional<Response> earlier, once.earlier(hub_));
  if (earlier) return std::move(*earlier);
  Hub marking = hub_;
  marking.also = [&](Database& database) { return once.mark(database, hub_.wall.now_s()); };
  const Call marked{marking,    call.health, call.traffic, call.request, call.target,
                    call.parts, call.actor,  call.role,    call.device};
  auto response = route.handler(marked);
  if (response.ok() && response->status < 300) once.keep(hub_, *response, route.shows_secret);
  return response;
}

BodyRule Router::may_send(const Request& head) {
  const auto target = Target::parse(head.target);
  if (!target.ok()) return {};
  for (const Route& route : kRoutes) {
    if (route.method != head.method) continue;
    auto parts = match(route.path, target->path);
    if (!parts) continue;
    if (!route.has_body || route.max_body <= kMaxBodyBytes) return {};
    Call call{hub_, health_, traffic_, head, *target, std::move(*parts), {}, Role::kViewer, {}};
    auto refused = refusal(route, call, false);  // it comes again with its body
    if (!refused.ok()) return {.refusal = problem(refused.error(), head.id)};
    return {.max_bytes = route.max_body, .refusal = std::move(*refused)};
  }
  return {};
}

Response Router::answer(const Request& request) {
  const auto target = Target::parse(request.target);
  if (!target.ok()) return problem(target.error(), request.id);
  // Who may GET may ask for the headers alone; the server leaves the body out.
  std::string_view method = request.method;
  if (method == "HEAD") method = "GET";
  std::string allowed;
  for (const Route& route : kRoutes) {
    auto parts = match(route.path, target->path);
    if (!parts) continue;
    if (route.method != method) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
      if (route.method == "GET") allowed += ", HEAD";
      continue;
    }
    Call call{hub_, health_, traffic_, request, *target, std::move(*parts), {}, {}, {}};
    auto served = serve(route, call);
    if (!served.ok() && status_of(served.error().code) >= 500)
      hub_.log(fmt::format("request {}: {} {}: {}", request.id, route.method, route.path,
                           served.error().message));
    Response response = served.ok() ? std::move(*served) : problem(served.error(), request.id);
    response.asker = asker_of(route.access);
    return response;
  }
  if (allowed.empty())
    return problem(fail(Code::kNotFound, "there is no such address; /openapi.json lists them"),
                   request.id);
  Response response = problem(
      405, fail(Code::kUnsupported, "not by this method; {} may be used", allowed), request.id);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace polder::hub
