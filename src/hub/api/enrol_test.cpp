#include <algorithm>
#include <atomic>
#include <thread>

#include "hub/api/testing_hub.h"
#include "platform/file.h"
#include "trust/certificate.h"

namespace polder::hub {
namespace {

using trust::Scheme;
using trust::TestSigner;

class Enrolment : public HubTest {
 protected:
  std::string detail(const Response& response, int status) const {
    EXPECT_EQ(response.status, status) << response.body;
    return text(response, "detail");
  }
  int self(const std::string& certificate) const {
    return send("GET", "/v1/self", "", "", certificate).status;
  }
  std::vector<std::string> acts() {
    stop();  // all is moved into the log
    EXPECT_TRUE(troubles_.empty()) << troubles_[0];
    const auto log = read_file(audit_file(), 1 << 20);
    EXPECT_TRUE(log.ok());
    std::vector<std::string> found;
    std::string_view rest = *log;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(line.size() + 1);
      const auto entry = trust::Entry::parse(line, "audit.log");
      EXPECT_TRUE(entry.ok()) << entry.error().message;
      found.push_back(entry->act + " " + entry->object);
    }
    start();
    return found;
  }
};

TEST_F(Enrolment, ATokenGivesOneCertificate) {
  TestSigner key(Scheme::kEcdsaP256);
  const std::string token = enrolment_token();
  const Response response = enrol(key, "cam-1", token);
  ASSERT_EQ(response.status, 201) << response.body;
  const std::string pem = text(response, "certificate");
  const auto facts = trust::read_certificate(pem);
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->common_name, "cam-1");
  EXPECT_EQ(facts->key_id, key.public_key().id());
  EXPECT_EQ(facts->until_s, kNowS + kDeviceCertificateS);
  EXPECT_EQ(text(response, "authority"), authority_->pem());
  EXPECT_EQ(self(pem), 200);
  // The answer was lost: the same device asks again.
  const Response again = enrol(key, "cam-1", token);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(text(again, "certificate"), pem);
  // Another one finds it used.
  TestSigner other(Scheme::kEcdsaP256);
  EXPECT_EQ(detail(enrol(other, "cam-2", token), 403),
            "the enrolment token has been used: ask for another");
  EXPECT_EQ(detail(enrol(other, "cam-1", token), 403),
            "the enrolment token has been used: ask for another");
  EXPECT_EQ(acts(),
            (std::vector<std::string>{"log_created polder-hub-test", "token_created admin",
                                      "token_created any device", "device_enrolled cam-1"}));
}

TEST_F(Enrolment, WrongAndExpiredTokensGiveNone) {
  TestSigner key(Scheme::kEcdsaP256);
  std::string wrong = enrolment_token();
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  EXPECT_EQ(detail(enrol(key, "cam-1", wrong), 403), "the enrolment token is none of this hub's");
  EXPECT_EQ(detail(enrol(key, "cam-1", "x"), 403), "the enrolment token is none of this hub's");
  EXPECT_EQ(detail(enrol(key, "cam-1", admin_.substr(7)), 403),
            "the enrolment token is none of this hub's");
  const std::string named = enrolment_token(R"({"device":"cam-9"})");
  EXPECT_EQ(detail(enrol(key, "cam-1", named), 403),
            "the enrolment token is for another device than cam-1");
  const std::string brief = enrolment_token(R"({"valid_s":60})");
  wall_.set_s(kNowS + 60);
  EXPECT_EQ(detail(enrol(key, "cam-1", brief), 403),
            "the enrolment token has expired: ask for another");
  EXPECT_EQ(send("GET", "/v1/devices", "", admin_).body, "{\"devices\":[]}\n");
}

TEST_F(Enrolment, ACopiedKeyIsFound) {
  TestSigner key(Scheme::kEcdsaP256);
  enrolled(key, "cam-1");
  const std::string token = enrolment_token();
  const std::string why = detail(enrol(key, "cam-2", token), 409);
  EXPECT_NE(why.find("its key is that of cam-1"), std::string::npos) << why;
  // Nothing is lost: the token serves the same device with a key of its own.
  TestSigner own(Scheme::kEcdsaP256);
  EXPECT_EQ(enrol(own, "cam-2", token).status, 201);
  EXPECT_EQ(acts()[5], "duplicate_found cam-2");
}

