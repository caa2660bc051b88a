#include "hub/repository/registry.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "hub/record.h"
#include "trust/manifest.h"
#include "trust/tuf_limits.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

using trust::Json;
using trust::Manifest;

// Of the details of a publication that waits.
Result<std::vector<std::string>> releases_of(const std::string& details) {
  TRY_VALUE(const Json json, Json::parse(details, "approval.details"));
  TRY_VALUE(const trust::Object object, trust::Object::of(json, "approval.details"));
  return object.texts("releases", trust::tuf::kMaxTargets);
}

// What people want to know of a release, of what its manifest says.
Json::Members facts_of(const Manifest& manifest) {
  const Json document = manifest.to_json();
  std::int64_t bytes = 0;
  for (const auto& [digest, blob] : manifest.blobs) bytes += blob.bytes;
  const auto part = [&](std::string_view name, const Json& fallback) {
    const Json* const found = document.find(name);
    return found ? *found : fallback;
  };
  return {{"created", trust::tuf::time_text(manifest.created_s)},
          {"license", manifest.licence},
          {"bytes", bytes},
          {"artifacts", part("artifacts", Json::Array())},
          {"lineage", part("lineage", Json::Members())},
          {"model_card", part("card", Json::Members())}};
}

bool is_runtime(const Manifest& manifest) {
  return std::ranges::all_of(manifest.artifacts, [](const trust::Artifact& artifact) {
    return artifact.kind == trust::ArtifactKind::kRuntime;
  });
}

// Who has signed what lists the release.
Json signatures_of(const Proposal& proposal, const std::string& role) {
  Json::Array list;
  for (const trust::tuf::Staged& staged : proposal.roles) {
    if (staged.role != role) continue;
    for (const std::string& key : staged.signed_keys)
      list.emplace_back(Json::Members{{"role", role}, {"key", key}});
  }
  return list;
}

struct ReleaseName {
  std::string model, version;
};
ReleaseName name_of(std::string_view target) {
  const std::size_t first = target.find('/'), second = target.find('/', first + 1);
  return {std::string(target.substr(0, first)),
          std::string(target.substr(first + 1, second - first - 1))};
}

Result<Manifest> read(const std::string& target, const std::string& bytes) {
  TRY_VALUE(Manifest manifest, Manifest::parse(bytes, target));
  if (target == fmt::format("{}/{}/manifest.json", manifest.model, manifest.version.text()))
    return manifest;
  return fail(Code::kCorrupt, "{}: is the manifest of {} {}", target, manifest.model,
              manifest.version.text());
}

}  // namespace

Status note_waiting(Database& database, const Proposal& proposal, const ReleaseNote& note) {
  for (const ProposedRelease& release : proposal.releases) {
    TRY_VALUE(const Manifest manifest, read(release.target, release.manifest));
    TRY_VALUE(const Rows rows, ask(database,
                                   "SELECT manifest, state FROM model_release "
                                   "WHERE model = ? AND version = ?",
                                   {manifest.model, manifest.version.text()}));
    if (!rows.empty() && rows[0][0].text() != release.digest)
      return fail(Code::kDenied,
                  "{} {}: is {} and another: a release does not change; give it a new version",
                  manifest.model, manifest.version.text(), rows[0][1].text());
    // One that was withdrawn is what it was, and is published again.
    if (!rows.empty() && rows[0][1].text() != "waiting") continue;
    Json::Members facts = facts_of(manifest);
    facts.emplace("signatures", signatures_of(proposal, release.role));
    const std::string details = Json(std::move(facts)).compact();
    // Of several that bring it, it waits with the newest.
    if (!rows.empty()) {
      TRY(tell(database,
               "UPDATE model_release SET added_s = ?, added_by = ?, publication = ?, details = ? "
               "WHERE model = ? AND version = ?",
               {note.now_s, note.by, note.publication, details, manifest.model,
                manifest.version.text()}));
      continue;
    }
    TRY(tell(database,
             "INSERT INTO model_release (model, version, manifest, state, added_s, added_by, "
             "publication, is_runtime, details) VALUES (?, ?, ?, 'waiting', ?, ?, ?, ?, ?)",
             {manifest.model, manifest.version.text(), release.digest, note.now_s, note.by,
              note.publication, is_runtime(manifest) ? 1 : 0, details}));
  }
  return {};
}

Status note_published(Database& database, const std::string& target, const std::string& bytes,
                      const ReleaseNote& note) {
  TRY_VALUE(const Manifest manifest, read(target, bytes));
  const std::string version = manifest.version.text();
  const std::string digest = trust::hex(trust::sha256(bytes));
  // Who was told to run it before it was there.
  TRY(tell(database,
           "UPDATE wanted SET changed = (SELECT MAX(changed) + 1 FROM wanted) WHERE model = ? AND "
           "version = ?",
           {manifest.model, version}));
  TRY_VALUE(const Rows rows, ask(database,
                                 "UPDATE model_release SET state = 'published', approved_by = ? "
                                 "WHERE model = ? AND version = ? AND manifest = ? RETURNING model",
                                 {note.by, manifest.model, version, digest}));
  if (!rows.empty()) return {};
  Json::Members facts = facts_of(manifest);
  facts.emplace("signatures", Json::Array());
  return tell(database,
              "INSERT INTO model_release (model, version, manifest, state, added_s, added_by, "
              "publication, is_runtime, details) VALUES (?, ?, ?, 'published', ?, ?, ?, ?, ?)",
              {manifest.model, version, digest, note.now_s, note.by, note.publication,
               is_runtime(manifest) ? 1 : 0, Json(std::move(facts)).compact()});
}

