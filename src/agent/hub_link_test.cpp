// A device and a hub that enrols it, takes what it says, refuses it, is not there.
#include "agent/hub_link.h"

#include "agent/repository_client.h"
#include "agent/testing_hub_link.h"

namespace polder::agent {
namespace {

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

TEST_F(HubLinkTest, SaysWhatItIsOnceAndWhenTheHubAsks) {
  enrol();
  start();
  const auto tells = [this] {
    hub.posted.clear();
    later(next_s);
    EXPECT_EQ(paths(), Paths{"/v1/checkin"});
    const auto told = checkin(hub.posted.at(0)).machine;
    EXPECT_TRUE(!told || told->targets == machine.targets);
    return told.has_value();
  };
  // Until the hub has taken it.
  hub.answers = {{0}, {503, ""}};
  EXPECT_TRUE(tells());
  clock.advance_us(600 * kSecondUs);
  EXPECT_TRUE(tells());
  clock.advance_us(600 * kSecondUs);
  EXPECT_TRUE(tells());
  EXPECT_FALSE(tells());
  hub.answers = {{200, R"({"next_s":60,"describe":true})"}};
  EXPECT_FALSE(tells());
  EXPECT_TRUE(tells());
  EXPECT_FALSE(tells());
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

// Neither costs the other: what a device says of itself, and its reports.
TEST_F(HubLinkTest, ADescriptionThatIsRefusedIsGivenUpAlone) {
  enrol();
  start();
  refuse_release("one");
  hub.answers = {problem(400, "a machine")};
  later(60);
  ASSERT_EQ(hub.posted.size(), 2u);
  EXPECT_TRUE(checkin(hub.posted[0]).machine);
  EXPECT_FALSE(checkin(hub.posted[1]).machine);
  EXPECT_EQ(checkin(hub.posted[1]).reports.size(), 1u);
  EXPECT_EQ(happened.back().text, "what this device is cannot be told: hub: a machine");
  hub.answers = {{200, R"({"next_s":60,"describe":true})"}};
  later(60);
  later(60);
  EXPECT_FALSE(checkin(hub.posted.back()).machine);
  EXPECT_EQ(reporter->now().lost, 0u);
}

TEST_F(HubLinkTest, AReportThatIsRefusedBesideADescriptionIsFound) {
  enrol();
  start();
  refuse_release("one");
  refuse_release("two");
  hub.usual = [this](const Posted& posted) {
    return checkin(posted).reports.empty() ? usual(posted) : problem(400, "a report");
  };
  for (int i = 0; i < 6; ++i) later(600);
  EXPECT_EQ(reporter->ring()->count(), 0u);
  EXPECT_EQ(reporter->now().lost, 2u);
  EXPECT_TRUE(std::ranges::any_of(hub.posted, [this](const Posted& posted) {
    const auto told = checkin(posted);
    return told.machine && told.reports.empty();
  }));
}

TEST_F(HubLinkTest, WhatCannotBeSaidOfADeviceHoldsUpNothing) {
  enrol();
  machine.targets.assign(100'000, "generic");
  happened.clear();
  start();
  ASSERT_EQ(happened.size(), 1u);
  EXPECT_NE(happened[0].text.find("what this device is cannot be told"), std::string::npos);
  refuse_release("one");
  later(60);
  ASSERT_EQ(paths(), Paths{"/v1/checkin"});
  EXPECT_EQ(checkin(hub.posted[0]).reports.size(), 1u);
  EXPECT_EQ(reporter->now().lost, 0u);
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
