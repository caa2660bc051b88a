// What the routes of the API do: system.cpp, people.cpp, enrol.cpp, devices.cpp, telemetry.cpp,
// rollouts.cpp and audit.cpp.
#pragma once

#include "hub/api/router.h"

namespace polder::hub {

Result<Response> get_health(const Call& call);
Result<Response> get_openapi(const Call& call);

Result<Response> show_me(const Call& call);
Result<Response> create_person_token(const Call& call);
Result<Response> list_person_tokens(const Call& call);
Result<Response> revoke_person_token(const Call& call);
Result<Response> create_enrolment_token(const Call& call);

Result<Response> enrol(const Call& call);
Result<Response> renew(const Call& call);

Result<Response> list_devices(const Call& call);
Result<Response> show_device(const Call& call);
Result<Response> show_self(const Call& call);
Result<Response> revoke_device(const Call& call);
Result<Response> set_device_tags(const Call& call);

Result<Response> create_rollout(const Call& call);
Result<Response> list_rollouts(const Call& call);
Result<Response> show_rollout(const Call& call);
Result<Response> list_rollout_looks(const Call& call);
Result<Response> list_rollout_devices(const Call& call);
Result<Response> pause_rollout(const Call& call);
Result<Response> resume_rollout(const Call& call);
Result<Response> abort_rollout(const Call& call);

Result<Response> check_in(const Call& call);
Result<Response> list_metrics(const Call& call);
Result<Response> show_fleet(const Call& call);
// Somebody looks at the device: it is to check in more often for a while.
void watch(const Hub& hub, const std::string& device);

Result<Response> list_audit(const Call& call);
Result<Response> show_checkpoint(const Call& call);
Result<Response> prove_audit(const Call& call);

}  // namespace polder::hub
