// A device and a hub that enrols it, takes what it says, refuses it, is not there.
#include "agent/hub_link.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/repository_client.h"
#include "agent/testing.h"
#include "base/fail.h"
#include "platform/storage_fake.h"
#include "trust/certificate.h"
#include "trust/hub_authorities.h"
#include "trust/json.h"
#include "trust/testing.h"
#include "trust/tuf_testing.h"

namespace polder::agent {
namespace {

constexpr std::int64_t kDayS = 86'400;
constexpr std::int64_t kBeginS = 1'900'000'000;

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

Answer problem(int status, const std::string& detail) {
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
        config, HubLinkParts{disk, clock, wall,
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
                             [this](const Occurrence& what) { happened.push_back(what); }});
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

using Paths = std::vector<std::string>;

TEST_F(HubLinkTest, EnrolsAndChecksInWithWhatItHasGot) {
  put_token("polder-enrol-1");
  all();
  ASSERT_EQ(paths(), (Paths{"/v1/enrol", "/v1/checkin"}));
  EXPECT_EQ(hub.posted[0].certificate, "");
  EXPECT_NE(hub.posted[0].body.find("polder-enrol-1"), std::string::npos);
  EXPECT_NE(hub.posted[0].body.find("BEGIN CERTIFICATE REQUEST"), std::string::npos);
  const auto kept = stored_certificate(disk);
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(hub.posted[1].certificate, kept->pem);
  EXPECT_FALSE(has_token());
  const HubStanding standing = link->standing();
  EXPECT_EQ(standing.state, HubState::kEnrolled);
  EXPECT_EQ(standing.certificate_until_s, kBeginS + life_s);
  EXPECT_EQ(standing.checked_in_s, kBeginS);
  EXPECT_EQ(standing.trouble, "");
  // Its notice went along, and is not here any more.
  const proto::Checkin sent = checkin(hub.posted[1]);
  ASSERT_EQ(sent.reports.size(), 1u);
  EXPECT_EQ(sent.time_s, sent.reports[0].time_s);
  EXPECT_EQ(reporter->ring()->count(), 0u);
  EXPECT_EQ(happened.back().act, trust::Act::kDeviceEnrolled);
  for (const Occurrence& what : happened)
    EXPECT_EQ(what.text.find("polder-enrol-1"), std::string::npos) << what.text;
  // Another start needs no token.
  hub.posted.clear();
  start();
  all();
  EXPECT_EQ(paths(), Paths{"/v1/checkin"});
}

TEST_F(HubLinkTest, WithoutATokenItWaitsForOne) {
  all();
  EXPECT_TRUE(hub.posted.empty());
  EXPECT_EQ(link->standing().state, HubState::kNotEnrolled);
  EXPECT_NE(link->standing().advice.find("another token"), std::string::npos);
  put_token("");
  later(10);
  EXPECT_NE(link->standing().trouble.find("an empty line found"), std::string::npos);
  put_token("polder-enrol-1");
  ::chmod((folder / "token").c_str(), 0644);
  later(10);
  EXPECT_NE(link->standing().trouble.find("chmod"), std::string::npos);
  EXPECT_TRUE(hub.posted.empty());
  put_token("polder-enrol-1");
  later(10);
  EXPECT_EQ(link->standing().state, HubState::kEnrolled);
}

// The hub has it, and its answer was lost: the same request again, and a power cut in between.
TEST_F(HubLinkTest, AsksForTheSameAgainWhenAnAnswerIsLost) {
  hub.answers = {{0}, {0}};
  put_token("polder-enrol-1");
  all();
  EXPECT_EQ(paths(), Paths{"/v1/enrol"});
  EXPECT_EQ(link->standing().state, HubState::kAway);
  start();
  all();
  EXPECT_EQ(paths(), (Paths{"/v1/enrol", "/v1/enrol"}));
  EXPECT_TRUE(has_token());
  later(5);
  EXPECT_EQ(link->standing().state, HubState::kEnrolled);
  EXPECT_EQ(hub.posted[2].path, "/v1/enrol");
}

TEST_F(HubLinkTest, ATokenThatIsRefusedIsNotSentAgain) {
  hub.answers = {problem(403, "the enrolment token has expired: ask for another")};
  put_token("polder-enrol-1");
  all();
  EXPECT_EQ(link->standing().state, HubState::kNotEnrolled);
  EXPECT_NE(link->standing().trouble.find("has expired"), std::string::npos);
  for (int i = 0; i < 100; ++i) later(60);
  EXPECT_EQ(hub.posted.size(), 1u);
  EXPECT_NE(link->standing().trouble.find("has expired"), std::string::npos);
  put_token("polder-enrol-2");
  later(10);
  EXPECT_EQ(link->standing().state, HubState::kEnrolled);
}

TEST_F(HubLinkTest, WhatTheHubSaysOfADuplicateIsShown) {
  hub.answers = {problem(409, "device camera-17: another one has this name\x1b[31m")};
  put_token("polder-enrol-1");
  all();
  EXPECT_NE(link->standing().trouble.find("another one has this name"), std::string::npos);
  EXPECT_EQ(link->standing().trouble.find('\x1b'), std::string::npos);
}

TEST_F(HubLinkTest, ACertificateOfAnotherIsNotKept) {
  hub.answers = {given(certificate("camera-18"))};
  put_token("polder-enrol-1");
  all();
  EXPECT_EQ(stored_certificate(disk).error().code, Code::kNotFound);
  EXPECT_NE(link->standing().trouble.find("another name or key"), std::string::npos);
  EXPECT_TRUE(has_token());
}

TEST_F(HubLinkTest, RenewsInTheLastThird) {
  enrol();
  later(59 * kDayS);
  EXPECT_EQ(hub.posted.back().path, "/v1/checkin");
  const std::string before = stored_certificate(disk)->pem;
  hub.posted.clear();
  later(kDayS);
  ASSERT_EQ(paths(), (Paths{"/v1/renew", "/v1/checkin"}));
  EXPECT_EQ(hub.posted[0].certificate, before);
  EXPECT_NE(hub.posted[1].certificate, before);
  EXPECT_EQ(hub.posted[1].certificate, stored_certificate(disk)->pem);
  EXPECT_EQ(happened.back().act, trust::Act::kDeviceRenewed);
  EXPECT_EQ(link->standing().certificate_until_s, wall.now_s() + life_s);
}

// A device without a clock would never find that it is time.
TEST_F(HubLinkTest, RenewsWhenTheHubSaysSo) {
  enrol();
  hub.usual = [this, is_late = true](const Posted& posted) mutable {
    if (posted.path == "/v1/renew") is_late = false;
    Answer answer = usual(posted);
    if (posted.path == "/v1/checkin" && is_late) answer.body = R"({"next_s":60,"renew":true})";
    return answer;
  };
  later(60);
  later(60);
  later(60);
  EXPECT_EQ(paths(), (Paths{"/v1/checkin", "/v1/renew", "/v1/checkin", "/v1/checkin"}));
}

// By a clock that is far ahead it is always time to renew, and the hub gives the same again.
TEST_F(HubLinkTest, TheSameCertificateIsNoNews) {
  enrol();
  const std::size_t before = happened.size();
  const Answer same = given(certificate());
  hub.usual = [this, same](const Posted& posted) {
    return posted.path == "/v1/renew" ? same : usual(posted);
  };
  wall.set_s(wall.now_s() + 20 * 365 * kDayS);
  for (int i = 0; i < 60; ++i) later(60);
  EXPECT_GT(std::ranges::count(paths(), "/v1/renew"), 2);
  EXPECT_LE(happened.size(), before + 1);
}

// Chance spreads renewals over half of the last third.
TEST_F(HubLinkTest, RenewalsDoNotComeTogether) {
  const DeviceCertificate one{.from_s = 0, .until_s = 900};
  EXPECT_EQ(renewal_s(one, 0), 600);
  EXPECT_EQ(renewal_s(one, 150), 750);
  EXPECT_EQ(renewal_s(one, 151), 600);
}

TEST_F(HubLinkTest, ADuplicateIsToldAndGoesOn) {
  enrol();
  hub.answers = {problem(409, "two devices have one identity")};
  later(60 * kDayS);
  EXPECT_EQ(paths(), (Paths{"/v1/renew", "/v1/checkin"}));
  EXPECT_EQ(link->standing().state, HubState::kEnrolled);
  EXPECT_NE(link->standing().trouble.find("two devices"), std::string::npos);
  EXPECT_EQ(happened.back().act, trust::Act::kDuplicateFound);
  const std::size_t told = happened.size();
  hub.answers = {problem(409, "two devices have one identity")};
  later(600);
  EXPECT_EQ(happened.size(), told);
  later(600);
  EXPECT_EQ(link->standing().trouble, "");
}

TEST_F(HubLinkTest, ADeviceThatIsRevokedSaysSoAndTakesANewToken) {
  enrol();
  hub.usual = [this](const Posted& posted) {
    const bool is_old = posted.path != "/v1/enrol";
    return is_old ? problem(401, "certificate 17: it is revoked") : usual(posted);
  };
  refuse_release("below the floor");
  later(60);
  EXPECT_EQ(link->standing().state, HubState::kRefused);
  EXPECT_NE(link->standing().trouble.find("it is revoked"), std::string::npos);
  const std::string advice = link->standing().advice;
  EXPECT_NE(advice.find("polder fleet enrolment-token camera-17"), std::string::npos) << advice;
  EXPECT_NE(happened.back().text.find(advice), std::string::npos) << happened.back().text;
  EXPECT_EQ(reporter->ring()->count(), 1u);
  const std::size_t before = hub.posted.size();
  for (int i = 0; i < 60; ++i) later(60);
  EXPECT_GT(hub.posted.size(), before);
  EXPECT_LT(hub.posted.size(), before + 20);
  hub.usual = [this](const Posted& posted) { return usual(posted); };
  put_token("polder-enrol-2");
  later(10);
  EXPECT_EQ(link->standing().state, HubState::kEnrolled);
  EXPECT_EQ(reporter->ring()->count(), 0u);
}

// Its key is known there still, though what the authority before gave is not.
TEST_F(HubLinkTest, AHubWithAnotherAuthorityRenewsByTheKey) {
  enrol();
  const std::string before = stored_certificate(disk)->pem;
  hub.usual = [this, before](const Posted& posted) {
    const bool is_old = posted.path == "/v1/checkin" && posted.certificate == before;
    return is_old ? problem(401, "certificate 17: is of another authority") : usual(posted);
  };
  later(60);
  EXPECT_EQ(paths(), (Paths{"/v1/checkin", "/v1/renew", "/v1/checkin"}));
  EXPECT_EQ(hub.posted[1].certificate, before);
  EXPECT_NE(stored_certificate(disk)->pem, before);
  EXPECT_EQ(link->standing().state, HubState::kEnrolled);
  EXPECT_EQ(link->standing().trouble, "");
  EXPECT_EQ(happened.back().act, trust::Act::kDeviceRenewed);
  for (const Occurrence& what : happened)
    EXPECT_EQ(what.text.find("another token"), std::string::npos) << what.text;
}

TEST_F(HubLinkTest, WhatIsRefusedForGoodIsAskedSeldom) {
  enrol();
  hub.usual = [](const Posted& posted) {
    if (posted.path == "/v1/renew") return problem(409, "two devices have one identity");
    return problem(401, "certificate 17: is of another authority");
  };
  for (int i = 0; i < 60; ++i) later(60);
  EXPECT_LT(hub.posted.size(), 20u);
  EXPECT_EQ(link->standing().state, HubState::kRefused);
}

// Whom it takes for its hub is what root says, from the next request on.
TEST_F(HubLinkTest, KnowsTheHubByWhatRootNames) {
  enrol();
  EXPECT_EQ(servers.back().authorities, "");
  trust::tuf::TestRepository repository(1);
  ASSERT_TRUE(trust::tuf::set_hub_authorities(repository.root, {authority_pem}).ok());
  repository.publish_root();
  ASSERT_TRUE(StoredMetadata(disk).start(repository.files.files.at("2.root.json")).ok());
  later(60);
  EXPECT_EQ(servers.back().authorities, authority_pem + '\n');
  EXPECT_FALSE(servers.back().is_any);
  EXPECT_EQ(link->standing().state, HubState::kEnrolled);
  hub.answers = {{-1}};
  later(60);
  EXPECT_NE(link->standing().advice.find("polder repo trust-hub"), std::string::npos);
}

TEST_F(HubLinkTest, AHubThatIsAwayIsAskedLessAndLess) {
  enrol();
  hub.usual = [](const Posted&) { return Answer{0}; };
  refuse_release("below the floor");
  std::vector<std::size_t> tries;
  for (int i = 0; i < 5; ++i) {
    later(i == 0 ? 60 : 10);
    tries.push_back(hub.posted.size());
  }
  // At 0, after 5 (seen at 10), then 10 (at 20), then 20.
  EXPECT_EQ(tries, (std::vector<std::size_t>{1, 2, 3, 3, 4}));
  EXPECT_EQ(link->standing().state, HubState::kAway);
  hub.usual = [](const Posted&) { return Answer{-1}; };
  later(300);
  for (const char* words : {"fingerprint", "reload polderd"})
    EXPECT_NE(link->standing().advice.find(words), std::string::npos) << words;
  hub.usual = [this](const Posted& posted) { return usual(posted); };
  later(300);
  EXPECT_EQ(link->standing().trouble, "");
  EXPECT_EQ(reporter->ring()->count(), 0u);
}

TEST_F(HubLinkTest, StaysAwayAsLongAsItIsAsked) {
  enrol();
  hub.answers = {{503, "", 100}, {429, "", 100}};
  later(60);
  later(99);
  EXPECT_EQ(hub.posted.size(), 1u);
  later(1);
  EXPECT_EQ(hub.posted.size(), 2u);
  later(99);
  EXPECT_EQ(hub.posted.size(), 2u);
  later(1);
  EXPECT_EQ(link->standing().trouble, "");
}

TEST_F(HubLinkTest, AlarmsDoNotWaitAndNumbersDo) {
  enrol();
  later(3);
  EXPECT_TRUE(hub.posted.empty());
  refuse_release("below the floor");
  later(1);
  ASSERT_EQ(hub.posted.size(), 1u);
  EXPECT_EQ(checkin(hub.posted[0]).reports.size(), 1u);
  // The poll after it is that much later.
  later(59);
  EXPECT_EQ(hub.posted.size(), 1u);
  later(1);
  EXPECT_EQ(hub.posted.size(), 2u);
}

// One that the hub cannot read costs itself alone.
TEST_F(HubLinkTest, AReportThatIsRefusedAloneIsGivenUp) {
  enrol();
  refuse_release("one");
  refuse_release("two");
  hub.answers = {problem(400, "a report"), problem(400, "a report")};
  later(60);
  EXPECT_EQ(reporter->ring()->count(), 0u);
  EXPECT_EQ(reporter->now().lost, 1u);
  // Both, one, none, the other.
  ASSERT_EQ(hub.posted.size(), 4u);
  EXPECT_TRUE(checkin(hub.posted[2]).reports.empty());
  EXPECT_EQ(checkin(hub.posted[3]).reports.size(), 1u);
}

// A hub that cannot read anything (another version, a proxy before it) costs no report.
TEST_F(HubLinkTest, AHubThatRefusesEverythingEmptiesNoRing) {
  enrol();
  refuse_release("one");
  refuse_release("two");
  hub.usual = [](const Posted&) { return problem(400, "whatever it is"); };
  for (int i = 0; i < 20; ++i) later(600);
  EXPECT_EQ(reporter->ring()->count(), 2u);
  EXPECT_EQ(reporter->now().lost, 0u);
  EXPECT_EQ(link->standing().state, HubState::kAway);
  EXPECT_LE(hub.posted.size(), 60u);
  hub.usual = [this](const Posted& posted) { return usual(posted); };
  later(600);
  EXPECT_EQ(reporter->ring()->count(), 0u);
  EXPECT_EQ(reporter->now().lost, 0u);
}

TEST_F(HubLinkTest, ManyReportsGoInBodiesBelowTheCap) {
  enrol();
  hub.usual = [](const Posted&) { return Answer{0}; };
  for (int i = 0; i < 150; ++i) refuse_release(std::string(100, 'x') + std::to_string(i));
  later(60);
  hub.posted.clear();
  hub.usual = [this](const Posted& posted) { return usual(posted); };
  later(300);
  std::size_t reports = 0;
  for (const Posted& one : hub.posted) {
    EXPECT_LE(one.body.size(), proto::kMaxCheckinBytes);
    reports += checkin(one).reports.size();
  }
  EXPECT_EQ(reports, 150u);
  EXPECT_EQ(hub.posted.size(), 3u);
  EXPECT_EQ(reporter->ring()->count(), 0u);
}

TEST_F(HubLinkTest, HearsOfWhatIsNewUntilItIsHere) {
  ASSERT_TRUE(disk.make_folder("metadata").ok());
  ASSERT_TRUE(replace_stored(disk, "metadata/timestamp.json", R"({"signed":{"version":7}})").ok());
  timestamp = 7;
  enrol();
  EXPECT_FALSE(link->take_news());
  timestamp = 8;
  later(60);
  EXPECT_EQ(checkin(hub.posted.back()).timestamp, 7u);
  EXPECT_TRUE(link->take_news());
  EXPECT_FALSE(link->take_news());
  later(60);  // the check has failed
  EXPECT_TRUE(link->take_news());
  ASSERT_TRUE(replace_stored(disk, "metadata/timestamp.json", R"({"signed":{"version":8}})").ok());
  later(120);
  EXPECT_FALSE(link->take_news());
  config.repository = "/media/stick";
  timestamp = 9;
  later(60);
  EXPECT_FALSE(link->take_news());
}

TEST_F(HubLinkTest, AnswersThatAreNoneChangeNothing) {
  enrol();
  refuse_release("below the floor");
  for (const char* body : {"", "{}", "[]", R"({"next_s":-1})", R"({"next_s":"soon"})"}) {
    hub.answers = {{200, body}};
    later(600);
    EXPECT_EQ(reporter->ring()->count(), 1u) << body;
    EXPECT_EQ(link->standing().state, HubState::kAway) << body;
  }
  hub.answers = {{404, "<html>"}};
  later(600);
  EXPECT_NE(link->standing().trouble.find("it answers 404"), std::string::npos);
  later(600);
  EXPECT_EQ(reporter->ring()->count(), 0u);
}

// Of a power cut at any step of enrolling and renewing the disk has a certificate that fits, or the
// next start asks for it again.
TEST_F(HubLinkTest, APowerCutLeavesACertificateOrNone) {
  enrol();
  later(60 * kDayS);
  ASSERT_EQ(happened.back().act, trust::Act::kDeviceRenewed);
  for (std::size_t step = 0; step <= disk.steps(); ++step) {
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      const auto after = disk.after_crash(step, seed);
      const auto kept = stored_certificate(*after);
      if (!kept.ok()) EXPECT_EQ(kept.error().code, Code::kNotFound) << step;
      else EXPECT_TRUE(fits(*kept, "camera-17", key->public_key())) << step;
    }
  }
}

}  // namespace
}  // namespace polder::agent
