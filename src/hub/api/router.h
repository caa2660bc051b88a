// The HTTP API: which request is answered by what, and who may ask.
//
//   const Router router(hub);
//   const Response response = router.answer(request);
//
// Nothing here reads or writes but through the database: requests and responses are values.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hub/api/health.h"
#include "hub/api/identity.h"
#include "hub/api/limits.h"
#include "hub/api/message.h"
#include "hub/api/target.h"
#include "hub/api/traffic.h"
#include "hub/hub.h"
#include "trust/json.h"

namespace polder::hub {

// A role stands for those above it too.
// A device by its certificate; to renew one, also by its key, where the authority is another now.
enum class Access : std::uint8_t {
  kAnyone,
  kDevice,
  kKnownKey,
  kViewer,
  kOperator,
  kReleaser,
  kAdmin
};

// What a handler is given.
struct Call {
  const Hub& hub;
  Health& health;
  const Traffic& traffic;
  const Request& request;
  const Target& target;
  // For "{...}" of the path, in their order; for "{path}" at its end all that is left.
  std::vector<std::string> parts;
  std::string actor;          // who it is, for the audit log; empty for anyone
  Role role = Role::kViewer;  // of a person
  EnrolledDevice device;      // of Access::kDevice and kKnownKey

  // Errors: kInvalid.
  Result<trust::Json> json() const;
};

using Handler = Result<Response> (*)(const Call& call);

struct Route {
  std::string_view method;
  std::string_view path;  // "/v1/devices/{id}"
  Access access = Access::kAdmin;
  Handler handler = nullptr;
  bool has_body = false;
  bool shows_secret = false;  // in its answer, which is not kept then
  std::size_t max_body = kMaxBodyBytes;
  std::string_view body_type = "application/json";
  bool may_be_empty = false;  // its body: then it is of no type
};
std::span<const Route> routes();

// How often a person (unless the router is told another), a device, and an address of which nobody
// is known may ask.
inline constexpr Limit kPersonLimit{.a_second = 20, .at_once = 200};
inline constexpr Limit kDeviceLimit{.a_second = 2, .at_once = 60};
inline constexpr Limit kAddressLimit{.a_second = 5, .at_once = 100};
// And for what is open to anyone: many devices may have one address.
inline constexpr Limit kOpenLimit{.a_second = 500, .at_once = 5'000};

// Thread-safe. Borrows both; `clock` is that of limits.
class Router {
 public:
  Router(const Hub& hub, Clock& clock, const Limit& person_limit = kPersonLimit)
      : hub_(hub), person_limit_(person_limit), limits_(clock), health_(hub, clock) {}
  Response answer(const Request& request);
  // An answer is on its way, be it from here or the server's own: it is counted.
  void sent(const Response& response, std::int64_t took_us) {
    traffic_.add(response.asker, response.status, took_us);
  }
  // Of a request whose headers are there.
  BodyRule may_send(const Request& head);

 private:
  // Who it is; a response where it may not. `counts`: against how often a person may ask. Errors:
  // kDenied; the database's.
  Result<std::optional<Response>> refusal(const Route& route, Call& call, bool counts);
  Result<Response> serve(const Route& route, Call& call);
  Result<Response> serve_once(const Route& route, const Call& call);
  // 429 for who has asked too often.
  std::optional<Response> too_often(std::string_view kind, std::string_view name,
                                    const Limit& limit, const Request& request);

  const Hub& hub_;
  const Limit person_limit_;
  Limits limits_;
  Health health_;
  Traffic traffic_;
};

// A document; of what is read, with an ETag, or 304 for who has it already.
Response document(const trust::Json& json, const Request& request, int status = 200);

// In documents: "2026-11-28T18:41:40Z", or null.
trust::Json time_or_null(const Value& seconds);

}  // namespace polder::hub
