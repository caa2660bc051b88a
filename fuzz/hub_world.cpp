#include "hub_world.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/fail.h"
#include "hub/api/people.h"
#include "hub/rollouts/engine.h"
#include "hub/store/schema.h"
#include "hub/telemetry/store.h"
#include "platform/file.h"
#include "proto/report.h"
#include "trust/csr.h"
#include "trust/manifest.h"
#include "trust/tuf_repository.h"

namespace polder::fuzz {
namespace {

using namespace hub;
using trust::Json;
using trust::TestSigner;
using trust::tuf::Repository;

constexpr std::int64_t kNowS = 1'900'000'000, kHourS = 3'600, kLookS = 10;
constexpr std::uint64_t kReports = 3;  // in a check-in
struct Device {
  std::string name, site;
};
const Device kDevices[] = {{"cam-1", "ams"}, {"cam-2", "ams"}, {"cam-3", "hrl"}, {"cam-4", "rtm"}};
constexpr std::size_t kMaxFile = 1 << 20;
constexpr std::string_view kContent = "a model", kSbom = "{}";

[[noreturn]] void give_up(std::string_view what) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}
void must(const Status& done) {
  if (!done.ok()) give_up(done.error().message);
}
template <class T>
T must(Result<T> result) {
  if (!result.ok()) give_up(result.error().message);
  return std::move(*result);
}

std::string text_of(const Json& json, std::string_view name) {
  const Json* const member = json.find(name);
  if (!member || !member->string()) give_up(json.compact());
  return *member->string();
}

std::string hex_digest(std::string_view bytes) { return trust::hex(trust::sha256(bytes)); }

std::string manifest(const std::string& version) {
  trust::Manifest made;
  made.model = "people";
  made.version = must(trust::Version::parse(version, "version"));
  made.created_s = 1'800'000'000;
  made.licence = "Apache-2.0";
  made.card.summary = "Counts people.";
  for (const std::string_view blob : {kContent, kSbom})
    made.blobs[trust::sha256(blob)].bytes = static_cast<std::int64_t>(blob.size());
  trust::Artifact artifact{"detector", trust::ArtifactKind::kTflite, "generic", {}, {}, {}, {}};
  artifact.requirement.backend = "litert";
  artifact.blob = trust::sha256(kContent);
  made.artifacts.push_back(artifact);
  made.sbom = trust::sha256(kSbom);
  return made.bytes();
}

// The clock of libFuzzer interrupts system calls, which the library takes for a failure.
void copy_folder(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  do {
    std::filesystem::copy(from, to,
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing,
                          error);
  } while (error == std::errc::interrupted);
  if (error) give_up(to.string() + ": " + error.message());
}

void add_release(Repository& repo, const std::filesystem::path& folder,
                 const std::string& version) {
  for (const std::string_view blob : {kContent, kSbom}) {
    const std::string file = folder / "blob";
    must(write_file_atomic(file, blob));
    must(repo.add_blob(file, trust::sha256(blob)));
  }
  must(repo.add_bytes("people/" + version + "/manifest.json", manifest(version), kNowS));
  TestSigner targets("targets");
  must(repo.sign(targets));
}

proto::Report report_of(const std::string& device, std::uint64_t sequence,
                        decltype(proto::Report::what) what) {
  return {.device = device,
          .program = "1",
          .boot = 1,
          .sequence = sequence,
          .time_s = kNowS,
          .what = std::move(what)};
}

// The same in every run, and another one for each device.
TestSigner key_of(const std::string& device) { return TestSigner("the key of " + device); }

}  // namespace

// --- What devices say ----------------------------------------------------------------------------

std::string HubWorld::certificate_request(const std::string& device) {
  TestSigner key = key_of(device);
  return must(trust::certificate_request(key, device));
}