TEST_F(Enrolment, ANameIsTakenOverByATokenThatNamesIt) {
  TestSigner old_key(Scheme::kEcdsaP256), new_key(Scheme::kEcdsaP256);
  const std::string before = enrolled(old_key, "cam-1");
  const std::string why = detail(enrol(new_key, "cam-1", enrolment_token()), 409);
  EXPECT_NE(why.find("another one has this name"), std::string::npos) << why;
  EXPECT_EQ(self(before), 200);
  const Response after = enrol(new_key, "cam-1", enrolment_token(R"({"device":"cam-1"})"));
  ASSERT_EQ(after.status, 201) << after.body;
  EXPECT_EQ(self(text(after, "certificate")), 200);
  EXPECT_EQ(self(before), 401);
}

TEST_F(Enrolment, ARevokedDeviceComesBackByATokenThatNamesIt) {
  TestSigner key(Scheme::kEcdsaP256);
  const std::string token = enrolment_token();
  const std::string before = text(enrol(key, "cam-1", token), "certificate");
  EXPECT_EQ(send("POST", "/v1/devices/cam-1/revoke", "", admin_).status, 204);
  EXPECT_EQ(send("POST", "/v1/devices/cam-1/revoke", "", admin_).status, 204);
  EXPECT_EQ(self(before), 401);
  EXPECT_EQ(renew(key, "cam-1", before).status, 401);
  // The certificate that its token gave is not handed out again, either.
  EXPECT_EQ(enrol(key, "cam-1", token).status, 403);
  EXPECT_EQ(enrol(key, "cam-1", enrolment_token()).status, 409);
  const Response after = enrol(key, "cam-1", enrolment_token(R"({"device":"cam-1"})"));
  ASSERT_EQ(after.status, 201) << after.body;
  EXPECT_EQ(self(text(after, "certificate")), 200);
  EXPECT_EQ(self(before), 401);
}

TEST_F(Enrolment, RenewingGoesOnWithTheSameKey) {
  TestSigner key(Scheme::kEcdsaP256), other(Scheme::kEcdsaP256);
  const std::string first = enrolled(key, "cam-1");
  wall_.set_s(kNowS + 60 * kDayS);
  const Response response = renew(key, "cam-1", first);
  ASSERT_EQ(response.status, 201) << response.body;
  const std::string second = text(response, "certificate");
  EXPECT_NE(second, first);
  // The answer was lost: again, with the first.
  EXPECT_EQ(text(renew(key, "cam-1", first), "certificate"), second);
  EXPECT_NE(detail(renew(other, "cam-1", first), 403).find("another key"), std::string::npos);
  EXPECT_NE(detail(renew(key, "cam-2", first), 403).find("the certificate of cam-1"),
            std::string::npos);
  wall_.set_s(kNowS + kDeviceCertificateS + 1);
  EXPECT_EQ(self(first), 401);
  EXPECT_EQ(self(second), 200);
}

// However often it asks.
TEST_F(Enrolment, WhatIsRenewedTooEarlyIsTheSame) {
  TestSigner key(Scheme::kEcdsaP256), other(Scheme::kEcdsaP256);
  std::string certificate = enrolled(key, "cam-1");
  for (const int days : {0, 1, 44, 46, 47, 60, 89, 92}) {
    wall_.set_s(kNowS + days * kDayS);
    const Response response = renew(key, "cam-1", certificate);
    ASSERT_EQ(response.status, 201) << response.body;
    const std::string now = text(response, "certificate");
    EXPECT_EQ(now != certificate, days == 46 || days == 92) << days;
    certificate = now;
    EXPECT_EQ(self(certificate), 200);
    EXPECT_EQ(renew(other, "cam-1", certificate).status, 403);
  }
  EXPECT_EQ((*readers_->query("SELECT COUNT(*) FROM certificate"))[0][0].integer(), 3);
  const std::vector<std::string> all = acts();
  EXPECT_EQ(std::count(all.begin(), all.end(), std::string("device_renewed cam-1")), 2);
}

