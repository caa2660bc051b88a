#include "hub/store/schema.h"

#include <algorithm>
#include <optional>

#include "base/fail.h"
#include "platform/folder.h"

namespace polder::hub {
namespace {

// Times are seconds since 1970; those that may be NULL say that it has not happened.
const std::vector<SchemaStep>& steps_of_hub() {
  // Statements are texts of several lines.
  // NOLINTBEGIN(bugprone-suspicious-missing-comma)
  static const std::vector<SchemaStep> steps = {
      {
          "CREATE TABLE device (id TEXT PRIMARY KEY, key_id TEXT NOT NULL UNIQUE, "
          "enrolled_s BIGINT NOT NULL, revoked_s BIGINT, duplicate_s BIGINT)",
          // `replaces`: the serial number of the one that was shown to get it; `seen_s`: when a
          // device first showed it, and so has it.
          "CREATE TABLE certificate (serial TEXT PRIMARY KEY, "
          "device TEXT NOT NULL REFERENCES device (id), pem TEXT NOT NULL, "
          "issued_s BIGINT NOT NULL, until_s BIGINT NOT NULL, revoked_s BIGINT, seen_s BIGINT, "
          "replaces TEXT UNIQUE)",
          "CREATE INDEX certificate_device ON certificate (device)",
          // `device`: the only one that may use it, if it names one; `certificate`: what it gave.
          "CREATE TABLE enrolment_token (id TEXT PRIMARY KEY, salt BLOB NOT NULL, "
          "hash BLOB NOT NULL, device TEXT, created_s BIGINT NOT NULL, created_by TEXT NOT NULL, "
          "expires_s BIGINT NOT NULL, used_s BIGINT, "
          "certificate TEXT REFERENCES certificate (serial))",
          "CREATE TABLE person_token (id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, "
          "salt BLOB NOT NULL, hash BLOB NOT NULL, created_s BIGINT NOT NULL, "
          "expires_s BIGINT, revoked_s BIGINT)",
          // Acts that are done and not yet in the audit log.
          "CREATE TABLE audit_pending (place BIGINT PRIMARY KEY, id TEXT NOT NULL, "
          "time_s BIGINT NOT NULL, actor TEXT NOT NULL, act TEXT NOT NULL, object TEXT NOT NULL, "
          "details TEXT NOT NULL)",
      },
      {
          // Entries of the audit log, to search in: `line` is what the log has.
          "CREATE TABLE audit_entry (log TEXT NOT NULL, sequence BIGINT NOT NULL, "
          "time TEXT NOT NULL, actor TEXT NOT NULL, act TEXT NOT NULL, object TEXT NOT NULL, "
          "line TEXT NOT NULL, PRIMARY KEY (log, sequence))",
          "CREATE INDEX audit_entry_object ON audit_entry (object, sequence)",
          "CREATE INDEX audit_entry_actor ON audit_entry (actor, sequence)",
      },
      {
          // What a person's request with a key was answered; `status` is NULL where that is not
          // kept.
          "CREATE TABLE request_done (actor TEXT NOT NULL, request_key TEXT NOT NULL, "
          "request_id TEXT NOT NULL, digest TEXT NOT NULL, done_s BIGINT NOT NULL, status BIGINT, "
          "body TEXT, "
          "PRIMARY KEY (actor, request_key))",
          "CREATE INDEX request_done_time ON request_done (done_s)",
      },
      {
          "CREATE TABLE device_tag (device TEXT NOT NULL REFERENCES device (id), "
          "name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (device, name))",
          "CREATE INDEX device_tag_value ON device_tag (name, value, device)",
          // What a device has of each model, by version; "": nothing.
          "CREATE TABLE device_model (device TEXT NOT NULL REFERENCES device (id), "
          "model TEXT NOT NULL, running TEXT NOT NULL, committed TEXT NOT NULL, "
          "is_well BIGINT NOT NULL, seen_s BIGINT NOT NULL, PRIMARY KEY (device, model))",
          "CREATE INDEX device_model_model ON device_model (model, device)",
          // What each device is to run; `version` "": nothing of the model. `changed` rises.
          "CREATE TABLE wanted (device TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, "
          "shadow BIGINT NOT NULL, retry BIGINT NOT NULL, changed BIGINT NOT NULL, "
          "PRIMARY KEY (device, model))",
          "CREATE INDEX wanted_changed ON wanted (changed)",
          // `plan`: what was asked for; `due_s`: when it is looked at next, NULL when it is over.
          "CREATE TABLE rollout (id TEXT PRIMARY KEY, place BIGINT NOT NULL UNIQUE, "
          "model TEXT NOT NULL, version TEXT NOT NULL, other_version TEXT NOT NULL, "
          "plan TEXT NOT NULL, phase TEXT NOT NULL, stage BIGINT NOT NULL, "
          "stage_since_s BIGINT NOT NULL, reason TEXT NOT NULL, gate TEXT NOT NULL, "
          "created_s BIGINT NOT NULL, created_by TEXT NOT NULL, ended_s BIGINT, due_s BIGINT, "
          "look_s BIGINT NOT NULL, looks BIGINT NOT NULL, retry BIGINT NOT NULL, has_old BIGINT "
          "NOT NULL, members BIGINT "
          "NOT NULL)",
          "CREATE INDEX rollout_due ON rollout (due_s)",
          "CREATE INDEX rollout_model ON rollout (model, place)",
          "CREATE INDEX rollout_phase ON rollout (phase, place)",
          "CREATE TABLE rollout_history (rollout TEXT NOT NULL REFERENCES rollout (id), "
          "place BIGINT NOT NULL, time_s BIGINT NOT NULL, stage BIGINT NOT NULL, "
          "what TEXT NOT NULL, actor TEXT NOT NULL, PRIMARY KEY (rollout, place))",
          // `number`: of one whose counts are compared; `wanted`: 0 old, 1 shadow, 2 new;
          // `active_model`: NULL when the rollout is over, so that a device is part of one.
          "CREATE TABLE rollout_device (rollout TEXT NOT NULL REFERENCES rollout (id), "
          "device TEXT NOT NULL REFERENCES device (id), place DOUBLE PRECISION NOT NULL, "
          "arm BIGINT NOT NULL, number BIGINT, wanted BIGINT NOT NULL, old_version TEXT NOT NULL, "
          "running TEXT NOT NULL, failure TEXT, failure_kind BIGINT, chosen BIGINT NOT NULL, "
          "active_model TEXT, PRIMARY KEY (rollout, device), UNIQUE (device, active_model))",
          "CREATE INDEX rollout_device_place ON rollout_device (rollout, wanted, place)",
          "CREATE INDEX rollout_device_running ON rollout_device (rollout, running)",
          "CREATE INDEX rollout_device_chosen ON rollout_device (rollout) WHERE chosen = 1",
          "CREATE INDEX rollout_device_failure ON rollout_device (rollout) "
          "WHERE failure IS NOT NULL",
          // Of the looks that were not judged yet; `arm` 0: of the old release.
          "CREATE TABLE rollout_counts (rollout TEXT NOT NULL, look BIGINT NOT NULL, "
          "measure TEXT NOT NULL, number BIGINT NOT NULL, arm BIGINT NOT NULL, "
          "trials BIGINT NOT NULL, failures BIGINT NOT NULL, "
          "PRIMARY KEY (rollout, look, measure, number, arm))",
          // How long a stage may take on a device.
          "CREATE TABLE rollout_limit (rollout TEXT NOT NULL, number BIGINT NOT NULL, "
          "stage TEXT NOT NULL, ms DOUBLE PRECISION NOT NULL, "
          "PRIMARY KEY (rollout, number, stage))",
          // What the looks so far say; counts are those of the new release.
          "CREATE TABLE rollout_evidence (rollout TEXT NOT NULL, measure TEXT NOT NULL, "
          "arm BIGINT NOT NULL, trials BIGINT NOT NULL, failures BIGINT NOT NULL, "
          "comparison TEXT NOT NULL, PRIMARY KEY (rollout, measure, arm))",
          "CREATE TABLE rollout_look (rollout TEXT NOT NULL, time_s BIGINT NOT NULL, "
          "stage BIGINT NOT NULL, measures TEXT NOT NULL, PRIMARY KEY (rollout, time_s))",
      },
      {
          // The link of a device: when it last checked in, with what; `repository`: the version of
          // the timestamp that it trusts; `watched_s`: when somebody last looked at it.
          "CREATE TABLE device_link (device TEXT PRIMARY KEY REFERENCES device (id), "
          "seen_s BIGINT NOT NULL, program TEXT NOT NULL, repository BIGINT NOT NULL, "
          "watched_s BIGINT NOT NULL, swept_s BIGINT NOT NULL)",
          "CREATE INDEX device_link_seen ON device_link (seen_s)",
          "CREATE INDEX device_link_swept ON device_link (swept_s)",
          "CREATE TABLE report_taken (device TEXT NOT NULL, boot BIGINT NOT NULL, "
          "epoch BIGINT NOT NULL, sequence BIGINT NOT NULL, taken_s BIGINT NOT NULL, "
          "PRIMARY KEY (device, boot, epoch, sequence))",
          // The latest of each unit; `boot` and `sequence`: of the report that said so; frames and
          // crashes: of this release, of all its reports.
          "CREATE TABLE device_unit (device TEXT NOT NULL, unit TEXT NOT NULL, "
          "model TEXT NOT NULL, version TEXT NOT NULL, manifest TEXT NOT NULL, "
          "health TEXT NOT NULL, frames BIGINT NOT NULL, crashes BIGINT NOT NULL, "
          "reported_s BIGINT NOT NULL, boot BIGINT NOT NULL, sequence BIGINT NOT NULL, "
          "PRIMARY KEY (device, unit))",
          "CREATE INDEX device_unit_version ON device_unit (model, version)",
          "CREATE INDEX device_unit_health ON device_unit (health)",
          "CREATE TABLE alarm (device TEXT NOT NULL, time_s BIGINT NOT NULL, "
          "boot BIGINT NOT NULL, epoch BIGINT NOT NULL, sequence BIGINT NOT NULL, "
          "what TEXT NOT NULL, unit TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, "
          "text TEXT NOT NULL, PRIMARY KEY (device, time_s, boot, epoch, sequence))",
          "CREATE INDEX alarm_time ON alarm (time_s, sequence)",
          // `item`: which unit of the report; `details`: stages, signals and classes as JSON.
          "CREATE TABLE metric_window (device TEXT NOT NULL, time_s BIGINT NOT NULL, "
          "boot BIGINT NOT NULL, epoch BIGINT NOT NULL, sequence BIGINT NOT NULL, "
          "item BIGINT NOT NULL, unit TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, "
          "window_ms BIGINT NOT NULL, frames BIGINT NOT NULL, errors BIGINT NOT NULL, "
          "crashes BIGINT NOT NULL, details TEXT NOT NULL, "
          "PRIMARY KEY (device, time_s, boot, epoch, sequence, item))",
      },
      {
          // What waits for a second person, or did: `kind` "publication" or "alias", `state`
          // "open", "approved", "rejected", "taken_back" (by who asked) or "superseded"; `digest`:
          // of what is asked for; `done_s`: when what was approved was there for all.
          "CREATE TABLE approval (id TEXT PRIMARY KEY, kind TEXT NOT NULL, what TEXT NOT NULL, "
          "digest TEXT NOT NULL, details TEXT NOT NULL, asked_by TEXT NOT NULL, "
          "asked_s BIGINT NOT NULL, state TEXT NOT NULL, decided_by TEXT, decided_s BIGINT, "
          "done_s BIGINT)",
          "CREATE INDEX approval_state ON approval (state, asked_s)",
          // `state`: "waiting", "published" or "withdrawn"; `manifest`: its SHA-256.
          "CREATE TABLE model_release (model TEXT NOT NULL, version TEXT NOT NULL, "
          "manifest TEXT NOT NULL, state TEXT NOT NULL, added_s BIGINT NOT NULL, "
          "added_by TEXT NOT NULL, approved_by TEXT, publication TEXT NOT NULL, "
          "is_runtime BIGINT NOT NULL, details TEXT NOT NULL, PRIMARY KEY (model, version))",
          "CREATE TABLE model_alias (model TEXT NOT NULL, alias TEXT NOT NULL, "
          "version TEXT NOT NULL, set_s BIGINT NOT NULL, set_by TEXT NOT NULL, "
          "PRIMARY KEY (model, alias))",
          // "assigned": up to which change what devices are to run is published.
          "CREATE TABLE repository_state (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
      },
      {
          // What most of its devices go back to; "": most had nothing.
          "ALTER TABLE rollout ADD COLUMN old_version TEXT NOT NULL DEFAULT ''",
          "UPDATE rollout SET old_version = COALESCE((SELECT d.old_version FROM rollout_device d "
          "WHERE d.rollout = rollout.id GROUP BY d.old_version "
          "ORDER BY COUNT(*) DESC, d.old_version DESC LIMIT 1), '')",
          // When it was told to take the new release.
          "ALTER TABLE rollout_device ADD COLUMN told_s BIGINT",
      },
      {
          // Reports and windows that were kept since it was swept.
          "ALTER TABLE device_link ADD COLUMN kept BIGINT NOT NULL DEFAULT 0",
      },
      {
          // Those of a rollout that are few, in the orders in which they are asked for: without
          // that SQLite goes through all of its devices.
          "CREATE INDEX rollout_device_number ON rollout_device (rollout, number) "
          "WHERE number IS NOT NULL",
          "DROP INDEX rollout_device_chosen",
          "CREATE INDEX rollout_device_chosen ON rollout_device (rollout, device) "
          "WHERE chosen = 1",
          "DROP INDEX rollout_device_failure",
          "CREATE INDEX rollout_device_failure ON rollout_device (rollout, device) "
          "WHERE failure IS NOT NULL",
      },
      {
          // Each time that the hub went on from a backup: what came between `taken_s` and
          // `restored_s` it does not know; `version`: of the repository's timestamp, then.
          "CREATE TABLE restoration (restored_s BIGINT PRIMARY KEY, taken_s BIGINT NOT NULL, "
          "version BIGINT NOT NULL)",
      },
      {
          // Of devices that are compared: rises, as a number stays its device's.
          "ALTER TABLE rollout ADD COLUMN next_number BIGINT NOT NULL DEFAULT 0",
          "UPDATE rollout SET next_number = COALESCE((SELECT MAX(d.number) + 1 FROM "
          "rollout_device d WHERE d.rollout = rollout.id), 0)",
          // Whether it has counted anything with its old release.
          "ALTER TABLE rollout_device ADD COLUMN counted BIGINT NOT NULL DEFAULT 0",
          "UPDATE rollout_device SET counted = 1 WHERE number IS NOT NULL",
          // Those that go back to one release.
          "CREATE INDEX rollout_device_old ON rollout_device (rollout, old_version)",
          // Why it could not be carried on when it was due last; "": it could.
          "ALTER TABLE rollout ADD COLUMN trouble TEXT NOT NULL DEFAULT ''",
      },
      {
          "CREATE TABLE device_group (name TEXT PRIMARY KEY, query TEXT NOT NULL, "
          "set_s BIGINT NOT NULL, set_by TEXT NOT NULL)",
      },
      {
          // What was taken of a device is forgotten by its age.
          "CREATE INDEX report_taken_time ON report_taken (device, taken_s)",
      },
      {
          "ALTER TABLE enrolment_token ADD COLUMN revoked_s BIGINT",
      },
      {
          // The name of the group of writes that was committed last (hub/store/writer.h).
          "CREATE TABLE last_write (place BIGINT PRIMARY KEY, name TEXT NOT NULL)",
      },
      {
          // The highest that any device has, or below a version.
          "CREATE INDEX IF NOT EXISTS device_link_repository ON device_link (repository)",
      },
      {
          // Whether what it runs is no trial any more: it has committed it, or ran it well.
          "ALTER TABLE rollout_device ADD COLUMN is_settled BIGINT NOT NULL DEFAULT 1",
          // Why it did not run the release, which is not to blame; "": it did, or is to blame.
          "ALTER TABLE rollout_device ADD COLUMN trouble TEXT NOT NULL DEFAULT ''",
          "CREATE INDEX rollout_device_trouble ON rollout_device (rollout, device) "
          "WHERE trouble <> ''",
      },
      {
          // What a device has told of itself, at `told_s`: what it can run and the rest, as JSON.
          "CREATE TABLE IF NOT EXISTS device_machine (device TEXT PRIMARY KEY REFERENCES "
          "device (id), told_s BIGINT NOT NULL, abilities TEXT NOT NULL, details TEXT NOT NULL)",
          "CREATE TABLE IF NOT EXISTS device_target (device TEXT NOT NULL REFERENCES device (id), "
          "target TEXT NOT NULL, PRIMARY KEY (device, target))",
          "CREATE INDEX IF NOT EXISTS device_target_target ON device_target (target, device)",
      },
      {
          // The Code of what ended its last update to the release, which is not to blame: the
          // device tries again.
          "ALTER TABLE rollout_device ADD COLUMN ended_code BIGINT",
          "CREATE INDEX rollout_device_ended ON rollout_device (rollout, device) "
          "WHERE ended_code IS NOT NULL",
      },
      {
          // Of a partial index alone SQLite does not know that it is of few: it takes another one,
          // and goes through all devices of a rollout. One more column that is asked for decides.
          "DROP INDEX rollout_device_chosen",
          "CREATE INDEX rollout_device_chosen ON rollout_device (rollout, chosen, device) "
          "WHERE chosen = 1",
          "DROP INDEX rollout_device_ended",
          "CREATE INDEX rollout_device_ended ON rollout_device (rollout, ended_code, device) "
          "WHERE ended_code IS NOT NULL",
          "CREATE INDEX rollout_device_why ON rollout_device (rollout, failure) "
          "WHERE failure IS NOT NULL",
      },
      {
          // Why it was rejected or taken back, as whoever did it has it; "": nothing was said.
          "ALTER TABLE approval ADD COLUMN reason TEXT NOT NULL DEFAULT ''",
      },
      {
          // Of a publication: the SHA-256 of the file of each role as JSON; "": not known, or none.
          "ALTER TABLE approval ADD COLUMN roles TEXT NOT NULL DEFAULT ''",
      },
      {
          // What it says as code and values, {"code":...,"values":{...}}; "": as text alone.
          "ALTER TABLE rollout_history ADD COLUMN why TEXT NOT NULL DEFAULT ''",
      },
  };
  // NOLINTEND(bugprone-suspicious-missing-comma)
  return steps;
}

}  // namespace

namespace {

// What stands between commas that are in no parentheses.
std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '(') ++depth;
    if (i < text.size() && text[i] == ')') --depth;
    if (i < text.size() && (text[i] != ',' || depth > 0)) continue;
    std::string_view part = text.substr(from, i - from);
    while (part.starts_with(' ')) part.remove_prefix(1);
    parts.push_back(part);
    from = i + 1;
  }
  return parts;
}