Status may_withdraw(Database& database, const std::string& target) {
  const ReleaseName name = name_of(target);
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT id FROM rollout r WHERE model = ? AND due_s IS NOT NULL AND EXISTS (SELECT "
                "1 FROM rollout_device d WHERE d.rollout = r.id AND d.old_version = ?) LIMIT 1",
                {name.model, name.version}));
  if (!rows.empty())
    return fail(Code::kIncompatible,
                "{} {}: devices of rollout {} go back to it when that is aborted: let it end, or "
                "abort it, first",
                name.model, name.version, rows[0][0].text());
  TRY_VALUE(const Rows running,
            ask(database,
                "SELECT COUNT(*), MIN(w.device) FROM wanted w JOIN device d ON d.id = w.device "
                "WHERE w.model = ? AND w.version = ? AND d.revoked_s IS NULL",
                {name.model, name.version}));
  const std::int64_t devices = running[0][0].integer();
  if (devices == 0) return {};
  return fail(Code::kIncompatible, "{} {}: {} to run it ({}{}): roll out another version first",
              name.model, name.version,
              devices == 1 ? "a device is" : fmt::format("{} devices are", devices),
              running[0][1].text(), devices > 1 ? ", ..." : "");
}

Status note_withdrawn(Database& database, const std::string& target) {
  const ReleaseName name = name_of(target);
  TRY(tell(database, "DELETE FROM model_alias WHERE model = ? AND version = ?",
           {name.model, name.version}));
  // Whoever is revoked and was to run it is assigned what is left.
  TRY(tell(database,
           "UPDATE wanted SET changed = (SELECT MAX(changed) + 1 FROM wanted) WHERE model = ? AND "
           "version = ?",
           {name.model, name.version}));
  return tell(database,
              "UPDATE model_release SET state = 'withdrawn' WHERE model = ? AND version = ?",
              {name.model, name.version});
}

Status forget_waiting(Database& database, const std::string& publication) {
  TRY_VALUE(const Rows waiting,
            ask(database,
                "SELECT model, version FROM model_release WHERE publication = ? AND state = "
                "'waiting'",
                {publication}));
  std::set<std::pair<std::string, std::string>> left;
  for (const Row& row : waiting) left.emplace(row[0].text(), row[1].text());
  if (left.empty()) return {};
  TRY_VALUE(const Rows open, ask(database,
                                 "SELECT id, asked_by, asked_s FROM approval WHERE state = 'open' "
                                 "AND kind = 'publication' ORDER BY asked_s DESC, id DESC",
                                 {}));
  // Others may bring the same: the newest of them has it then.
  for (const Row& row : open) {
    if (left.empty()) break;
    TRY_VALUE(const Rows found,
              ask(database, "SELECT details FROM approval WHERE id = ?", {row[0].text()}));
    const auto releases = releases_of(found.at(0)[0].text());
    if (!releases.ok()) continue;  // what cannot be read keeps nothing else
    for (const std::string& target : *releases) {
      const ReleaseName name = name_of(target);
      if (left.erase({name.model, name.version}) == 0) continue;
      TRY(tell(
          database,
          "UPDATE model_release SET publication = ?, added_by = ?, added_s = ? WHERE model = "
          "? AND version = ? AND state = 'waiting' AND publication = ?",
          {row[0].text(), row[1].text(), row[2].integer(), name.model, name.version, publication}));
    }
  }
  return tell(database, "DELETE FROM model_release WHERE publication = ? AND state = 'waiting'",
              {publication});
}

Status set_alias(Database& database, const std::string& model, const std::string& alias,
                 const std::string& version, const std::string& actor, std::int64_t now_s) {
  TRY_VALUE(const Rows rows, ask(database,
                                 "SELECT 1 FROM model_release WHERE model = ? AND version = ? AND "
                                 "state = 'published'",
                                 {model, version}));
  if (rows.empty())
    return fail(Code::kNotFound,
                "{} {} is not published; 'polder hub models' (/v1/models) lists what is",
                clipped(model), clipped(version));
  TRY(tell(database,
           "INSERT INTO model_alias (model, alias, version, set_s, set_by) VALUES (?, ?, ?, ?, ?) "
           "ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version, "
           "set_s = excluded.set_s, set_by = excluded.set_by",
           {model, alias, version, now_s, actor}));
  return put_on_record(
      database, {now_s, actor, trust::Act::kAliasSet, model + " " + alias, {{"version", version}}});
}

}  // namespace polder::hub