std::string HubWorld::checkin(const std::string& device, std::uint64_t sequence) {
  const proto::ReportRelease release{.model = "people", .version = "1.0.0"};
  proto::ReportUnit unit{.name = "people", .release = release};
  unit.health = proto::ReportHealth::kWell;
  unit.frames = 300;
  proto::ReportStage stage{.name = "detect", .packets = 300};
  proto::ReportSignal signal{.name = "detect.score"};
  for (int i = 0; i < 300; ++i) {
    stage.latency_ms.add(20 + i % 7);
    signal.values.add(0.8);
  }
  unit.stages.push_back(std::move(stage));
  unit.signals.push_back(std::move(signal));
  proto::ReportMetrics metrics{.window_ms = 1'000 * kLookS};
  metrics.units.push_back(std::move(unit));
  const proto::ReportAlarm alarm{.what = proto::AlarmKind::kUpdateFailed,
                                 .unit = "people",
                                 .release = release,
                                 .code = Code::kIo,
                                 .text = "no room"};
  proto::Checkin checkin{.program = "1", .timestamp = 1, .reports = {}};
  checkin.reports.push_back(report_of(
      device, sequence, proto::ReportLifecycle{proto::LifecycleKind::kStarted, "people", release}));
  checkin.reports.push_back(report_of(device, sequence + 1, std::move(metrics)));
  checkin.reports.push_back(report_of(device, sequence + 2, alarm));
  return must(proto::encode(checkin));
}

// --- Its life ------------------------------------------------------------------------------------

HubWorld::HubWorld()
    : folder_((::access("/dev/shm", W_OK) == 0 ? std::filesystem::path("/dev/shm")
                                               : std::filesystem::temp_directory_path()) /
              ("polder-hub-fuzz-" + std::to_string(::getpid()))),
      live_(folder_ / "live"),
      wall_(kNowS) {
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(live_);
  TestSigner key("authority");
  authority_pem_ = must(make_authority(key, kNowS - kDeviceCertificateS));
  start();
  fill();
  stop();
  std::filesystem::rename(live_, folder_ / "first");
  begin_again();
}

HubWorld::~HubWorld() {
  stop();
  std::filesystem::remove_all(folder_);
}

void HubWorld::reset() {
  stop();
  std::filesystem::remove_all(live_);
  begin_again();
}

void HubWorld::begin_again() {
  copy_folder(folder_ / "first", live_);
  wall_.set_s(kNowS + kHourS);
  start();
}

void HubWorld::start() {
  const auto trouble = [](const std::string& text) { give_up(text); };
  const std::string database = live_ / "hub.db", log = live_ / "audit.log";
  auto opened = must(open_database(database));
  must(opened->run("PRAGMA synchronous = OFF"));
  must(migrate(*opened));
  writer_ = std::make_unique<Writer>(std::move(opened));
  readers_ = std::make_unique<Readers>(database);
  recorder_ = std::make_unique<Recorder>(log, must(trust::AuditLog::open(log, {"fuzz", "fuzz", 1})),
                                         std::make_unique<TestSigner>("audit"), *writer_, *readers_,
                                         trouble);
  authority_ =
      std::make_unique<Authority>(std::make_unique<TestSigner>("authority"), authority_pem_);
  repository_ =
      must(OnlineRepository::open(live_.string(), std::make_unique<TestSigner>("online")));
  uploads_ = must(Uploads::open((live_ / "uploads").string()));
  // What a device claims may be worth a line of its log.
  publisher_ = std::make_unique<Publisher>(Publisher::Parts{
      *repository_, *uploads_, *writer_, *readers_, *recorder_, wall_, [](const std::string&) {}});
  must(publisher_->begin());
  hub_ = std::make_unique<Hub>(Hub{*writer_, *readers_, *authority_, *recorder_, *repository_,
                                   *uploads_, *publisher_, wall_, trouble});
  hub_->poll_s = kLookS;
}

void HubWorld::stop() {
  hub_.reset();
  publisher_.reset();
  uploads_.reset();
  repository_.reset();
  recorder_.reset();
  writer_.reset();
  readers_.reset();
}

void HubWorld::turn() {
  must(run_due(
      [&](std::string_view sql, const Values& values) { return readers_->query(sql, values); },
      [&](const Work& work) { return write(*hub_, work); }, wall_.now_s()));
}

void HubWorld::go_on() {
  wall_.set_s(wall_.now_s() + kHourS);
  turn();
  publisher_->tend();
}

// --- Requests ------------------------------------------------------------------------------------

Response HubWorld::ask(std::string_view text) {
  std::string known(text);
  for (const auto& [word, meaning] : words_)
    for (std::size_t at = 0; (at = known.find(word, at)) != known.npos; at += meaning.size())
      known.replace(at, word.size(), meaning);
  std::string_view rest = known;
  const auto line = [&] {
    const std::string_view first = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), first.size() + 1));
    return first;
  };
  const std::string_view first = line();
  const std::size_t space = first.find(' ');
  Request request{.id = "f", .method = std::string(first.substr(0, space))};
  if (space != first.npos) request.target = first.substr(space + 1);
  request.authorization = admin_;
  request.certificate = certificate_;
  std::map<std::string_view, std::string*> headers = {
      {"Authorization", &request.authorization},
      {"Content-Type", &request.content_type},
      {"If-None-Match", &request.if_none_match},
      {"Range", &request.range},
      {"Idempotency-Key", &request.idempotency_key}};
  for (std::string_view header = line(); !header.empty(); header = line()) {
    const std::size_t colon = std::min(header.find(": "), header.size());
    if (const auto found = headers.find(header.substr(0, colon)); found != headers.end())
      *found->second = header.substr(std::min(colon + 2, header.size()));
  }
  request.body = rest;
  ManualClock clock;
  return Router(*hub_, clock).answer(request);
}

