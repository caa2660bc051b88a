#include "hub/api/once.h"

#include <gtest/gtest.h>

#include "hub/api/testing_hub.h"

namespace polder::hub {
namespace {

class OnceOnly : public HubTest {
 protected:
  Response send_with(const std::string& key, std::string_view target, const std::string& body,
                     const std::string& authorization) {
    return router_->answer({.id = "r" + std::to_string(++count_),
                            .method = "POST",
                            .target = std::string(target),
                            .authorization = authorization,
                            .content_type = body.empty() ? "" : "application/json",
                            .idempotency_key = key,
                            .body = body,
                            .peer = peer_});
  }
  std::int64_t count(const std::string& table) const {
    const auto rows = readers_->query("SELECT COUNT(*) FROM " + table);
    EXPECT_TRUE(rows.ok());
    return rows.ok() ? (*rows)[0][0].integer() : -1;
  }
  int count_ = 0;
};

TEST_F(OnceOnly, ARequestThatIsSentTwiceIsDoneOnce) {
  trust::TestSigner key(trust::Scheme::kEcdsaP256);
  enrolled(key, "cam-1");
  const auto revoke = [&] { return send_with("k1", "/v1/devices/cam-1/revoke", "", admin_); };
  const Response first = revoke();
  EXPECT_EQ(first.status, 204) << first.body;
  EXPECT_TRUE(first.headers.empty());
  stop();
  start();  // it is remembered
  const Response second = revoke();
  EXPECT_EQ(second.status, 204);
  EXPECT_EQ(second.headers.back().first, "Idempotency-Replayed");
  EXPECT_EQ(count("request_done"), 1);
}

TEST_F(OnceOnly, ASecretIsShownOnceAndMadeOnce) {
  const std::int64_t before = count("person_token");
  const std::string body = R"({"name":"anna","role":"viewer"})";
  EXPECT_EQ(send_with("k1", "/v1/tokens", body, admin_).status, 201);
  const Response again = send_with("k1", "/v1/tokens", body, admin_);
  EXPECT_EQ(again.status, 409);
  EXPECT_NE(text(again, "detail").find("shown once"), std::string::npos) << again.body;
  EXPECT_EQ(count("person_token"), before + 1);
  // Nothing of the secret is in the database.
  const auto rows = readers_->query("SELECT body FROM request_done");
  ASSERT_TRUE(rows.ok());
  EXPECT_TRUE((*rows)[0][0].is_null());
}

TEST_F(OnceOnly, AKeyIsOfOneRequestOfOnePersonForADay) {
  EXPECT_EQ(send_with("k1", "/v1/enrolment-tokens", "{}", admin_).status, 201);
  const Response other = send_with("k1", "/v1/enrolment-tokens", R"({"valid_s":60})", admin_);
  EXPECT_EQ(other.status, 400);
  EXPECT_NE(text(other, "detail").find("another request"), std::string::npos) << other.body;
  EXPECT_EQ(send_with("k2", "/v1/enrolment-tokens", "{}", admin_).status, 201);
  const std::string ben =
      text(send("POST", "/v1/tokens", R"({"name":"ben","role":"admin"})", admin_), "token");
  EXPECT_EQ(send_with("k1", "/v1/enrolment-tokens", "{}", "Bearer " + ben).status, 201);
  wall_.set_s(kNowS + kIdempotencyS);
  EXPECT_EQ(send_with("k1", "/v1/enrolment-tokens", "{}", admin_).status, 201);
  EXPECT_EQ(count("request_done"), 1);  // those of yesterday are gone
}

TEST_F(OnceOnly, WhatWasRefusedMayBeTriedAgain) {
  EXPECT_EQ(send_with("k1", "/v1/devices/cam-1/revoke", "", admin_).status, 404);
  trust::TestSigner key(trust::Scheme::kEcdsaP256);
  enrolled(key, "cam-1");
  EXPECT_EQ(send_with("k1", "/v1/devices/cam-1/revoke", "", admin_).status, 204);
  for (const std::string& bad :
       {std::string("a b"), std::string(129, 'k'), std::string("\xc3\xa9")})
    EXPECT_EQ(send_with(bad, "/v1/devices/cam-1/revoke", "", admin_).status, 400);
}

}  // namespace
}  // namespace polder::hub