std::string first_word(std::string_view text) {
  return std::string(text.substr(0, text.find(' ')));
}

constexpr std::string_view kPrimaryKey = "PRIMARY KEY";

// Of "CREATE TABLE NAME (...)", after "CREATE TABLE".
Table table_of(std::string_view statement) {
  constexpr std::string_view kIfNotThere = "IF NOT EXISTS ";
  if (statement.starts_with(kIfNotThere)) statement.remove_prefix(kIfNotThere.size());
  Table table;
  const std::size_t open = statement.find('(');
  table.name = first_word(statement);
  for (const std::string_view part :
       parts_of(statement.substr(open + 1, statement.rfind(')') - open - 1))) {
    if (part.starts_with(kPrimaryKey)) {
      const std::size_t begin = part.find('(') + 1;
      for (const std::string_view column : parts_of(part.substr(begin, part.rfind(')') - begin)))
        table.key.emplace_back(column);
    } else if (!part.starts_with("UNIQUE")) {
      table.columns.push_back(first_word(part));
      if (part.find(kPrimaryKey) != part.npos) table.key.push_back(table.columns.back());
    }
  }
  return table;
}

std::vector<Table> read_tables() {
  constexpr std::string_view kCreate = "CREATE TABLE ", kAlter = "ALTER TABLE ",
                             kAdd = "ADD COLUMN ";
  std::vector<Table> tables;
  for (const SchemaStep& step : steps_of_hub()) {
    for (std::string_view statement : step) {
      if (statement.starts_with(kCreate)) {
        tables.push_back(table_of(statement.substr(kCreate.size())));
      } else if (statement.starts_with(kAlter) && statement.find(kAdd) != statement.npos) {
        const std::string name = first_word(statement.substr(kAlter.size()));
        const auto found = std::ranges::find(tables, name, &Table::name);
        if (found != tables.end())
          found->columns.push_back(
              first_word(statement.substr(statement.find(kAdd) + kAdd.size())));
      }
    }
  }
  return tables;
}

}  // namespace