Json HubWorld::done(const Request& request) {
  ManualClock clock;
  const Response response = Router(*hub_, clock).answer(request);
  if (response.status >= 300)
    give_up(fmt::format("{} {}: {}", request.method, request.target, response.body));
  return response.body.empty() ? Json() : must(Json::parse(response.body, "response"));
}

Json HubWorld::done(std::string method, std::string target, const Json& body) {
  const bool has_body = body.members() != nullptr;
  return done({.id = "w",
               .method = std::move(method),
               .target = std::move(target),
               .authorization = admin_,
               .content_type = has_body ? "application/json" : "",
               .body = has_body ? body.compact() : ""});
}

// --- What there is -------------------------------------------------------------------------------

void HubWorld::fill() {
  must(writer_->write([&](Database& database) -> Status {
    TRY_VALUE(const PersonToken admin, add_person_token(database, {"a", Role::kAdmin, {}, "f"}, 1));
    TRY_VALUE(const PersonToken releaser,
              add_person_token(database, {"r", Role::kReleaser, {}, "f"}, 1));
    admin_ = "Bearer " + admin.text;
    releaser_ = "Bearer " + releaser.text;
    return {};
  }));
  enrol_devices();
  publish_two();
  begin_rollouts();
  ask_for_a_third();
  words_["@token"] =
      text_of(done("POST", "/v1/tokens", Json::Members{{"name", "v"}, {"role", "viewer"}}), "id");
  const Json invitation = done("POST", "/v1/enrolment-tokens", Json::Members{});
  words_["@invitation"] = text_of(invitation, "id");
  words_["@enrolment"] = text_of(invitation, "token");
  done("PUT", "/v1/groups/ams", Json::Members{{"query", "site=ams"}});
  done("PUT", "/v1/models/people/aliases/tried", Json::Members{{"version", "1.0.0"}});
  done("PUT", "/v1/models/people/aliases/champion", Json::Members{{"version", "1.1.0"}});
}

// So long ago that each may have another certificate.
void HubWorld::enrol_devices() {
  wall_.set_s(kNowS - kDeviceCertificateS * 2 / 3);
  for (const Device& device : kDevices) {
    const Json token = done("POST", "/v1/enrolment-tokens", Json::Members{});
    const Json made = done("POST", "/v1/enrol",
                           Json::Members{{"token", text_of(token, "token")},
                                         {"csr", certificate_request(device.name)}});
    if (certificate_.empty()) certificate_ = text_of(made, "certificate");
    done("PUT", "/v1/devices/" + device.name + "/tags", Json::Members{{"site", device.site}});
  }
  wall_.set_s(kNowS);
}

