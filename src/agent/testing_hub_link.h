// For tests: a device and a hub that enrols it, takes what it says, refuses it, is not there.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/hub_link.h"
#include "agent/testing.h"
#include "base/fail.h"
#include "platform/storage_fake.h"
#include "trust/certificate.h"
#include "trust/hub_authorities.h"
#include "trust/json.h"
#include "trust/testing.h"
#include "trust/tuf_testing.h"

namespace polder::agent {

inline constexpr std::int64_t kDayS = 86'400;
inline constexpr std::int64_t kBeginS = 1'900'000'000;

class NoRunner final : public Runner {
 public:
  Status probe(const std::string&, Slot, const ReleaseId&, const Alive&) override { return {}; }
  Status run(const std::string&, Slot, const ReleaseId&) override { return {}; }
  void stop(const std::string&) override {}
  Status shadow(const std::string&, Slot, const ReleaseId&) override { return {}; }
  void end_shadow(const std::string&) override {}
  void poll() override {}
  agent::UnitHealth health(const std::string&) override { return {Health::kWell, ""}; }
};
struct Answer {
  int status = 200;  // 0: there is none
  std::string body = {};
  std::int64_t retry_after_s = 0;
};
struct Posted {
  std::string path, body, certificate;
};
// All clients are of one hub. Used by the link's thread, which the test waits for.
struct FakeHub {
  std::deque<Answer> answers;  // of the next requests
  std::function<Answer(const Posted&)> usual;
  std::vector<Posted> posted;
};
class HubClient final : public HttpClient {
 public:
  HubClient(FakeHub& hub, std::string certificate)
      : hub_(hub), certificate_(std::move(certificate)) {}
  Result<HttpReply> get(const HttpRequest&, HttpSink&) override {
    return fail(Code::kUnsupported, "only posts");
  }
  Result<HttpReply> post(const HttpRequest& request, std::string_view, std::string_view body,
                         HttpSink& sink) override {
    const std::string path = request.url.substr(std::string("https://hub.example:8443").size());
    hub_.posted.push_back({path, std::string(body), certificate_});
    Answer answer;
    if (hub_.answers.empty()) {
      answer = hub_.usual(hub_.posted.back());
    } else {
      answer = hub_.answers.front();
      hub_.answers.pop_front();
    }
    asks_for_s_ = answer.retry_after_s;
    if (answer.status == 0) return fail(Code::kUnavailable, "cannot connect");
    if (answer.status < 0) return fail(Code::kDenied, "certificate of the server: unknown");
    if (Status written = sink.write(answer.body); !written.ok()) return written.error();
    return HttpReply{.status = answer.status};
  }
  std::int64_t retry_after_s() const override { return asks_for_s_; }

 private:
  FakeHub& hub_;
  const std::string certificate_;
  std::int64_t asks_for_s_ = 0;
};

inline Answer problem(int status, const std::string& detail) {
  return {status, trust::Json(trust::Json::Members{{"detail", detail}}).compact()};
}

class HubLinkTest : public testing::Test {
 protected:
  FakeStorage disk;
  ManualClock clock;
  ManualWallClock wall{kBeginS};
  NoRunner runner;
  NoUnits units;
  FakeHub hub;
  std::filesystem::path folder;
  Config config;
  AgentState state;
  std::unique_ptr<trust::TestSigner> authority;
  std::string authority_pem;
  std::shared_ptr<trust::TestSigner> key;
  std::unique_ptr<Reporter> reporter;
  std::unique_ptr<HubLink> link;
  std::vector<Occurrence> happened;
  proto::Machine machine{.architecture = "x86_64", .targets = {"generic"}};
  std::vector<HubServer> servers;  // for whom a client was opened
  std::int64_t life_s = 90 * kDayS, next_s = 60, timestamp = 0;

