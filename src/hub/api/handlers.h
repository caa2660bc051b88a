// What the routes of the API do: system.cpp, people.cpp, enrol.cpp, devices.cpp and so on.
#pragma once

#include "hub/api/router.h"

namespace polder::hub {

// Entries of a list in one answer: unless asked for, and at most.
inline constexpr std::int64_t kPage = 100, kMaxPage = 1'000;

Result<Response> get_health(const Call& call);
Result<Response> get_openapi(const Call& call);
Result<Response> get_metrics(const Call& call);

Result<Response> show_me(const Call& call);
// repository.cpp
Result<Response> get_metadata(const Call& call);
Result<Response> get_target(const Call& call);
Result<Response> get_blob(const Call& call);
Result<Response> show_repository(const Call& call);
// publications.cpp
Result<Response> list_missing_uploads(const Call& call);
Result<Response> show_upload(const Call& call);
Result<Response> add_upload(const Call& call);
Result<Response> create_publication(const Call& call);
Result<Response> list_approvals(const Call& call);
Result<Response> show_approval(const Call& call);
Result<Response> approve_one(const Call& call);
Result<Response> reject_one(const Call& call);
// models.cpp
Result<Response> list_releases(const Call& call);
Result<Response> show_release(const Call& call);
Result<Response> list_models(const Call& call);
Result<Response> show_model(const Call& call);
Result<Response> set_model_alias(const Call& call);

Result<Response> create_person_token(const Call& call);
Result<Response> list_person_tokens(const Call& call);
Result<Response> revoke_person_token(const Call& call);
Result<Response> create_enrolment_token(const Call& call);
Result<Response> create_enrolment_tokens(const Call& call);
Result<Response> list_enrolment_tokens(const Call& call);
Result<Response> revoke_enrolment_token(const Call& call);

Result<Response> enrol(const Call& call);
Result<Response> renew(const Call& call);

Error no_such_device();  // kNotFound
Result<Response> list_devices(const Call& call);
Result<Response> show_device(const Call& call);
Result<Response> show_self(const Call& call);
Result<Response> revoke_device(const Call& call);
Result<Response> set_device_tags(const Call& call);

Result<Response> list_groups(const Call& call);
Result<Response> show_group(const Call& call);
Result<Response> set_group(const Call& call);
Result<Response> remove_group(const Call& call);

Result<Response> create_rollout(const Call& call);
Result<Response> preview_rollout(const Call& call);
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

// Who has checked in then or before, and not since, is silent.
inline std::int64_t silent_since_s(const Hub& hub) {
  return hub.wall.now_s() - kSeenLatelyPolls * hub.poll_s;
}

}  // namespace polder::hub
