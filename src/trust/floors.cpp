#include "trust/floors.h"

#include "base/fail.h"
#include "base/text.h"
#include "trust/manifest.h"

namespace polder::trust {

Result<Floors> Floors::parse(std::string_view bytes, std::string_view where) {
  if (bytes.size() > kMaxFloorsBytes) {
    return fail(Code::kExhausted, "{}: {} bytes; floors have at most {}", where, bytes.size(),
                kMaxFloorsBytes);
  }
  TRY_VALUE(const Json json, Json::parse(bytes, where));
  TRY_VALUE(const Object object, Object::of(json, std::string(where)));
  // First of all: another format has other members.
  TRY_VALUE(const std::int64_t format, object.integer("format", 1, INT64_MAX));
  if (format != kFloorsFormat) {
    return fail(Code::kIncompatible,
                "{}: floors of format {}; this build reads format {}: update polder first", where,
                format, kFloorsFormat);
  }
  TRY(object.only({"format", "floors"}));
  TRY_VALUE(const Object here, object.object("floors"));
  if (here.members().size() > kMaxFloors) {
    return fail(Code::kExhausted, "{}: {} models; {} at most", here.where(), here.members().size(),
                kMaxFloors);
  }
  Floors result;
  for (const auto& [model, value] : here.members()) {
    if (!is_release_name(model)) {
      return Error{Code::kCorrupt, not_a_name(here.where() + ": model", model)};
    }
    TRY_VALUE(const std::string text, here.text(model, kMaxVersionBytes));
    TRY_VALUE(result.floors[model], Version::parse(text, here.place(model)));
  }
  return result;
}

Json Floors::to_json() const {
  Json::Members members;
  for (const auto& [model, version] : floors) members.emplace(model, version.text());
  return Json::Members{{"format", kFloorsFormat}, {"floors", std::move(members)}};
}

bool Floors::allows(const std::string& model, const Version& version) const {
  const auto floor = floors.find(model);
  return floor == floors.end() || !(version < floor->second);
}

Status Floors::raise(const std::string& model, const Version& version) {
  if (!is_release_name(model)) {
    return Error{Code::kInvalid, not_a_name("model", model)};
  }
  if (!allows(model, version)) {
    return fail(Code::kDenied, "the floor of '{}' is {}, above {}: floors only rise", model,
                floors.at(model).text(), version.text());
  }
  if (!floors.contains(model) && floors.size() >= kMaxFloors) {
    return fail(Code::kExhausted, "{} models have floors, as many as there can be", kMaxFloors);
  }
  floors[model] = version;
  return {};
}

}  // namespace polder::trust
