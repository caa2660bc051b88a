// The registry: models, their releases, and the aliases that releases have.
#include <algorithm>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "hub/api/handlers.h"
#include "hub/repository/publications.h"
#include "hub/repository/registry.h"
#include "trust/tuf_updater.h"
#include "trust/version.h"

namespace polder::hub {
namespace {

constexpr std::string_view kReleases =
    "SELECT model, version, manifest, state, added_s, added_by, approved_by, details "
    "FROM model_release ";

// In a list without what is long.
Result<trust::Json> release_json(const Row& row, bool is_whole) {
  trust::Json::Members members{
      {"model", row[0].text()},
      {"version", row[1].text()},
      {"manifest", row[2].text()},
      {"state", row[3].text()},
      {"added", time_or_null(row[4])},
      {"added_by", row[5].text()},
      {"approved_by", row[6].is_null() ? trust::Json() : trust::Json(row[6].text())}};
  const auto details = trust::Json::parse(row[7].text(), "model_release.details");
  if (!details.ok() || !details->members()) return Error{Code::kIo, "model_release.details"};
  for (const auto& [name, value] : *details->members())
    if (is_whole || name == "license" || name == "bytes" || name == "created")
      members.emplace(name, value);
  return trust::Json(std::move(members));
}

// Published versions, the lowest first, and aliases; of one model or, "", of all.
struct Model {
  std::vector<trust::Version> versions;
  trust::Json::Members aliases;
};
Result<std::map<std::string, Model>> read_models(const Hub& hub, const std::string& name) {
  std::map<std::string, Model> models;
  TRY_VALUE(const Rows releases,
            ask(hub,
                "SELECT model, version FROM model_release WHERE state = 'published' AND "
                "(? = '' OR model = ?)",
                {name, name}));
  for (const Row& row : releases) {
    auto version = trust::Version::parse(row[1].text(), "model_release.version");
    if (!version.ok()) return Error{Code::kIo, version.error().message};
    models[row[0].text()].versions.push_back(*std::move(version));
  }
  TRY_VALUE(const Rows aliases,
            ask(hub, "SELECT model, alias, version FROM model_alias WHERE ? = '' OR model = ?",
                {name, name}));
  for (const Row& row : aliases) models[row[0].text()].aliases[row[1].text()] = row[2].text();
  for (auto& [model, facts] : models)
    std::ranges::sort(facts.versions, [](const auto& a, const auto& b) { return a < b; });
  return models;
}

trust::Json model_json(const std::string& name, const Model& model) {
  trust::Json::Array versions;
  for (const trust::Version& version : model.versions) versions.emplace_back(version.text());
  return trust::Json::Members{
      {"name", name}, {"versions", std::move(versions)}, {"aliases", model.aliases}};
}

}  // namespace

namespace {

// By model, and of one the newest version first: an order that no database has.
struct Place {
  std::string model;
  trust::Version version;
};
bool operator<(const Place& a, const Place& b) {
  if (a.model != b.model) return a.model < b.model;
  if (a.version != b.version) return b.version < a.version;
  return a.version.text() < b.version.text();
}

Result<std::vector<Place>> places_of(const Hub& hub, const std::string& model) {
  TRY_VALUE(const Rows rows,
            ask(hub, "SELECT model, version FROM model_release WHERE ? = '' OR model = ?",
                {model, model}));
  std::vector<Place> places;
  for (const Row& row : rows) {
    auto version = trust::Version::parse(row[1].text(), "model_release.version");
    if (!version.ok()) return Error{Code::kIo, version.error().message};
    places.push_back({row[0].text(), *std::move(version)});
  }
  std::ranges::sort(places, [](const Place& a, const Place& b) { return a < b; });
  return places;
}

// The first that comes after "MODEL/VERSION".
Result<std::size_t> first_after(const std::vector<Place>& places, const std::string& after) {
  if (after.empty()) return std::size_t{0};
  const std::size_t slash = std::min(after.find('/'), after.size());
  const auto version =
      trust::Version::parse(after.substr(std::min(slash + 1, after.size())), "version");
  if (!version.ok())
    return fail(Code::kNotFound, "the query: after: MODEL/VERSION expected, '{}' found",
                clipped(after));
  const auto found = std::ranges::upper_bound(places, Place{after.substr(0, slash), *version},
                                              [](const Place& a, const Place& b) { return a < b; });
  return static_cast<std::size_t>(found - places.begin());
}

}  // namespace

Result<Response> list_releases(const Call& call) {
  TRY(call.target.only({"model", "limit", "after"}));
  TRY_VALUE(const std::int64_t limit, call.target.integer("limit", 1, kMaxPage, kPage));
  const std::string model = call.target.text("model");
  TRY_VALUE(const auto places, places_of(call.hub, model));
  TRY_VALUE(const std::size_t first, first_after(places, call.target.text("after")));
  const std::size_t end = std::min(first + static_cast<std::size_t>(limit), places.size());
  std::map<std::pair<std::string, std::string>, trust::Json> releases;
  if (first < end) {
    // By name, as the database has an order of its own.
    std::string marks;
    Values models;
    for (std::size_t i = first; i < end; ++i) {
      if (i > first && places[i].model == places[i - 1].model) continue;
      marks += marks.empty() ? "?" : ", ?";
      models.emplace_back(places[i].model);
    }
    TRY_VALUE(const Rows rows,
              ask(call.hub, fmt::format("{}WHERE model IN ({})", kReleases, marks), models));
    for (const Row& row : rows) {
      TRY_VALUE(trust::Json release, release_json(row, false));
      releases.emplace(std::pair(row[0].text(), row[1].text()), std::move(release));
    }
  }
  trust::Json::Array list;
  for (std::size_t i = first; i < end; ++i)
    list.push_back(releases[{places[i].model, places[i].version.text()}]);
  trust::Json::Members page;
  if (end < places.size()) {
    const Place& last = places[end - 1];
    page.emplace("next",
                 fmt::format("/v1/releases?limit={}&after={}/{}{}{}", limit, last.model,
                             trust::tuf::percent_encoded(last.version.text()),
                             model.empty() ? "" : "&model=", trust::tuf::percent_encoded(model)));
  }
  page.emplace("releases", std::move(list));
  return document(std::move(page), call.request);
}

Result<Response> show_release(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const Rows rows,
            ask(call.hub, std::string(kReleases) + "WHERE model = ? AND version = ?",
                {call.parts[0], call.parts[1]}));
  if (rows.empty())
    return fail(Code::kNotFound,
                "there is no such release: 'polder hub releases' (/v1/releases) lists them");
  TRY_VALUE(const trust::Json release, release_json(rows[0], true));
  return document(release, call.request);
}

