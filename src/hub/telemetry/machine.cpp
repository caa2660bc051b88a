#include "hub/telemetry/machine.h"

#include <string>
#include <utility>

#include "hub/api/router.h"
#include "hub/rollouts/members.h"
#include "hub/store/ask.h"
#include "hub/upkeep/gap.h"
#include "trust/digest.h"

namespace polder::hub {
namespace {

using trust::Json;

Json::Array list_of(const std::vector<std::string>& names) { return {names.begin(), names.end()}; }

std::string abilities_of(const proto::Machine& machine) {
  return Json(Json::Members{{"targets", list_of(machine.targets)},
                            {"backends", list_of(machine.backends)},
                            {"plan_format", std::int64_t{machine.plan_format}}})
      .compact();
}

std::string details_of(const proto::Machine& machine) {
  return Json(Json::Members{
                  {"architecture", machine.architecture},
                  {"cpu", machine.cpu},
                  {"cpus", std::int64_t{machine.cpus}},
                  {"memory_bytes", static_cast<std::int64_t>(machine.memory_bytes)},
                  {"system", machine.system},
                  {"kernel", machine.kernel},
                  {"operators", Json::Members{{"count", std::int64_t{machine.operators}},
                                              {"sha256", trust::hex(machine.operators_digest)}}}})
      .compact();
}

}  // namespace

Status keep_machine(Database& database, std::string_view device, const proto::Machine& machine,
                    std::int64_t now_s) {
  const std::string abilities = abilities_of(machine);
  TRY_VALUE(const Rows before,
            ask(database, "SELECT abilities FROM device_machine WHERE device = ?", {device}));
  TRY(tell(database,
           "INSERT INTO device_machine (device, told_s, abilities, details) VALUES (?, ?, ?, ?) "
           "ON CONFLICT (device) DO UPDATE SET told_s = excluded.told_s, "
           "abilities = excluded.abilities, details = excluded.details",
           {device, now_s, abilities, details_of(machine)}));
  if (!before.empty() && before[0][0].text() == abilities) return {};
  TRY(tell(database, "DELETE FROM device_target WHERE device = ?", {device}));
  for (const std::string& target : machine.targets)
    TRY(tell(database,
             "INSERT INTO device_target (device, target) VALUES (?, ?) ON CONFLICT DO NOTHING",
             {device, target}));
  // It may be able now, also where it is another machine with the name of one that was not.
  return enlist_anew(database, device, now_s);
}

Result<bool> knows_machine(Database& database, std::string_view device) {
  TRY_VALUE(const Rows rows,
            ask(database, "SELECT told_s FROM device_machine WHERE device = ?", {device}));
  if (rows.empty()) return false;
  TRY_VALUE(const bool is_before, is_before_restoration(database, rows[0][0].integer()));
  return !is_before;
}

Result<Json> machine_json(const Value& told_s, const Value& abilities, const Value& details) {
  if (told_s.is_null()) return Json();
  auto machine = Json::parse(details.text(), "device_machine.details");
  auto able = Json::parse(abilities.text(), "device_machine.abilities");
  if (!machine.ok() || !machine->members() || !able.ok() || !able->members())
    return Error{Code::kIo, "device_machine: no JSON"};
  Json::Members members = std::move(*machine->members());
  members.merge(*able->members());
  members.emplace("told", time_or_null(told_s));
  return Json(std::move(members));
}

}  // namespace polder::hub