const std::vector<Table>& tables_of_hub() {
  static const std::vector<Table> tables = read_tables();
  return tables;
}

namespace {

Status check_known(std::int64_t version, std::size_t newest) {
  if (version >= 0 && version <= static_cast<std::int64_t>(newest)) return {};
  return fail(Code::kIncompatible,
              "the database has tables of version {}, this polder-hub knows them up to {}: run "
              "the polder-hub that was used last, or a newer one",
              version, newest);
}

// Of the tables; nothing where there are none. Errors: kIncompatible where they are another's.
Result<std::optional<std::int64_t>> version_of(Database& database) {
  TRY_VALUE(auto tables, database.tables());
  if (std::erase(tables, "hub_schema") > 0) {
    TRY_VALUE(const Rows rows, database.query("SELECT version FROM hub_schema"));
    if (!rows.empty()) return std::optional(rows[0][0].integer());
  }
  if (tables.empty()) return std::optional<std::int64_t>();
  constexpr std::size_t kShown = 5;
  const std::string more = tables.size() > kShown ? ", ..." : "";
  tables.resize(std::min(tables.size(), kShown));
  return fail(Code::kIncompatible,
              "the database has tables of something else ({}{}): give a hub one of its own, empty "
              "or not there; nothing was changed",
              fmt::join(tables, ", "), more);
}

}  // namespace

