#include "apps/polderd_commands.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "agent/clock_floor.h"
#include "agent/doctor.h"
#include "agent/driver.h"
#include "agent/identity.h"
#include "agent/repository_releases.h"
#include "agent/status.h"
#include "agent/worker_runner.h"
#include "apps/polderd_home.h"
#include "apps/polderd_link.h"
#include "apps/polderd_telemetry.h"
#include "base/fail.h"
#include "base/text.h"
#include "platform/host.h"
#include "platform/process.h"
#include "platform/program.h"
#include "platform/service.h"
#include "trust/csr.h"
#include "trust/tuf_metadata.h"

namespace polder::agent {

namespace {

using command_line::Args;
using trust::Json;

void print(const std::string& text) { std::fputs(text.c_str(), stdout); }

void log(const std::string& text) { std::fprintf(stderr, "polderd: %s\n", one_line(text).c_str()); }

// --- The agent, put together ---------------------------------------------------------------------

constexpr std::int64_t kSayAliveUs = 10'000'000;
// The polderd in its slot was started so often, never ran for so long nor asked the repository: it
// cannot.
constexpr std::int64_t kProvenUs = 60'000'000;
constexpr std::int64_t kRuntimeStarts = 10;

// Everything that a driver needs, for as long as it needs it.
class Agent {
 public:
  static Result<std::unique_ptr<Agent>> open(const Args& args, Self self) {
    hide_this_process();  // from its workers, which are of the same user
    TRY_VALUE(Home home, Home::open(args));
    TRY_VALUE(std::unique_ptr<StorageLock> lock, home.lock());
    auto agent = std::unique_ptr<Agent>(new Agent(args, self, std::move(home), std::move(lock)));
    TRY(agent->make());
    return agent;
  }

  Driver& driver() { return *driver_; }
  const Home& home() const { return home_; }
  // From now on the page is shown, and the collector and the hub are sent to.
  void go_online() {
    telemetry_->go_online();
    link_ = make_link(
        home_, clock_, believed_, [this] { return random_.bits(); },
        [this](const Occurrence& what) { happened(what); },
        [this] { return open_device_signer(home_.config, *home_.storage); });
  }
  Telemetry& telemetry() { return *telemetry_; }
  // The program in the active slot of the runtime.
  Result<ProgramFile> program_of_runtime() {
    const std::string& name = home_.config.runtime;
    const Unit& unit = driver_->state().units.at(name);
    return releases_->slots().program(name, unit.active, *unit.running());
  }
  // Ends them as one who waits for their end. The driver starts them again where it goes on.
  void stop_workers() {
    for (const std::string& name : home_.config.models) runner_->stop(name);
  }

