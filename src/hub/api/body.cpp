#include "hub/api/body.h"

#include "base/fail.h"
#include "base/text.h"

namespace polder::hub {

Result<std::string> reason_of(const Call& call) {
  constexpr std::size_t kMaxReasonBytes = 2'000;
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  TRY(body.only({"reason"}));
  TRY_VALUE(const std::string reason, body.text("reason", kMaxReasonBytes));
  if (reason.empty()) return fail(Code::kInvalid, "body.reason: text expected");
  return one_line(reason);
}

}  // namespace polder::hub