Result<HubDatabase> open_of_hub(std::string_view where) {
  HubDatabase opened{.database = nullptr, .is_new = true};
  if (is_postgres(where) || entry_kind(std::string(where)).ok()) {
    TRY_VALUE(const std::unique_ptr<Database> there, open_to_read(where));
    TRY_VALUE(const auto version, version_of(*there));
    if (version) TRY(check_known(*version, steps_of_hub().size()));
    opened.is_new = !version;
  }
  TRY_VALUE(opened.database, open_database(where));
  return opened;
}

Status check_today(Database& database) {
  TRY_VALUE(const auto version, version_of(database));
  const auto newest = static_cast<std::int64_t>(steps_of_hub().size());
  if (version == newest) return {};
  if (!version)
    return fail(Code::kNotFound,
                "the database is empty: name the one that a hub has served (--folder says where "
                "its hub.db is, POLDER_DATABASE where that is PostgreSQL's)");
  return fail(Code::kIncompatible,
              "the database has tables of version {}, this polder-hub those of version {}: use the "
              "polder-hub that serves it, or let this one serve it once",
              *version, newest);
}

Status migrate(Database& database) { return migrate(database, steps_of_hub()); }

Status migrate(Database& database, const std::vector<SchemaStep>& steps) {
  return database.transaction([&]() -> Status {
    TRY(database.run("CREATE TABLE IF NOT EXISTS hub_schema (version BIGINT NOT NULL)"));
    TRY_VALUE(const Rows rows, database.query("SELECT version FROM hub_schema"));
    if (rows.empty()) TRY(database.run("INSERT INTO hub_schema (version) VALUES (0)"));
    const std::int64_t version = rows.empty() ? 0 : rows[0][0].integer();
    const auto newest = static_cast<std::int64_t>(steps.size());
    if (version == newest) return {};
    TRY(check_known(version, steps.size()));
    for (auto i = static_cast<std::size_t>(version); i < steps.size(); ++i)
      for (const std::string_view statement : steps[i]) TRY(database.run(statement));
    return database.run("UPDATE hub_schema SET version = ?", {newest});
  });
}

}  // namespace polder::hub