  // What only the running agent knows, for `polderd status`.
  Live live() {
    Live live{.said_s = wall_.now_s(),
              .checked_s = checked_s_,
              .check_error = driver_->check_error(),
              .note = driver_->check_note()};
    for (const Refusal& refusal : driver_->refusals()) live.refusals.push_back(refusal.line());
    live.past_refusals = driver_->past_refusals();
    for (const std::string& name : home_.config.models) {
      const UnitHealth health = runner_->health(name);
      const bool runs = driver_->state().units.at(name).running() != nullptr;
      const std::string damage = driver_->damage(name);
      live.health[name] = !runs                                ? "nothing to run"
                          : !damage.empty()                    ? damage
                          : !health.reason.empty()             ? health.reason
                          : health.health == Health::kWell     ? "well"
                          : health.health == Health::kStarting ? "starting"
                                                               : "failed";
      if (health.next_start_us) live.next_start_s[name] = next_start_s(name, *health.next_start_us);
    }
    for (const std::string& name : home_.config.models) {
      if (const auto output = runner_->output(name)) live.output.emplace(name, *output);
      if (auto shadow = runner_->shadow_result(name)) live.shadow.emplace(name, std::move(*shadow));
    }
    live.reports = telemetry_->reporter().standing();
    live.audit = record_->trouble();
    live.metrics_error = telemetry_->page_trouble();
    if (link_) live.hub = link_->standing();
    live.config = trust::hex(home_.config.file);
    live.lockable_bytes = lockable_memory_bytes();
    return live;
  }
  // Reckoned once for each start: the two clocks do not go alike, and each second would be news.
  std::int64_t next_start_s(const std::string& name, std::int64_t next_us) {
    auto& [told_us, told_s] = next_starts_[name];
    if (std::exchange(told_us, next_us) != next_us)
      told_s = std::max<std::int64_t>(wall_.now_s() + (next_us - clock_.now_us()) / 1'000'000, 0);
    return told_s;
  }
  // When there is something new, and now and then, so that readers see that it is of now.
  void publish_live() {
    Live now = live();
    const bool is_old = std::abs(now.said_s - published_.said_s) >= kLiveEveryS;
    if (!is_old) now.said_s = published_.said_s;
    if (now == published_) return;
    now.said_s = wall_.now_s();
    // For readers alone: when it fails they see the one before.
    if (replace_stored(*home_.storage, kLiveName, now.to_json().pretty()).ok())
      published_ = std::move(now);
  }
  void note_check() { checked_s_ = wall_.now_s(); }
  void meanwhile() {
    telemetry_->poll(driver_->state());
    if (link_) link_->poll(&telemetry_->reporter());
    if (link_ && link_->take_news()) driver_->check_soon();
    record_->poll();
    say_alive();
    reload_if_asked();
    if (!termination_is_held()) return;
    driver_->note_end();
    end_by_termination();
  }
  // Now and then, to a service manager that watches, or waits until all slots are hashed.
  void say_alive() {
    if (clock_.now_us() < say_alive_us_) return;
    say_alive_us_ = clock_.now_us() + kSayAliveUs;
    tell_service_manager("WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000");
  }
  // The program in the slot has done or run for so long that its starts count no longer.
  void note_runs() {
    if (is_proven_ || (clock_.now_us() < proven_us_ && !driver_->has_checked())) return;
    is_proven_ = true;
    home_.forget_runtime_starts();
  }

 private:
  Agent(const Args& args, Self self, Home home, std::unique_ptr<StorageLock> lock)
      : args_(args), self_(self), home_(std::move(home)), lock_(std::move(lock)) {}

  // At SIGHUP polderd.toml is read anew, by a start in place. Not in a probe, whose process would
  // be left to the next program.
  void reload_if_asked() {
    if (!hangup_is_held() || driver_->state().phase == Phase::kProbe) return;
    answer_hangup();
    log(fmt::format("not reloaded, what was read before holds: {}", reload().error().message));
    hold_hangup();
  }
  // Returns on an error only.
  Status reload() {
    TRY(home_.check_start(args_));
    TRY_VALUE(const std::string path, installed_program(self_));
    TRY_VALUE(const ProgramFile program, ProgramFile::open(path));
    log("reloads: starts anew with what polderd.toml says now");
    driver_->note_end();
    stop_workers();
    ignore_hangup();
    return run_in_place(program, "", args_of_process());
  }

  std::int64_t time_seen_s() const {
    return std::max(self_.built_s, driver_ ? driver_->state().time_seen_s : 0);
  }

