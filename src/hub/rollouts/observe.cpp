#include "hub/rollouts/observe.h"

namespace polder::hub {

Status observe(Database& /*database*/, std::string_view /*device*/, const proto::Report& /*report*/,
               std::int64_t /*now_s*/) {
  return {};
}

}  // namespace polder::hub
