#include "agent/doctor.h"

#include <algorithm>
#include <string_view>

#include "agent/blob_store.h"
#include "agent/device_pin.h"
#include "agent/status_words.h"
#include "base/fail.h"
#include "base/text.h"
#include "trust/key_uri.h"
#include "trust/tuf_metadata.h"

namespace polder::agent {

namespace {

using Findings = std::vector<Finding>;

constexpr std::uint64_t kLowDiskBytes = 64u << 20;
// Before it no program of ours was built: a clock that says so is not set.
constexpr std::int64_t kFirstTimeS = 1'700'000'000;

bool says(const Error& error, std::string_view words) {
  return error.message.find(words) != std::string::npos;
}

// --- Advice by cause -----------------------------------------------------------------------------

// "sudo -u polderd polderd doctor".
std::string as_owner(const Facts& facts, std::string_view command) {
  return fmt::format("sudo -u {} polderd {}", facts.owner, command);
}

std::string ask_as_owner(const Facts& facts) {
  return "ask as the user of polderd: " + as_owner(facts, "doctor");
}

constexpr char kWornDisk[] =
    "a worn-out disk or card does that: see what the kernel says (dmesg); copy what is dear to you";

// The files of polderd are its user's alone.
bool is_for_owner(const Error& error) {
  return error.code == Code::kDenied &&
         (says(error, "Permission denied") || says(error, "Operation not permitted"));
}

std::string key_advice(const Facts& facts, const Error& error) {
  const Config& config = facts.config;
  if (says(error, "chown ")) return "run that command as root; keep the key: it is this device";
  if (is_for_owner(error)) return ask_as_owner(facts);
  if (says(error, kPinRefused) || says(error, "wrong PIN") || says(error, "wrong passphrase"))
    return "put the right PIN into " + (config.pin_file.empty()
                                            ? "a file, and set 'pin_file' ([identity]) to it"
                                            : config.pin_file + " (pin_file)");
  if (says(error, "PIN is locked")) return "unlock it with the token's own tool and its SO PIN";
  if (says(error, "pin_file")) return "mend that file, or what 'pin_file' ([identity]) names";
  switch (error.code) {
    case Code::kNotFound:
      return config.key.empty()
                 ? fmt::format("'{}' makes it; without it the audit log is not signed",
                               as_owner(facts, "identity create"))
                 : fmt::format("plug the token in, or set 'key' ([identity]) right; '{}' makes one",
                               as_owner(facts, "identity create"));
    case Code::kUnavailable: return "see that the token or the TPM is there and answers";
    case Code::kCorrupt: return "restore the key's file from a copy, or make another key";
    default: return "mend what it says; until the key can be used the audit log is not signed";
  }
}

std::string root_advice(const Facts& facts, const Error& error) {
  if (is_for_owner(error)) return ask_as_owner(facts);
  if (error.code == Code::kNotFound)
    return "it is metadata/1.root.json of the folder where releases are signed ('polder repo "
           "init', "
           "'polder hub pull'), handed over with the device";
  return "set 'root' in polderd.toml to the root.json that it asks for, from the releaser over a "
         "way "
         "that you trust";
}

constexpr char kRenew[] =
    "what is installed goes on; the releaser renews what has expired ('polder repo publish'); see "
    "that the clock of this device is right";

std::string repository_advice(const Facts& facts, const Error& error) {
  const bool is_remote = !facts.config.is_folder();
  if (says(error, " expired at ")) return kRenew;
  if (is_for_owner(error) && !is_remote)
    return "let the user of polderd read that folder; and " + ask_as_owner(facts);
  if (is_for_owner(error)) return ask_as_owner(facts);
  if (says(error, "certificate") || says(error, "TLS"))
    return fmt::format(
        "set 'ca_file' ([{}]) to the certificate of the server's authority; see that the address "
        "and the clock are right",
        facts.config.is_of_hub() ? "hub" : "network");
  switch (error.code) {
    case Code::kDenied:
      return "do not trust what is there: ask the releaser whether its keys were replaced or an "
             "old "
             "copy is served; nothing of it is installed, and what is installed goes on";
    case Code::kUnavailable:
    case Code::kTimeout:
      return is_remote ? "see that the network is up, and that 'repository' names the right host"
                       : "plug the stick in, or set 'repository' right";
    case Code::kNotFound:
      return is_remote ? "see that 'repository' is the right address and the server serves it"
                       : "plug the stick in, or set 'repository' right";
    case Code::kIo:
      return is_remote ? "see that the network is up; it is asked again by itself"
                       : "the stick or share cannot be read: try another copy";
    case Code::kExhausted: return "free some space here; where there is enough, tell the releaser";
    default:
      return "this copy is not what was signed: copy it again; tell the releaser ('polder repo "
             "verify' says what is wrong)";
  }
}

std::string state_advice(const Facts& facts, const Error& error) {
  if (is_for_owner(error)) return ask_as_owner(facts);
  if (error.code == Code::kIo) return kWornDisk;
  if (error.code == Code::kIncompatible || error.code == Code::kUnsupported)
    return "a newer polderd wrote it: install that one again";
  return "keep a copy of the folder, remove state.json and state.backup.json and nothing else: "
         "releases are then installed anew";
}

// Of a release that is refused; what failed here has its own (judge_failures()).
std::string refusal_advice(const Refusal& refusal) {
  struct Cause {
    std::string_view words;
    std::string advice;
  };
  const std::string& unit = refusal.unit;
  const Cause causes[] = {
      {"cannot be installed again", "see what it says; what runs goes on"},
      {"below the floor", "the releaser assigns a release at or above the floor"},
      {"back it goes only to", "assign what it says, or publish a newer version"},
      {"no way back", "publish a newer version, and assign it"},
      {"of this device's configuration",
       fmt::format("list '{}' in polderd.toml where this device is to run it; else assign "
                   "something else",
                   unit)},
      {"configuration pins", "change [pins] of polderd.toml, or assign the version that is pinned"},
      {"but not before", "nothing: it is installed then"},
      {"has no release of", fmt::format("the releaser adds one ('polder repo add', 'publish'); or "
                                        "mend 'models' of polderd.toml: '{}'",
                                        unit)},
      {"sealed for other devices", "the releaser adds this device: 'polder seal --add-recipient'"},
      {"has no pipeline", "see what it says"},
  };
  for (const Cause& cause : causes)
    if (refusal.reason.find(cause.words) != refusal.reason.npos) return cause.advice;
  return "tell the releaser what it says: another release or assignment takes its place; what runs "
         "goes on";
}

constexpr char kMendConfig[] = "mend polderd.toml, then 'systemctl reload polderd'";

std::string health_advice(const Facts& facts, const std::string& name, const std::string& health) {
  const auto has = [&](std::string_view words) { return health.find(words) != health.npos; };
  if (has(kPinRefused) || has("pin_file"))
    return "put the right PIN into the file that 'pin_file' ([identity]) names";
  if (has("identity create"))
    return fmt::format("'{}'; the releaser then seals for its key",
                       as_owner(facts, "identity create"));
  if (has("sealed for other devices"))
    return "the releaser adds this device: 'polder seal --add-recipient'";
  if (has("no pipeline"))
    return fmt::format(
        "list '{}' in 'without_pipeline' of polderd.toml where other programs open "
        "it; else publish a release with a pipeline",
        name);
  if (has("crash loop"))
    return fmt::format(
        "see what it reads (the camera, a file) and [pipeline.{}]; where that is "
        "right, publish a newer release",
        name);
  if (has("polderd.toml:") || has("the release's pipeline has no step") ||
      has("that a device may set"))
    return kMendConfig;
  return "'journalctl -u polderd' says more; a newer release replaces it";
}

// --- Findings ------------------------------------------------------------------------------------

void add(Findings& out, Level level, std::string what, std::string advice = "") {
  out.push_back({level, std::move(what), std::move(advice)});
}

void judge_config(Findings& out, const Facts& facts) {
  add(out, Level::kWrong, "configuration: " + facts.config_error,
      facts.is_running
          ? "mend it, then 'systemctl reload polderd': what runs was read before, and polderd "
            "could not start again with this"
          : "mend it, then 'systemctl start polderd'");
  add(out, Level::kWarning, "identity, repository and settings: not looked at",
      "they are in polderd.toml: ask again when it is mended");
}

void judge_agent(Findings& out, const Facts& facts) {
  if (!facts.is_running)
    return add(out, Level::kWarning, "polderd: not running", "systemctl start polderd");
  add(out, Level::kGood, "polderd: running");
  if (!facts.live || facts.now_s - facts.live->said_s > kLiveHoldsS) return;
  if (facts.config_error.empty() && facts.live->has_read_another(facts.config))
    add(out, Level::kWarning, kConfigChanged, kReload);
  if (!facts.live->metrics_error.empty())
    add(out, Level::kWarning, facts.live->metrics_error,
        "end who listens there, or set 'metrics' ([reports]) to another port; it is tried again "
        "every 10 seconds");
}

void judge_identity(Findings& out, const Facts& facts) {
  if (facts.identity.ok()) {
    const auto uri = trust::KeyUri::parse(facts.config.key_uri());
    const bool is_on_token = uri.ok() && uri->place == trust::KeyPlace::kPkcs11;
    if (uri.ok() && uri->place == trust::KeyPlace::kTpm && facts.config.decryption_key.empty())
      add(out, Level::kWarning,
          "identity: the key that opens sealed models is a file, though the TPM has the other",
          "'polder keys create --tpm HANDLE', and 'decryption_key' ([identity]) with that handle");
    return add(out, Level::kGood,
               is_on_token ? "identity: not tried: a token locks itself after wrong PINs; polderd "
                             "tries it"
                           : "identity: the key is there");
  }
  const Error& error = facts.identity.error();
  const bool is_to_come = error.code == Code::kNotFound && !facts.config.hub.url.empty() &&
                          facts.config.key.empty() && facts.hub.state == HubState::kNotEnrolled;
  if (is_to_come)
    return add(out, Level::kWarning, "identity: no key yet",
               "none is needed: polderd makes it when it enrols");
  add(out, Level::kWrong, "identity: " + error.message, key_advice(facts, error));
}

// Of an audit log that nobody complains of: no more than is known.
std::string audit_text(const Facts& facts) {
  if (!facts.audit.ok()) return "audit log: none yet, polderd begins it";
  const bool has_key = facts.config_error.empty() && facts.identity.ok();
  if (!has_key) return "audit log: kept; whether it is signed depends on the key";
  return facts.live ? "audit log: kept and signed" : "audit log: kept";
}

// What is there now comes before what the agent said when it ran.
void judge_audit(Findings& out, const Facts& facts) {
  RecordTrouble trouble = facts.live ? facts.live->audit : RecordTrouble();
  if (!facts.identity.ok() && facts.identity.error().code != Code::kNotFound)
    trouble = not_signed(facts.config, facts.identity.error());
  if (!facts.audit.ok() && facts.audit.error().code != Code::kNotFound)
    trouble = not_recorded(facts.config, facts.audit.error());
  if (trouble.what.empty()) return add(out, Level::kGood, audit_text(facts));
  const bool is_denied = !facts.audit.ok() && is_for_owner(facts.audit.error());
  add(out, Level::kWrong, trouble.what, is_denied ? ask_as_owner(facts) : trouble.advice);
}

void judge_hub(Findings& out, const Facts& facts) {
  if (facts.config.hub.url.empty()) return;
  const HubStanding& hub = facts.hub;
  if (!hub.trouble.empty()) {
    const bool is_out = hub.state == HubState::kNotEnrolled || hub.state == HubState::kRefused;
    return add(out, is_out ? Level::kWrong : Level::kWarning, hub.trouble, hub.advice);
  }
  if (hub.state == HubState::kNotEnrolled)
    return add(out, Level::kWarning, "hub: not enrolled",
               facts.is_running ? "'polderd status' says why"
                                : fmt::format("polderd enrols by itself when it runs, with [hub] "
                                              "'token_file'; '{}' does it now",
                                              as_owner(facts, "enrol")));
  if (hub.certificate_until_s > 0 && hub.certificate_until_s <= facts.now_s)
    return add(out, Level::kWrong,
               fmt::format("hub: the certificate has expired at {}",
                           trust::tuf::time_text(hub.certificate_until_s)),
               "with another token in [hub] 'token_file' polderd enrols anew");
  add(out, Level::kGood,
      hub.certificate_until_s > 0 ? fmt::format("hub: enrolled, certificate until {}",
                                                trust::tuf::time_text(hub.certificate_until_s))
                                  : "hub: not asked yet");
}

bool is_signed_by_others(const Error& error) {
  return error.code == Code::kDenied && says(error, "signature");
}

void judge_repository(Findings& out, const Facts& facts) {
  if (facts.config.repository.empty())
    return add(out, Level::kWarning, "repository: none", "set 'repository' in polderd.toml");
  if (!facts.state.ok())
    return add(out, Level::kWarning, "repository: not asked, for the state cannot be read",
               "ask again when that is mended");
  // Without a root it is not asked.
  if (!facts.root.ok())
    return add(out, Level::kWrong, "root: " + facts.root.error().message,
               root_advice(facts, facts.root.error()));
  const bool is_of_another =
      !facts.repository.ok() && is_signed_by_others(facts.repository.error());
  if (is_of_another)
    add(out, Level::kWrong, "root: what the repository has is not signed by the keys that it names",
        fmt::format("where 'root' in polderd.toml came from another repository, set it right, stop "
                    "polderd, remove {}/metadata and start it; else do not trust what is there",
                    facts.config.folder));
  else add(out, Level::kGood, facts.repository.ok() ? "root: trusted" : "root: there");
  const std::string asked = facts.live ? facts.live->check_error : "";
  if (!facts.repository.ok()) {
    const Error& error = facts.repository.error();
    add(out, Level::kWrong, "repository: " + error.message, repository_advice(facts, error));
    if (asked == error.message) return;  // it says the same
  } else {
    add(out, Level::kGood, "repository: there, and to be trusted");
  }
  if (!asked.empty())
    add(out, Level::kWarning, "last check: " + asked,
        facts.repository.ok() ? "it was so then, and is mended: polderd asks again by itself"
                              : "what is installed goes on; polderd asks again by itself");
}

void judge_expiries(Findings& out, const Facts& facts) {
  for (const Expiry& item : soon(facts.expiries, facts.now_s))
    add(out, Level::kWarning, "repository: " + expiry_text(item, facts.now_s), renewal(item));
}

void judge_machine(Findings& out, const Facts& facts) {
  if (!facts.confines_files) {
    add(out, Level::kWarning,
        "confinement: this kernel does not keep a pipeline's process from the files of polderd's "
        "user (Landlock)",
        "Linux 5.13 or newer, with 'landlock' in its lsm= list");
  }
  if (!facts.free_bytes.ok()) {
    const Error& error = facts.free_bytes.error();
    if (error.code == Code::kNotFound) return;  // there is no folder yet; it will be made
    add(out, Level::kWrong, "disk: " + error.message,
        says(error, "Permission denied")
            ? ask_as_owner(facts)
            : "what is installed runs, nothing can be updated or kept; a worn-out card becomes "
              "read-only: see what the kernel says (dmesg)");
  } else if (*facts.free_bytes < kLowDiskBytes) {
    const bool is_full = *facts.free_bytes < kRoomMarginBytes;
    add(out, is_full ? Level::kWrong : Level::kWarning,
        "disk: " + bytes_text(*facts.free_bytes) + " free",
        fmt::format("{}: an update takes what it fetches and {} that stay free",
                    is_full ? "free some" : "see that it is enough", bytes_text(kRoomMarginBytes)));
  }
}

void judge_clock(Findings& out, const Facts& facts, const AgentState& state) {
  if (facts.now_s < kFirstTimeS) {
    add(out, Level::kWarning, "clock: not set",
        "set it, or run a time service; until then the last time that was proven is taken");
  } else if (facts.now_s < state.time_seen_s) {
    add(out, Level::kWarning, "clock: before the time that signed metadata have proven",
        "set it, or run a time service");
  } else {
    add(out, Level::kGood, "clock: plausible");
  }
}

void judge_settings(Findings& out, const Facts& facts) {
  for (const std::string& text : facts.bad_settings)
    add(out, Level::kWrong, "settings: " + text, kMendConfig);
  for (const std::string& unit : facts.unproven_settings)
    add(out, Level::kWarning,
        fmt::format("settings: [pipeline.{}] cannot be verified: no pipeline of it is installed",
                    unit),
        "they are held to the release when one is installed");
}

// Nothing is installed: wrong once polderd has asked the repository, and nothing is under way.
void judge_missing(Findings& out, const Facts& facts, const AgentState& state,
                   const std::string& name) {
  const bool is_under_way = state.update && state.update->unit == name;
  const bool had_its_chance = facts.is_running && facts.live && facts.live->checked_s > 0;
  const bool is_wrong = had_its_chance && !is_under_way;
  add(out, is_wrong ? Level::kWrong : Level::kWarning,
      fmt::format("{}: no release is installed, nothing of it runs", name),
      is_under_way ? "one is being installed: 'polderd status' says how far it is"
                   : "'polderd check' says what the repository has for this device, and what it "
                     "refuses");
}

// Content that may get into swap space, for a worker may not lock as much.
void judge_locked_memory(Findings& out, const Facts& facts, const std::string& name) {
  const auto sealed = facts.sealed_bytes.find(name);
  if (!facts.is_running || !facts.live || !facts.live->lockable_bytes ||
      sealed == facts.sealed_bytes.end() || sealed->second <= *facts.live->lockable_bytes)
    return;
  add(out, Level::kWarning,
      fmt::format("{}: its sealed models take {}, and a worker may lock {} of memory "
                  "(RLIMIT_MEMLOCK): what they hold may get into swap space",
                  name, bytes_text(std::uint64_t(sealed->second)),
                  bytes_text(std::uint64_t(*facts.live->lockable_bytes))),
      "LimitMEMLOCK=infinity in the unit ('systemctl edit polderd'), or 'ulimit -l unlimited' "
      "before "
      "'polderd run'");
}

void judge_unit(Findings& out, const Facts& facts, const AgentState& state,
                const std::string& name) {
  const auto unit = state.units.find(name);
  const ReleaseId* release = unit == state.units.end() ? nullptr : unit->second.running();
  if (!release) return judge_missing(out, facts, state, name);
  const std::string health = health_of(name, facts.live);
  const bool fine = health == "well" || health == "starting" || health == "unknown";
  if (fine) add(out, Level::kGood, fmt::format("{}: {}", name, release->version.text()));
  else
    add(out, Level::kWrong, fmt::format("{}: {}: {}", name, release->version.text(), health),
        health_advice(facts, name, health));
  judge_locked_memory(out, facts, name);
}

void judge_slots(Findings& out, const Facts& facts, const AgentState& state) {
  for (const DamagedSlot& slot : facts.damaged_slots) {
    if (slot.is_active)
      add(out, Level::kWrong, "damaged: " + slot.text,
          fmt::format("'systemctl restart polderd' runs what is whole; {}; {}", kLostAdvice,
                      kWornDisk));
    else
      add(out, Level::kWarning, "damaged: " + slot.text + ": it is no way back any more",
          fmt::format("the next release takes its place; {}", kWornDisk));
  }
  for (const auto& [name, unit] : state.units) {
    const auto gone = lost(state, name);
    if (!gone) continue;
    const std::string instead = unit.running() ? unit.running()->version.text() + " runs"
                                : unit.runtime ? "the installed polderd runs"
                                               : "nothing runs";
    add(out, Level::kWrong,
        fmt::format("{}: its slot was damaged; {} until it is installed again", gone->text(),
                    instead),
        fmt::format("{}; {}", kLostAdvice, kWornDisk));
  }
}

// Something newer was committed since: it is not wanted any more.
bool is_superseded(const AgentState& state, const ReleaseId& release) {
  const auto unit = state.units.find(release.model);
  return unit != state.units.end() && unit->second.committed &&
         release.version <= unit->second.committed->version;
}

// While polderd runs nobody else may install.
std::string retry_advice(bool has_other_settings, bool is_running) {
  if (has_other_settings)
    return is_running ? "it is tried at the next check; 'systemctl reload polderd' asks at once"
                      : "'polderd check --install' tries it at once";
  return std::string(
             "where a setting of this device is wrong, mend it in polderd.toml; else publish a "
             "newer version; ") +
         (is_running ? "an assignment with a higher '--retry' ('polder repo assign')"
                     : "'polderd check --install --retry'") +
         " tries it again as it is";
}

void judge_failures(Findings& out, const Facts& facts, const AgentState& state) {
  for (const BadRelease& bad : state.bad) {
    if (is_superseded(state, bad.release)) continue;
    const bool again = facts.config_error.empty() && is_tried_again(facts.config, bad);
    add(out, Level::kWarning,
        fmt::format("{}: failed here: {}{}", bad.release.text(), bad.reason,
                    again ? kTriedAgain : ""),
        retry_advice(again, facts.is_running));
  }
  for (const Attempts& item : state.attempts)
    add(out, Level::kWarning, failed_text(item),
        facts.is_running ? "mend what it says; it is tried again by itself"
                         : "mend what it says; 'polderd check --install' tries it at once");
}

void judge_refusals(Findings& out, const Facts& facts, const AgentState& state) {
  for (const Refusal& refusal : facts.refusals) {
    const trust::Sha256& manifest = refusal.release.manifest;
    const BadRelease* bad = state.find_bad(manifest);
    const bool is_told =
        state.find_attempts(manifest) || (bad && !is_superseded(state, bad->release));
    if (!is_told) add(out, Level::kWarning, refusal.line(), refusal_advice(refusal));
  }
  if (!facts.live) return;
  for (const auto& past : past_refusal_lines(*facts.live)) {
    const std::string& line = past.second;
    const bool is_told = std::ranges::any_of(
        facts.refusals, [&](const Refusal& one) { return line.starts_with(one.line()); });
    const Refusal refusal{.unit = past.first, .release = {}, .reason = line};
    if (!is_told) add(out, Level::kWarning, line, refusal_advice(refusal));
  }
}

}  // namespace

std::vector<Finding> diagnose(const Facts& facts) {
  Findings out;
  const bool has_config = facts.config_error.empty();
  if (!has_config) judge_config(out, facts);
  judge_agent(out, facts);
  if (has_config) judge_identity(out, facts);
  judge_audit(out, facts);
  if (has_config) judge_hub(out, facts);
  if (has_config) judge_repository(out, facts);
  judge_expiries(out, facts);
  judge_machine(out, facts);
  if (!facts.state.ok()) {
    add(out, Level::kWrong, facts.state.error().message, state_advice(facts, facts.state.error()));
    return out;
  }
  const AgentState& state = *facts.state;
  judge_clock(out, facts, state);
  judge_settings(out, facts);
  for (const std::string& name : facts.config.models) judge_unit(out, facts, state, name);
  judge_slots(out, facts, state);
  judge_failures(out, facts, state);
  judge_refusals(out, facts, state);
  return out;
}

}  // namespace polder::agent