  Status make() {
    // Without a root nothing is updated, and what is installed runs.
    if (const Status trusted = home_.trust_root(*home_.storage); !trusted.ok())
      log(trusted.error().message);
    const auto look_after = [this] { return driver_ ? driver_->look_after() : Status(); };
    TRY_VALUE(sources_, Sources::open(home_.config, *home_.storage, clock_, believed_, look_after));
    TRY_VALUE(const BlobStore blobs, BlobStore::open(*home_.storage));
    blobs_ = std::make_unique<BlobStore>(blobs);
    device_ = this_device();
    releases_ = std::make_unique<RepositoryReleases>(home_.config, device_, sources_.metadata(),
                                                     sources_.blobs(), *blobs_);
    record_ = std::make_unique<Recorder>(home_.config, *home_.storage, clock_, wall_, log);
    runner_ = std::make_unique<WorkerRunner>(home_.config, releases_->slots(), *home_.storage,
                                             processes_, clock_, kThisProgram,
                                             [this](const Occurrence& what) { happened(what); });
    telemetry_ = std::make_unique<Telemetry>(
        home_.config,
        ReporterParts{*home_.storage, clock_, believed_, *runner_, *runner_,
                      [](const std::string& text) { log(text); }, "/sys", random_.bits()},
        [this] { return updates(); });
    driver_ = std::make_unique<Driver>(
        home_.config, Policy{},
        DriverParts{*home_.storage, *releases_, *runner_, clock_, wall_,
                    [this] { return random_.bits(); },
                    [this](const Occurrence& what) { happened(what); },
                    [this] { return sources_.retry_after_s(); }, [this] { meanwhile(); }},
        self_);
    if (auto before = home_.live()) driver_->remember(std::move(before->past_refusals));
    TRY(driver_->start());
    telemetry_->reporter().start(driver_->state());
    return {};
  }

  // For the page of metrics, which is shown once there is a driver.
  UpdateStanding updates() const {
    const auto free = home_.storage->free_bytes();
    return {.roll_backs = roll_backs_,
            .refusals = driver_->refusals().size(),
            .checked_well_s = driver_->checked_well_s(),
            .is_check_failed = !driver_->check_error().empty(),
            .free_bytes = free.ok() ? std::optional(*free) : std::nullopt,
            .is_audit_signed = record_->is_signed()};
  }

  void happened(const Occurrence& what) {
    log(with_name(what.object, what.text));
    if (what.act == trust::Act::kUpdateRolledBack) ++roll_backs_;
    if (what.act == trust::Act::kRootTrusted && link_) link_->root_changed();
    record_->add(what);
    telemetry_->reporter().note(what);
  }