TEST_F(Enrolment, TheHubsOwnNameIsNobodys) {
  TestSigner key(Scheme::kEcdsaP256);
  for (const char* name : {"polder-hub", "Polder-Hub"}) {
    const std::string body = std::string(R"({"name":")") + name + R"(","role":"viewer"})";
    EXPECT_NE(detail(send("POST", "/v1/tokens", body, admin_), 400).find("calls the hub itself"),
              std::string::npos);
    EXPECT_EQ(enrol(key, name, enrolment_token()).status, 400);
  }
  EXPECT_EQ(send("POST", "/v1/enrolment-tokens", R"({"device":"polder-hub"})", admin_).status, 400);
  EXPECT_EQ(send("POST", "/v1/tokens", R"({"name":"polder-hub-2","role":"viewer"})", admin_).status,
            201);
}

TEST_F(Enrolment, TheNameOfWhatIsForAllIsNoDevices) {
  TestSigner key(Scheme::kEcdsaP256);
  const std::string why = detail(enrol(key, "default", enrolment_token()), 400);
  EXPECT_NE(why.find("choose another name"), std::string::npos) << why;
  EXPECT_EQ(send("POST", "/v1/enrolment-tokens", R"({"device":"default"})", admin_).status, 400);
  EXPECT_EQ(enrol(key, "default-1", enrolment_token()).status, 201);
}

TEST_F(Enrolment, TokensAreListedWithoutTheirSecretsAndRevoked) {
  TestSigner key(Scheme::kEcdsaP256), other(Scheme::kEcdsaP256);
  const std::string used = enrolment_token();
  EXPECT_EQ(enrol(key, "cam-1", used).status, 201);
  wall_.set_s(kNowS + 1);
  const std::string token = enrolment_token(R"({"device":"cam-2"})");
  const Response listed = send("GET", "/v1/enrolment-tokens?limit=1", "", admin_);
  const trust::Json newest = json(listed).find("tokens")->array()->at(0);
  const std::string id = *newest.find("id")->string();
  EXPECT_NE(token.find(id), std::string::npos);
  EXPECT_EQ(*newest.find("device")->string(), "cam-2");
  EXPECT_EQ(*newest.find("created_by")->string(), "admin");
  EXPECT_TRUE(newest.find("used")->is_null());
  EXPECT_EQ(listed.body.find(token.substr(token.rfind('-') + 1)), std::string::npos);
  const trust::Json rest = json(send("GET", text(listed, "next"), "", admin_));
  ASSERT_EQ(rest.find("tokens")->array()->size(), 1u);
  EXPECT_EQ(*rest.find("tokens")->array()->at(0).find("enrolled")->string(), "cam-1");
  EXPECT_TRUE(rest.find("tokens")->array()->at(0).find("device")->is_null());
  const std::string revoke = "/v1/enrolment-tokens/" + id + "/revoke";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(send("POST", revoke, "", admin_).status, 204);
  EXPECT_EQ(detail(enrol(other, "cam-2", token), 403),
            "the enrolment token is revoked: ask for another");
  EXPECT_EQ(acts().back(), "token_revoked cam-2");
  EXPECT_EQ(send("POST", "/v1/enrolment-tokens/none/revoke", "", admin_).status, 404);
}

TEST_F(Enrolment, TokensAreMadeForManyDevicesAtOnce) {
  TestSigner key(Scheme::kEcdsaP256), other(Scheme::kEcdsaP256);
  const Response made = send("POST", "/v1/enrolment-token-batches",
                             R"({"devices":["cam-2","cam-1"],"valid_s":60})", admin_);
  ASSERT_EQ(made.status, 201) << made.body;
  const trust::Json answer = json(made);
  const trust::Json::Array& tokens = *answer.find("tokens")->array();
  ASSERT_EQ(tokens.size(), 2u);
  const auto said = [&](std::size_t i, const char* name) {
    return *tokens[i].find(name)->string();
  };
  EXPECT_EQ(said(0, "device"), "cam-2");
  EXPECT_EQ(said(1, "expires"), trust::tuf::time_text(kNowS + 60));
  const auto all = acts();
  EXPECT_EQ(all[all.size() - 2] + ", " + all.back(), "token_created cam-2, token_created cam-1");
  // Each is for its own device, once.
  EXPECT_EQ(enrol(key, "cam-1", said(0, "token")).status, 403);
  EXPECT_EQ(enrol(key, "cam-1", said(1, "token")).status, 201);
  EXPECT_EQ(enrol(other, "cam-1", said(1, "token")).status, 403);
  EXPECT_EQ(enrol(other, "cam-2", said(0, "token")).status, 201);
  // None of a batch with a wrong name.
  const auto listed = [&] {
    return json(send("GET", "/v1/enrolment-tokens", "", admin_)).find("tokens")->array()->size();
  };
  const std::size_t before = listed();
  EXPECT_EQ(
      send("POST", "/v1/enrolment-token-batches", R"({"devices":["cam-3","default"]})", admin_)
          .status,
      400);
  EXPECT_EQ(listed(), before);
}

TEST_F(Enrolment, TwoDevicesWithOneIdentityAreFound) {
  TestSigner key(Scheme::kEcdsaP256);
  const std::string first = enrolled(key, "cam-1");
  wall_.set_s(kNowS + 60 * kDayS);
  const std::string second = text(renew(key, "cam-1", first), "certificate");
  EXPECT_EQ(self(second), 200);  // it has arrived
  const std::string why = detail(renew(key, "cam-1", first), 409);
  EXPECT_NE(why.find("two devices have one identity"), std::string::npos) << why;
  EXPECT_NE(text(send("GET", "/v1/devices/cam-1", "", admin_), "duplicate"), "");
  EXPECT_EQ(acts().back(), "duplicate_found cam-1");
}

// --- Another authority, as after a break-in ---

class AnotherAuthority : public Enrolment {
 protected:
  void change_authority() {
    stop();
    auto key = std::make_unique<TestSigner>(Scheme::kEcdsaP256);
    const auto pem = make_authority(*key, kNowS);
    ASSERT_TRUE(pem.ok());
    authority_ = std::make_unique<Authority>(std::move(key), *pem);
    start();
  }
};

TEST_F(AnotherAuthority, GivesDevicesThatAreKnownByTheirKeyACertificate) {
  TestSigner key(Scheme::kEcdsaP256);
  const std::string old = enrolled(key, "cam-1");
  change_authority();
  EXPECT_EQ(self(old), 401);
  const Response given = renew(key, "cam-1", old);
  ASSERT_EQ(given.status, 201) << given.body;
  const std::string pem = text(given, "certificate");
  EXPECT_TRUE(
      trust::check_certificate(pem, authority_->pem(), trust::CertificateUse::kClient, kNowS).ok());
  // The answer was lost.
  EXPECT_EQ(text(renew(key, "cam-1", old), "certificate"), pem);
  EXPECT_EQ(self(pem), 200);
  EXPECT_EQ(self(old), 401);
  // It has the new one: who comes with the old one once more is a copy.
  EXPECT_EQ(renew(key, "cam-1", old).status, 409);
  // Another of its key is not its own name's.
  EXPECT_EQ(renew(key, "cam-2", old).status, 403);
  // From there on it renews as any.
  EXPECT_EQ(renew(key, "cam-1", pem).status, 201);
  const std::vector<std::string> done = acts();
  EXPECT_EQ(std::vector(done.end() - 2, done.end()),
            (std::vector<std::string>{"device_renewed cam-1", "duplicate_found cam-1"}));
}

TEST_F(AnotherAuthority, IsForNobodyElse) {
  TestSigner key(Scheme::kEcdsaP256), gone(Scheme::kEcdsaP256), thief(Scheme::kEcdsaP256);
  const std::string old = enrolled(key, "cam-1"), revoked = enrolled(gone, "cam-2");
  EXPECT_EQ(send("POST", "/v1/devices/cam-2/revoke", "", admin_).status, 204);
  // Whoever stole the authority's key can make what looks like any device's, but for its key.
  const auto forged = authority_->issue(thief.public_key(), "cam-1", kNowS).value();
  change_authority();
  EXPECT_NE(detail(renew(gone, "cam-2", revoked), 401).find("revoked"), std::string::npos);
  EXPECT_EQ(renew(thief, "cam-1", forged).status, 401);
  EXPECT_EQ(renew(key, "cam-1", "").status, 401);
  // That of its own is held to what it is, whatever its key.
  const auto unknown = authority_->issue(key.public_key(), "cam-1", kNowS).value();
  EXPECT_EQ(renew(key, "cam-1", unknown).status, 401);
  // One that was away for longer than its certificate held needs a token, as ever.
  wall_.set_s(kNowS + kDeviceCertificateS);
  EXPECT_NE(detail(renew(key, "cam-1", old), 401).find("expired"), std::string::npos);
}

// A copy of a device's key makes itself a certificate, and asks as if the authority had changed.
TEST_F(AnotherAuthority, IsNoWayAroundTheSearchForCopies) {
  const auto of_its_own = [](TestSigner& key) {
    return trust::issue_certificate(key, "", key.public_key(),
                                    {.use = trust::CertificateUse::kAuthority,
                                     .common_name = "cam-1",
                                     .from_s = kNowS - 1,
                                     .until_s = kNowS + kDeviceCertificateS})
        .value();
  };
  TestSigner key(Scheme::kEcdsaP256);
  const std::string first = enrolled(key, "cam-1");
  EXPECT_EQ(renew(key, "cam-1", of_its_own(key)).status, 409);
  EXPECT_EQ(acts().back(), "duplicate_found cam-1");
  EXPECT_EQ(self(first), 200);
  // Where the authority has changed it gets no more than the device, once.
  change_authority();
  const std::string second = text(renew(key, "cam-1", first), "certificate");
  EXPECT_EQ(text(renew(key, "cam-1", of_its_own(key)), "certificate"), second);
  EXPECT_EQ(self(second), 200);
  wall_.set_s(kNowS + kDeviceCertificateS / 2 + 1);
  const std::string third = text(renew(key, "cam-1", second), "certificate");
  EXPECT_EQ(self(third), 200);
  EXPECT_EQ(renew(key, "cam-1", of_its_own(key)).status, 409);
  EXPECT_EQ(acts().back(), "duplicate_found cam-1");
}

TEST_F(Enrolment, IsThereAfterARestart) {
  TestSigner key(Scheme::kEcdsaP256);
  const std::string certificate = enrolled(key, "cam-1");
  stop();
  start();
  EXPECT_EQ(self(certificate), 200);
  EXPECT_EQ(send("GET", "/v1/tokens", "", admin_).status, 200);
}

TEST_F(Enrolment, SecretsOfTokensAreNotKept) {
  const std::string token = enrolment_token();
  const std::string secret = token.substr(token.size() - 64);
  stop();
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder_)) {
    if (file.is_directory()) continue;
    const auto bytes = read_file(file.path(), 64 << 20);
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(bytes->find(secret), std::string::npos) << file.path();
    EXPECT_EQ(bytes->find(admin_.substr(admin_.size() - 64)), std::string::npos) << file.path();
  }
  start();
}

TEST_F(Enrolment, TwoThatUseOneTokenAtOnceGetOneCertificate) {
  const std::string token = enrolment_token();
  std::vector<std::thread> threads;
  std::atomic<int> enrolled_count = 0, refused = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      TestSigner key(Scheme::kEcdsaP256);
      const int status = enrol(key, "cam-" + std::to_string(i), token).status;
      ++(status == 201 ? enrolled_count : refused);
      EXPECT_TRUE(status == 201 || status == 403) << status;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(enrolled_count, 1);
  EXPECT_EQ(refused, 7);
}

}  // namespace
}  // namespace polder::hub
