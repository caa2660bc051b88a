#include "apps/polderd_commands.h"

#include <cstdio>
#include <string>

#include "agent/clock_floor.h"
#include "agent/identity.h"
#include "agent/repository_client.h"
#include "agent/status.h"
#include "apps/polderd_home.h"
#include "base/fail.h"
#include "base/text.h"

namespace polder::agent {

namespace {

using command_line::Args;
using trust::Json;

void print(const std::string& text) { std::fputs(text.c_str(), stdout); }

// --- Check ---------------------------------------------------------------------------------------

Json release_json(const std::string& unit, const ReleaseId& release) {
  return Json::Members{{"unit", unit},
                       {"version", release.version.text()},
                       {"manifest", trust::hex(release.manifest)}};
}

void print_check(const std::optional<Offer>& offer, const std::vector<Refusal>& refusals) {
  print(offer ? fmt::format("would install {}\n", offer->release.text())
              : std::string("nothing to install\n"));
  for (const Refusal& refusal : refusals)
    print(fmt::format("refused: {}\n", one_line(refusal.reason)));
}

Json check_json(const std::optional<Offer>& offer, const std::vector<Refusal>& refusals) {
  Json::Array refused;
  for (const Refusal& refusal : refusals) {
    Json item = release_json(refusal.unit, refusal.release);
    item.members()->emplace("reason", refusal.reason);
    refused.push_back(std::move(item));
  }
  return Json::Members{{"install", offer ? release_json(offer->unit, offer->release) : Json()},
                       {"refused", std::move(refused)}};
}

// --- Keys ----------------------------------------------------------------------------------------

Status print_identity(const Identity& identity, bool json) {
  if (json) {
    const Json document =
        Json::Members{{"device", identity.device},
                      {"key", identity.key_uri},
                      {"scheme", std::string(trust::scheme_name(identity.key.scheme()))},
                      {"id", identity.key.id()},
                      {"public", identity.key.pem()}};
    print(document.pretty() + "\n");
  } else {
    print(fmt::format("{}\nkey {}\nid  {}\n{}", identity.device, identity.key_uri,
                      identity.key.id(), identity.key.pem()));
  }
  return {};
}

}  // namespace

Result<int> check_command(const Args& args) {
  TRY_VALUE(const Home home, Home::open(args));
  TRY_VALUE(const std::unique_ptr<StorageLock> lock, home.lock());
  TRY(home.trust_root());
  TRY_VALUE(AgentState loaded, load_state(*home.storage));
  TRY_VALUE(AgentState state,
            with_units(std::move(loaded), home.config.models, home.config.runtime));
  SystemClock clock;
  const SystemWallClock wall;
  TRY_VALUE(Sources sources, Sources::open(home.config, clock, wall));
  TRY_VALUE(BlobStore blobs, BlobStore::open(*home.storage));
  const trust::Device device = this_device();
  RepositoryClient client(home.config, device, sources.metadata(), blobs);
  const std::int64_t now_s = believed_time_s(wall.now_s(), state.time_seen_s);
  TRY_VALUE(CheckOutcome outcome, client.check(state, now_s));
  for (const auto& [name, floor] : outcome.floors) {
    if (state.units.contains(name)) state.floors[name] = floor;
  }
  std::vector<Refusal> refusals = std::move(outcome.refusals);
  const auto offer = choose_offer(state, outcome.offers, now_s, {}, refusals);
  if (args.has("--json")) print(check_json(offer, refusals).pretty() + "\n");
  else print_check(offer, refusals);
  return 0;
}

Result<int> status_command(const Args& args) {
  TRY_VALUE(const Home home, Home::open(args));
  TRY_VALUE(AgentState loaded, load_state(*home.storage));
  TRY_VALUE(const AgentState state,
            with_units(std::move(loaded), home.config.models, home.config.runtime));
  const std::optional<Live> live = home.live();
  if (args.has("--json")) print(status_json(home.config, state, live).pretty() + "\n");
  else print(status_text(home.config, state, live));
  return 0;
}

Result<int> doctor_command(const Args& args) {
  TRY_VALUE(const Home home, Home::open(args));
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
  KeyPassphrase passphrase(args);
  TRY_VALUE(const Identity identity, create_identity(home.config, passphrase.source()));
  SystemWallClock wall;
  Recorder record = Recorder::open(home, wall.now_s());
  record.add({trust::Act::kIdentityCreated, identity.device, identity.key.id()}, wall.now_s());
  TRY(print_identity(identity, args.has("--json")));
  return 0;
}

Result<int> identity_show_command(const Args& args) {
  TRY_VALUE(const Home home, Home::open(args));
  KeyPassphrase passphrase(args);
  TRY_VALUE(const Identity identity, show_identity(home.config, passphrase.source()));
  TRY(print_identity(identity, args.has("--json")));
  return 0;
}

Result<int> identity_csr_command(const Args& args) {
  TRY_VALUE(const Home home, Home::open(args));
  KeyPassphrase passphrase(args);
  TRY_VALUE(const std::string pem, identity_request(home.config, passphrase.source()));
  if (args.has("--json")) print(Json(Json::Members{{"csr", pem}}).pretty() + "\n");
  else print(pem);
  return 0;
}

Result<int> reference_command(const Args&) {
  print(config_reference());
  return 0;
}

}  // namespace polder::agent
