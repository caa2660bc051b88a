// Whether the hub is well, and what it can be asked.
#include "base/fail.h"
#include "hub/api/handlers.h"
#include "hub_openapi_json.h"

namespace polder::hub {

Result<Response> get_health(const Call& call) {
  TRY(call.target.only({}));
  TRY(call.health.check());
  return document(trust::Json::Members{{"status", "ok"}}, call.request);
}

Result<Response> get_openapi(const Call& call) {
  TRY(call.target.only({}));
  return Response{.body = std::string(kOpenapiJson)};
}

}  // namespace polder::hub