  void SetUp() override {
    static int count = 0;
    folder = std::filesystem::temp_directory_path() /
             ("polder-link-" + std::to_string(getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directory(folder);
    config = parse_config(
                 "device = \"camera-17\"\nmodels = [\"people\"]\n[hub]\n"
                 "url = \"https://hub.example:8443\"\ntoken_file = \"" +
                     (folder / "token").string() + "\"\n",
                 "test")
                 .value();
    authority = std::make_unique<trust::TestSigner>(trust::Scheme::kEcdsaP256);
    authority_pem = trust::issue_certificate(*authority, "", authority->public_key(),
                                             {.use = trust::CertificateUse::kAuthority,
                                              .common_name = "hub",
                                              .from_s = kBeginS - 1000 * kDayS,
                                              .until_s = kBeginS + 1000 * kDayS})
                        .value();
    key = std::make_shared<trust::TestSigner>(trust::Scheme::kEcdsaP256);
    hub.usual = [this](const Posted& posted) { return usual(posted); };
    state.boot = 3;
    state.units["people"] = {};
    reporter = std::make_unique<Reporter>(
        config, ReporterParts{disk, clock, wall, runner, units, {}, "/nowhere"});
    reporter->start(state);  // one notice
    start();
  }
  void TearDown() override {
    link.reset();
    std::filesystem::remove_all(folder);
  }

  class SharedSigner final : public trust::Signer {
   public:
    explicit SharedSigner(std::shared_ptr<trust::TestSigner> key) : key_(std::move(key)) {}
    const trust::PublicKey& public_key() const override { return key_->public_key(); }
    Result<std::string> sign(std::string_view message) override { return key_->sign(message); }

   private:
    std::shared_ptr<trust::TestSigner> key_;
  };

  // As the process does at its start.
  void start() {
    link = std::make_unique<HubLink>(
        config,
        HubLinkParts{disk, clock, wall,
                     [this](const HubIdentity& who, const WallClock&) {
                       servers.push_back(who.server);
                       return Result<std::unique_ptr<HttpClient>>(
                           std::make_unique<HubClient>(hub, who.certificate));
                     },
                     [this] {
                       return Result<std::unique_ptr<trust::Signer>>(
                           std::make_unique<SharedSigner>(key));
                     },
                     [] { return std::uint64_t(0); },
                     [this](const Occurrence& what) { happened.push_back(what); }, machine});
  }

  std::string certificate(const std::string& device = "camera-17") const {
    return trust::issue_certificate(*authority, authority_pem, key->public_key(),
                                    {.use = trust::CertificateUse::kClient,
                                     .common_name = device,
                                     .from_s = wall.now_s(),
                                     .until_s = wall.now_s() + life_s})
        .value();
  }
  Answer given(const std::string& pem) const {
    return {201, trust::Json(trust::Json::Members{{"certificate", pem}}).compact()};
  }
  Answer usual(const Posted& posted) const {
    if (posted.path != "/v1/checkin") return given(certificate());
    trust::Json::Members answer{{"next_s", next_s}};
    if (timestamp > 0) answer.emplace("timestamp", timestamp);
    return {200, trust::Json(std::move(answer)).compact()};
  }
  void put_token(const std::string& text) const {
    const std::filesystem::path path = folder / "token";
    std::ofstream(path) << text << "\n";
    ::chmod(path.c_str(), 0600);
  }
  bool has_token() const { return std::filesystem::exists(folder / "token"); }
  // Until nothing is under way or due any more.
  void all() {
    for (int quiet = 0; quiet < 3;) {
      const std::size_t before = hub.posted.size();
      link->poll(reporter.get());
      while (link->is_busy()) {
        std::this_thread::yield();
        link->poll(reporter.get());
      }
      quiet = hub.posted.size() == before ? quiet + 1 : 0;
    }
  }
  void later(std::int64_t seconds) {
    clock.advance_us(seconds * kSecondUs);
    wall.set_s(wall.now_s() + seconds);
    all();
  }
  std::vector<std::string> paths() const {
    std::vector<std::string> found;
    for (const Posted& one : hub.posted) found.push_back(one.path);
    return found;
  }
  void enrol() {
    put_token("polder-enrol-1");
    all();
    ASSERT_EQ(link->standing().state, HubState::kEnrolled) << link->standing().trouble;
    hub.posted.clear();
  }
  proto::Checkin checkin(const Posted& posted) const {
    auto message = proto::decode_report_message(posted.body);
    EXPECT_TRUE(message.ok());
    return message.ok() ? std::get<proto::Checkin>(std::move(*message)) : proto::Checkin();
  }
  void refuse_release(const std::string& text) {
    reporter->note({.act = trust::Act::kReleaseRefused, .object = "people", .text = text});
  }
};

}  // namespace polder::agent