// The releaser's; what is staged has come then, as the body of a publication.
Json HubWorld::upload(const std::string& repo) {
  const auto send = [&](const std::string& bytes) {
    const std::string digest = hex_digest(bytes);
    done({.id = "w",
          .method = "POST",
          .target = fmt::format("/v1/uploads/{}?total={}", digest, bytes.size()),
          .authorization = releaser_,
          .content_type = "application/octet-stream",
          .body = bytes});
    return digest;
  };
  const Repository repository = must(Repository::open_to_read(repo));
  for (const auto& file : must(repository.staged_files()))
    if (file.is_here) send(must(read_file(file.place, kMaxFile)));
  Json::Members roles;
  for (const auto& role : must(repository.staged()))
    roles.emplace(role.role,
                  send(must(read_file(repo + "/staged/" + role.role + ".json", kMaxFile))));
  return Json::Members{{"roles", std::move(roles)}};
}

// Returns the approval.
std::string HubWorld::ask_for(const Json& publication) {
  return text_of(done({.id = "w",
                       .method = "POST",
                       .target = "/v1/publications",
                       .authorization = releaser_,
                       .content_type = "application/json",
                       .body = publication.compact()}),
                 "id");
}

void HubWorld::publish_two() {
  const std::string folder = folder_ / "repo";
  TestSigner root("root"), targets("targets");
  const trust::PublicKey& online = repository_->key();
  {
    Repository repo = must(Repository::create(folder,
                                              {.root = {{root.public_key()}, 1},
                                               .targets = {{targets.public_key()}, 1},
                                               .snapshot = {{online}, 1},
                                               .timestamp = {{online}, 1}},
                                              must(trust::tuf::profile("hub")), kNowS));
    must(repo.sign(root));
    must(repo.delegate("assignments", {{online}, 1}, {"assignments/*"}, true, kNowS));
    for (const char* version : {"1.0.0", "1.1.0"}) add_release(repo, folder_, version);
  }
  done("POST", "/v1/approvals/" + ask_for(upload(folder)) + "/approve");
  std::filesystem::remove_all(folder + "/staged");
  for (const char* part : {"metadata", "targets", "blobs"})
    copy_folder(live_ / "repository" / part, folder + "/" + part);
}

void HubWorld::ask_for_a_third() {
  const std::string folder = folder_ / "repo";
  Repository repo = must(Repository::open(folder));
  add_release(repo, folder_, "1.2.0");
  words_["@approval"] = ask_for(upload(folder));
  // Another is here and nobody has asked for it yet.
  add_release(repo, folder_, "1.3.0");
  const Json publication = upload(folder);
  words_["@publication"] = publication.compact();
  words_["@uploaded"] = *publication.find("roles")->find("targets")->string();
  words_["@blob"] = hex_digest(kContent);
  words_["@prefix"] = hex_digest(kContent).substr(0, 2);
  words_["@manifest"] = hex_digest(manifest("1.0.0"));
}

// Each device tells how it does.
void HubWorld::look(std::uint64_t sequence) {
  for (const Device& device : kDevices) {
    const auto message = must(proto::decode_report_message(checkin(device.name, sequence)));
    must(write(*hub_, [&](Database& database) -> Status {
      const auto& checkin = std::get<proto::Checkin>(message);
      const auto taken = take_checkin(database, device.name, checkin, kNowS);
      return taken.ok() ? Status() : Status(taken.error());
    }));
  }
  wall_.set_s(wall_.now_s() + kLookS);
  turn();
}

std::string HubWorld::begin_rollout(const std::string& site) {
  const Json order = Json::Members{
      {"model", "people"},
      {"version", "1.1.0"},
      {"query", "site=" + site},
      {"look_s", kLookS},
      {"unpublished", true},
      {"history_looks", 1},
      {"stages", Json::Array{Json::Members{{"devices", 1}}, Json::Members{{"percent", 100}}}}};
  return text_of(done("POST", "/v1/rollouts", order), "id");
}

void HubWorld::begin_rollouts() {
  std::uint64_t sequence = 0;
  const auto next = [&] { return sequence += kReports; };
  look(next());
  words_["@rollout"] = begin_rollout("ams");
  const std::string paused = words_["@paused"] = begin_rollout("hrl");
  for (int i = 0; i < 2; ++i) look(next());
  done("POST", "/v1/rollouts/" + paused + "/pause", Json::Members{{"reason", "rain"}});
  publisher_->tend();
}

}  // namespace polder::fuzz
