#include "trust/tuf_changes.h"

#include "trust/tuf_metadata.h"

namespace polder::trust::tuf {

namespace {

Json::Array array(const std::vector<std::string>& words) { return {words.begin(), words.end()}; }

}  // namespace

Json to_json(const Changes& changes) {
  Json::Array files, trust, targets, floors;
  for (const auto& file : changes.files) {
    Json::Members entry{
        {"role", file.role}, {"version", file.version}, {"expires", time_text(file.expires_s)}};
    if (file.version_before > 0) {
      entry["version_before"] = file.version_before;
      entry["expires_before"] = time_text(file.expires_before_s);
    }
    files.emplace_back(std::move(entry));
  }
  for (const auto& change : changes.trust) {
    trust.emplace_back(Json::Members{{"role", change.role},
                                     {"added_keys", array(change.added_keys)},
                                     {"removed_keys", array(change.removed_keys)},
                                     {"threshold", change.threshold},
                                     {"threshold_before", change.threshold_before},
                                     {"paths", array(change.paths)},
                                     {"paths_before", array(change.paths_before)}});
  }
  for (const auto& change : changes.targets) {
    Json::Members entry{{"role", change.role}, {"path", change.path}};
    if (!change.before.empty()) entry["sha256_before"] = change.before;
    if (!change.after.empty()) entry["sha256"] = change.after;
    if (!change.problem.empty()) entry["problem"] = change.problem;
    targets.emplace_back(std::move(entry));
  }
  for (const auto& change : changes.floors) {
    floors.emplace_back(
        Json::Members{{"model", change.model}, {"before", change.before}, {"after", change.after}});
  }
  return Json::Members{{"files", std::move(files)},
                       {"trust", std::move(trust)},
                       {"targets", std::move(targets)},
                       {"floors", std::move(floors)},
                       {"other", array(changes.other)}};
}

}  // namespace polder::trust::tuf