  const Args& args_;
  const Self self_;
  Home home_;
  std::unique_ptr<StorageLock> lock_;
  SystemClock clock_;
  SystemWallClock wall_;
  BelievedClock believed_{wall_, [this] { return time_seen_s(); }};
  SystemProcesses processes_;
  Random random_;
  Sources sources_;
  trust::Device device_;
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<RepositoryReleases> releases_;
  std::unique_ptr<Recorder> record_;
  std::unique_ptr<WorkerRunner> runner_;
  std::unique_ptr<Telemetry> telemetry_;
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<HubLink> link_;
  std::int64_t checked_s_ = 0;
  std::uint64_t roll_backs_ = 0;
  Live published_;
  // By unit: when its worker is started again, on the machine's clock and of the day.
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> next_starts_;
  std::int64_t say_alive_us_ = 0, proven_us_ = clock_.now_us() + kProvenUs;
  bool is_proven_ = false;
};

// --- Run -----------------------------------------------------------------------------------------

// From a slot always the installed program comes next, which counts the try and starts the slot's.
Status start_installed(std::unique_ptr<Agent> agent, const Self& self) {
  TRY_VALUE(const std::string path, installed_program(self));
  TRY_VALUE(const ProgramFile program, ProgramFile::open(path));
  agent.reset();  // workers end
  return run_in_place(program, "", args_of_process());
}

// Becomes the program in the slot of the runtime. When that cannot be this one goes on.
void start_slot(Agent& agent) {
  const auto start = [&]() -> Status {
    const std::int64_t starts = agent.home().count_runtime_start();
    if (starts > kRuntimeStarts) {
      agent.home().forget_runtime_starts();
      return fail(Code::kUnavailable, "it was started {} times and never ran for {} s on end",
                  starts - 1, kProvenUs / 1'000'000);
    }
    TRY_VALUE(const ProgramFile program, agent.program_of_runtime());
    agent.stop_workers();  // they are this one's children, and would be the new one's
    const Unit& unit = agent.driver().state().units.at(agent.home().config.runtime);
    return run_in_place(program, std::string(slot_name(unit.active)), args_of_process());
  };
  agent.driver().runtime_does_not_start(start().error().message);
}

// --- Check ---------------------------------------------------------------------------------------

Json release_json(const std::string& unit, const ReleaseId& release) {
  return Json::Members{{"unit", unit},
                       {"version", release.version.text()},
                       {"manifest", trust::hex(release.manifest)}};
}

std::string not_now(const Config& config) {
  return fmt::format("not now: updates begin from {} UTC ([updates] window)",
                     config.window->text());
}

int print_answer(const Config& config, const Answer& answer, bool json) {
  const auto waits = [&](const Offer& offer) {
    return std::ranges::find(answer.waiting, offer) != answer.waiting.end();
  };
  if (json) {
    Json::Array install, refused;
    for (const Offer& offer : answer.install) {
      install.push_back(release_json(offer.unit, offer.release));
      install.back().members()->emplace("now", !waits(offer));
    }
    for (const Refusal& refusal : answer.refusals) {
      Json item = release_json(refusal.unit, refusal.release);
      item.members()->emplace("reason", refusal.reason);
      item.members()->emplace("own", refusal.is_own);
      refused.push_back(std::move(item));
    }
    const Json document =
        Json::Members{{"install", std::move(install)},
                      {"refused", std::move(refused)},
                      {"note", answer.note},
                      {"window", config.window ? Json(config.window->text()) : Json()},
                      {"now", answer.waiting.empty()}};
    print(document.pretty() + "\n");
  } else {
    for (const Offer& offer : answer.install)
      print(fmt::format("would install {}{}\n", offer.release.text(),
                        answer.waiting.empty() || waits(offer) ? "" : ", now"));
    if (answer.install.empty()) print("nothing to install\n");
    else if (!answer.waiting.empty()) print(not_now(config) + "\n");
    if (!answer.note.empty()) print(answer.note + "\n");
    for (const Refusal& refusal : answer.refusals) print(refusal.line() + "\n");
  }
  return answer.refusals.empty() ? 0 : 1;
}

// Whether something failed that is not in `before`.
template <class T>
bool has_new(const std::vector<T>& now, const std::vector<T>& before) {
  return std::ranges::any_of(
      now, [&](const T& item) { return std::ranges::find(before, item) == before.end(); });
}

// Until a check finds nothing more.
Result<int> install_all(Agent& agent, bool retry, bool json) {
  Driver& driver = agent.driver();
  bool restart = false;
  driver.ask_now();
  if (retry) TRY(driver.try_again());
  const AgentState first = driver.state();
  for (int i = 0; i < 64 && !restart; ++i) {
    const auto before = driver.state().units;
    TRY_VALUE(const Turn turn, driver.turn_until_idle());
    agent.note_check();
    agent.publish_live();
    restart = turn.restart;
    if (driver.state().units == before) break;
  }
  const bool fine = driver.check_error().empty() && driver.refusals().empty() &&
                    !has_new(driver.state().bad, first.bad) &&
                    !has_new(driver.state().attempts, first.attempts);
  const Standing now{.state = driver.state(),
                     .live = agent.live(),
                     .is_running = true,
                     .now_s = SystemWallClock().now_s(),
                     .expiries = trusted_expiries(*agent.home().storage)};
  if (json) print(status_json(agent.home().config, now).pretty() + "\n");
  else print(status_text(agent.home().config, now));
  if (driver.is_kept_waiting()) log(not_now(agent.home().config));
  if (restart) log("polderd itself was updated: 'polderd run' starts the new one");
  return fine ? 0 : 1;
}

// --- Keys ----------------------------------------------------------------------------------------

Status print_identity(const Identity& identity, bool json) {
  if (json) {
    Json::Members members{{"device", identity.device},
                          {"key", identity.key_uri},
                          {"scheme", std::string(trust::scheme_name(identity.key.scheme()))},
                          {"id", identity.key.id()},
                          {"public", identity.key.pem()}};
    if (identity.decryption) {
      members.emplace("decryption", Json::Members{{"key", identity.decryption_uri},
                                                  {"id", identity.decryption->id()},
                                                  {"public", identity.decryption->pem()}});
    }
    print(Json(std::move(members)).pretty() + "\n");
    return {};
  }
  print(fmt::format("{}\nkey {}\nid  {}\n{}", identity.device, identity.key_uri, identity.key.id(),
                    identity.key.pem()));
  if (identity.decryption) {
    print(fmt::format("models are sealed for it with\nkey {}\nid  {}\n{}", identity.decryption_uri,
                      identity.decryption->id(), identity.decryption->pem()));
  }
  return {};
}

}  // namespace

Result<int> run_command(const Args& args) {
  const Self self = self_from_environment();
  hold_hangup();
  TRY_VALUE(std::unique_ptr<Agent> agent, Agent::open(args, self));
  log(fmt::format("{} runs, start {}", agent->home().config.device, agent->driver().state().boot));
  agent->go_online();
  if (self.slot != Slot::kNone || !agent->driver().is_own_restart_due())
    tell_service_manager("READY=1");
  bool checked = false;
  for (;;) {
    // An end in a trial is worth a note; at any other time it needs none.
    hold_termination(agent->driver().is_on_trial());
    TRY_VALUE(const Turn turn, agent->driver().turn());
    if (agent->driver().has_checked() && !checked) {
      agent->note_check();
      release_idle_memory();
    }
    checked = agent->driver().has_checked() && agent->driver().state().phase != Phase::kCheck;
    agent->publish_live();
    if (self.slot != Slot::kNone) agent->note_runs();
    if (turn.restart) {
      if (self.slot != Slot::kNone) return start_installed(std::move(agent), self).error();
      start_slot(*agent);
      continue;
    }
    agent->telemetry().wait_until_us(turn.wake_us, agent->driver().state());
  }
}

Result<int> check_command(const Args& args) {
  const bool json = args.has("--json"), retry = args.has("--retry");
  if (args.has("--install")) {
    TRY_VALUE(const std::unique_ptr<Agent> agent, Agent::open(args, self_from_environment()));
    return install_all(*agent, retry, json);
  }
  TRY_VALUE(const Home home, Home::look(args));
  TRY_VALUE(const Answer answer, ask(home, retry));
  return print_answer(home.config, answer, json);
}

Result<int> status_command(const Args& args) {
  TRY_VALUE(const Home home, Home::look_past(args));
  TRY_VALUE(const Standing standing, home.standing());
  if (args.has("--json")) print(status_json(home.config, standing).pretty() + "\n");
  else print(status_text(home.config, standing));
  return home.config_error.empty() ? 0 : 1;
}

Result<int> doctor_command(const Args& args) {
  TRY_VALUE(const Home home, Home::look_past(args));
  TRY(home.check_user());
  const std::vector<Finding> findings = diagnose(home.facts());
  constexpr const char* kLevels[] = {"good", "warning", "wrong"};
  bool wrong = false;
  Json::Array list;
  for (const Finding& finding : findings) {
    wrong |= finding.level == Level::kWrong;
    const char* level = kLevels[int(finding.level)];
    list.push_back(
        Json::Members{{"level", level}, {"what", finding.what}, {"advice", finding.advice}});
    if (args.has("--json")) continue;
    print(fmt::format("{:<8} {}\n", level, one_line(finding.what)));
    if (!finding.advice.empty()) print(fmt::format("{:<8} -> {}\n", "", finding.advice));
  }
  if (args.has("--json")) print(Json(std::move(list)).pretty() + "\n");
  return wrong ? 1 : 0;
}

Result<int> identity_create_command(const Args& args) {
  TRY_VALUE(Home home, Home::open(args));
  TRY_VALUE(const std::unique_ptr<StorageLock> lock, home.lock());
  KeyPassphrase passphrase(args, home.config);
  TRY_VALUE(const Identity identity, passphrase.create_identity(home));
  SystemClock clock;
  const SystemWallClock wall;
  Recorder record(home.config, *home.storage, clock, wall, log);
  record.add({trust::Act::kIdentityCreated, identity.device, identity.key.id()});
  TRY(print_identity(identity, args.has("--json")));
  return 0;
}

Result<int> identity_show_command(const Args& args) {
  TRY_VALUE(const Home home, Home::look(args));
  TRY(home.check_user());
  KeyPassphrase passphrase(args, home.config);
  TRY_VALUE(const Identity identity, passphrase.identity(home));
  TRY(print_identity(identity, args.has("--json")));
  return 0;
}

Result<int> identity_csr_command(const Args& args) {
  TRY_VALUE(const Home home, Home::look(args));
  TRY(home.check_user());
  KeyPassphrase passphrase(args, home.config);
  TRY_VALUE(const std::unique_ptr<trust::Signer> signer, passphrase.open_signer(home));
  TRY_VALUE(const std::string pem, trust::certificate_request(*signer, home.config.device));
  if (args.has("--json")) print(Json(Json::Members{{"csr", pem}}).pretty() + "\n");
  else print(pem);
  return 0;
}

// With a hub that does not answer: one request has its time, and more are polderd's.
constexpr std::int64_t kEnrolUs = 90'000'000;

Result<int> enrol_command(const Args& args) {
  TRY_VALUE(Home home, Home::open(args));
  if (args.has("--token-file")) {
    home.config.hub.token_file = std::filesystem::absolute(args.text("--token-file")).string();
  }
  if (home.config.hub.url.empty())
    return fail(Code::kInvalid, "polderd.toml names no hub: set 'url' of [hub]");
  TRY_VALUE(const std::unique_ptr<StorageLock> lock, home.lock());
  KeyPassphrase passphrase(args, home.config);
  SystemClock clock;
  const SystemWallClock wall;
  Random random;
  Recorder record(home.config, *home.storage, clock, wall, log);
  const std::unique_ptr<HubLink> link = make_link(
      home, clock, wall, [&] { return random.bits(); },
      [&](const Occurrence& what) {
        if (what.act != trust::Act::kNote) log(with_name(what.object, what.text));
        record.add(what);
      },
      [&] { return passphrase.open_signer(home); });
  const std::int64_t last_us = clock.now_us() + kEnrolUs;
  HubStanding standing;
  while (standing.checked_in_s == 0 && (standing.trouble.empty() || link->has_more_to_show()) &&
         clock.now_us() < last_us) {
    link->poll(nullptr);
    standing = link->standing();
    clock.sleep_until_us(clock.now_us() + 20'000);
  }
  if (!standing.trouble.empty())
    return fail(Code::kUnavailable, "{}: {}", standing.trouble, standing.advice);
  if (standing.checked_in_s == 0) return fail(Code::kTimeout, "{}: no answer", home.config.hub.url);
  const std::string until = trust::tuf::time_text(standing.certificate_until_s);
  if (args.has("--json")) {
    print(Json(Json::Members{{"hub", home.config.hub.url},
                             {"device", home.config.device},
                             {"certificate_until", until}})
              .pretty() +
          "\n");
  } else {
    print(fmt::format("{} is enrolled with {}, its certificate holds until {}\n",
                      home.config.device, home.config.hub.url, until));
  }
  return 0;
}

Result<int> reference_command(const Args&) {
  print(config_reference());
  return 0;
}

}  // namespace polder::agent