Result<Response> list_models(const Call& call) {
  TRY(call.target.only({"limit", "after"}));
  TRY_VALUE(const std::int64_t limit, call.target.integer("limit", 1, kMaxPage, kPage));
  TRY_VALUE(const auto models, read_models(call.hub, ""));
  trust::Json::Array list;
  trust::Json::Members page;
  auto each = models.upper_bound(call.target.text("after"));
  for (; each != models.end() && static_cast<std::int64_t>(list.size()) < limit; ++each)
    list.push_back(model_json(each->first, each->second));
  if (each != models.end())
    page.emplace("next",
                 fmt::format("/v1/models?limit={}&after={}", limit, std::prev(each)->first));
  page.emplace("models", std::move(list));
  return document(std::move(page), call.request);
}

Result<Response> show_model(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const auto models, read_models(call.hub, call.parts[0]));
  if (models.empty())
    return fail(Code::kNotFound,
                "there is no model of this name: 'polder hub models' (/v1/models) lists them");
  return document(model_json(models.begin()->first, models.begin()->second), call.request);
}

Result<Response> set_model_alias(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  TRY(body.only({"version"}));
  TRY_VALUE(const std::string version, body.text("version"));
  const std::string &model = call.parts[0], &alias = call.parts[1];
  TRY(check_name("the alias", alias));
  const bool needs_two = alias == kChampion;
  std::string approval;
  if (needs_two) {
    TRY_VALUE(const auto models, read_models(call.hub, model));
    const auto found = models.find(model);
    const auto is_it = [&](const trust::Version& each) { return each.text() == version; };
    if (found == models.end() || std::ranges::none_of(found->second.versions, is_it))
      return fail(Code::kNotFound,
                  "{} {} is not published; 'polder hub models' (/v1/models) lists what is",
                  clipped(model), clipped(version));
    TRY_VALUE(approval, ask_for_alias(call.hub, call.actor, model, alias, version));
  } else {
    Status done = write(call.hub, [&](Database& database) {
      return set_alias(database, model, alias, version, call.actor, call.hub.wall.now_s());
    });
    TRY(std::move(done));
  }
  trust::Json::Members answer{{"model", model}, {"alias", alias}, {"version", version}};
  if (needs_two) answer.emplace("approval", approval);
  return document(std::move(answer), call.request, needs_two ? 202 : 200);
}

}  // namespace polder::hub
