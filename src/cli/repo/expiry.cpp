#include "cli/repo/expiry.h"

#include <fmt/format.h>

#include "base/text.h"
#include "trust/tuf_metadata.h"

namespace polder::cli {

namespace {

using trust::tuf::Expiring;
using trust::tuf::kDayS;

std::string left_text(std::int64_t left_s) {
  if (left_s <= 0) return "has expired";
  if (left_s < 2 * kDayS) return fmt::format("expires in {} hours", left_s / 3600);
  return fmt::format("expires in {} days", left_s / kDayS);
}

}  // namespace

void print_expiring(std::FILE* stream, const std::vector<Expiring>& roles) {
  for (const Expiring& role : roles) {
    fmt::print(stream, "  warning: {} {}, {}: '{}'{}\n", one_line(role.role),
               left_text(role.left_s), trust::tuf::time_text(role.expires_s),
               one_line(role.renewal),
               trust::tuf::is_made_by_publishing(role.role) ? "" : ", and publish it");
  }
}

}  // namespace polder::cli
