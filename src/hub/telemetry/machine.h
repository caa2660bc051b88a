// What devices are and can run, as they have told (proto::Machine), kept and shown.
//
//   TRY(keep_machine(database, device, *checkin.machine, now_s));
//
// A row of each device; the targets that it runs have rows of their own, to find it by. What it
// can run (`abilities`) is a text that is the same for devices of a kind: hub/rollouts/able.h.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string_view>

#include "hub/store/database.h"
#include "proto/report.h"
#include "trust/json.h"

namespace polder::hub {

// Both as parts of a Work, of a device that is enrolled. Errors: those of tell().

// In place of what it told before. One that can run something else than then takes part in rollouts
// accordingly.
Status keep_machine(Database& database, std::string_view device, const proto::Machine& machine,
                    std::int64_t now_s);
// Whether it has told what it is, since the hub went on from a backup where it did.
Result<bool> knows_machine(Database& database, std::string_view device);

// Of the columns told_s, abilities and details of device_machine; null where there is no row.
// Errors: kIo.
Result<trust::Json> machine_json(const Value& told_s, const Value& abilities, const Value& details);

}  // namespace polder::hub
