#include "cli/repo/pushed.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "platform/file.h"
#include "trust/json.h"
#include "trust/tuf_limits.h"

namespace polder::cli {
namespace {

using trust::Json;
constexpr std::size_t kMaxPushed = 32, kMaxBytes = 1 << 20;

std::string place_of(const std::string& folder) { return folder + "/pushed.json"; }

Result<std::vector<Pushed>> read_pushed(const std::string& place) {
  TRY_VALUE(const std::string bytes, read_file(place, kMaxBytes));
  TRY_VALUE(const Json json, Json::parse(bytes, place));
  TRY_VALUE(const trust::Object file, trust::Object::of(json, place));
  TRY_VALUE(const Json::Array* const list, file.array("pushed", kMaxPushed));
  std::vector<Pushed> all;
  for (const Json& item : *list) {
    TRY_VALUE(const trust::Object object, trust::Object::of(item, file.place("pushed")));
    Pushed& one = all.emplace_back();
    TRY_VALUE(one.hub, object.text("hub"));
    TRY_VALUE(one.approval, object.text("approval"));
    TRY_VALUE(const trust::Object roles, object.object("roles"));
    for (const auto& [role, version] : roles.members()) {
      TRY_VALUE(one.roles[role], roles.integer(role, 0, trust::tuf::kMaxInteger));
    }
  }
  return all;
}

bool is_staged(const Pushed& one, const std::vector<trust::tuf::Staged>& staged) {
  return std::ranges::all_of(one.roles, [&](const auto& role) {
    const auto found = std::ranges::find(staged, role.first, &trust::tuf::Staged::role);
    return found != staged.end() && found->version == role.second;
  });
}

}  // namespace

std::vector<Pushed> pushed(const std::string& folder,
                           const std::vector<trust::tuf::Staged>& staged) {
  auto all = read_pushed(place_of(folder));
  if (!all.ok()) return {};
  std::erase_if(*all, [&](const Pushed& one) { return !is_staged(one, staged); });
  return *std::move(all);
}

Status note_pushed(const std::string& folder, const std::vector<trust::tuf::Staged>& staged,
                   Pushed one) {
  auto all = pushed(folder, staged);
  std::erase_if(all, [&](const Pushed& old) { return old.approval == one.approval; });
  all.push_back(std::move(one));
  if (all.size() > kMaxPushed) all.erase(all.begin());
  Json::Array list;
  for (const Pushed& each : all) {
    Json::Members roles;
    for (const auto& [role, version] : each.roles) roles.emplace(role, version);
    list.emplace_back(
        Json::Members{{"hub", each.hub}, {"approval", each.approval}, {"roles", std::move(roles)}});
  }
  return write_file_atomic(place_of(folder),
                           Json(Json::Members{{"pushed", std::move(list)}}).pretty());
}

Status forget_pushed(const std::string& folder) { return remove_file(place_of(folder)); }

}  // namespace polder::cli
