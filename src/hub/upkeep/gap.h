// What a hub that goes on from a backup does not know: what came between the backup and now.
// Devices know some of it, and it is taken from them: certificates that this hub's authority gave
// in that time, which releases they run, which version of the repository they trust.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hub/api/identity.h"
#include "hub/store/database.h"
#include "hub/store/readers.h"
#include "trust/certificate.h"

namespace polder::hub {

// A row of `restoration`: the last time that this hub went on from a backup.
struct Restoration {
  std::int64_t restored_s = 0, taken_s = 0;
  std::int64_t version = 0;  // of the repository's timestamp in the backup

  // A hub publishes less than once a second: beyond this, what a device says is no version of it.
  std::int64_t lost_versions() const { return restored_s - taken_s + 1'000; }
  std::int64_t highest_version() const { return version + lost_versions(); }
};
Result<std::optional<Restoration>> last_restoration(Readers& readers);
Result<std::optional<Restoration>> last_restoration(Database& database);

// A device by a certificate of this hub that is not on record, where it was given in such a gap:
// its record is made good. Errors: kDenied for any other, for a device that is revoked, and for one
// whose name or key is another's; those of stored().
Result<EnrolledDevice> take_back(const Hub& hub, const trust::CertificateFacts& facts,
                                 const std::string& certificate_pem);

// Whether what a device last said of a model, at `seen_s`, is of before the last restoration. Until
// it has said what it runs it is told of no release of that model (Publisher). Errors: those of
// ask().
Result<bool> is_before_restoration(Database& database, std::int64_t seen_s);

// As a part of a Work, for the first time after that that it says what it runs ("": nothing that is
// well): a rollout that is lost may have brought it, so it stays. Errors: those of ask().
Status keep_what_runs(Database& database, std::string_view device, std::string_view model,
                      std::string_view running);

}  // namespace polder::hub
