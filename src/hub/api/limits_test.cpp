#include "hub/api/limits.h"

#include <gtest/gtest.h>

#include "hub/api/testing_hub.h"

namespace polder::hub {
namespace {

TEST(Limits, ABucketIsEmptiedAndFillsAgain) {
  ManualClock clock;
  Limits limits(clock);
  const Limit limit{.a_second = 0.5, .at_once = 3};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limits.take("anna", limit), 0);
  EXPECT_EQ(limits.take("anna", limit), 2);
  EXPECT_EQ(limits.take("ben", limit), 0);  // has one of his own
  clock.advance_us(1'500'000);
  EXPECT_EQ(limits.take("anna", limit), 1);
  clock.advance_us(500'000);
  EXPECT_EQ(limits.take("anna", limit), 0);
  EXPECT_EQ(limits.take("anna", limit), 2);
  clock.advance_us(3'600'000'000);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limits.take("anna", limit), 0);  // no more than it holds
  EXPECT_EQ(limits.take("anna", limit), 2);
}

TEST(Limits, OfTooManyTheOneThatRestedLongestIsForgotten) {
  ManualClock clock;
  Limits limits(clock, 2);
  const Limit limit{.a_second = 1, .at_once = 1};
  EXPECT_EQ(limits.take("anna", limit), 0);
  EXPECT_EQ(limits.take("ben", limit), 0);
  EXPECT_EQ(limits.take("anna", limit), 1);
  EXPECT_EQ(limits.take("cleo", limit), 0);  // ben is forgotten
  EXPECT_EQ(limits.take("anna", limit), 1);
  EXPECT_EQ(limits.take("ben", limit), 0);
}

class Limited : public HubTest {};

TEST_F(Limited, WhoAsksTooOftenIsToldWhenToComeAgain) {
  const auto ask = [&] { return send("GET", "/v1/devices", "", admin_); };
  int taken = 0;
  Response last = ask();
  for (; last.status == 200 && taken < 10'000; ++taken) last = ask();
  EXPECT_EQ(taken, static_cast<int>(kPersonLimit.at_once));
  EXPECT_EQ(last.status, 429);
  EXPECT_EQ(last.content_type, "application/problem+json");
  EXPECT_EQ(last.headers.back(), (std::pair<std::string, std::string>{"Retry-After", "1"}));
  EXPECT_EQ(send("GET", "/v1/devices", "", token(Role::kViewer)).status, 200);
  EXPECT_EQ(send("GET", "/healthz").status, 200);
  clock_.advance_us(1'000'000);
  EXPECT_EQ(ask().status, 200);
}

TEST_F(Limited, WhoAsksForHeadersAloneIsCountedToo) {
  int taken = 0;
  while (send("HEAD", "/v1/devices", "", admin_).status == 200 && taken < 10'000) ++taken;
  EXPECT_EQ(taken, static_cast<int>(kPersonLimit.at_once));
}

TEST_F(Limited, WhoTriesSecretsFromOneAddressIsSlowedDown) {
  const auto guess = [&] { return send("GET", "/v1/devices", "", "Bearer x").status; };
  int refused = 0;
  while (guess() == 401 && refused < 10'000) ++refused;
  EXPECT_EQ(refused, static_cast<int>(kAddressLimit.at_once));
  const std::string body = R"({"token":"polder-enrol-x","csr":"y"})";
  EXPECT_EQ(send("POST", "/v1/enrol", body).status, 429);
  EXPECT_EQ(send("GET", "/v1/devices", "", admin_).status, 200);  // who is known is not
  peer_ = "192.0.2.2";
  EXPECT_EQ(guess(), 401);
}

TEST_F(Limited, ADeviceThatAsksTooOftenHoldsUpNoOther) {
  trust::TestSigner one(trust::Scheme::kEcdsaP256), other(trust::Scheme::kEcdsaP256);
  const std::string first = enrolled(one, "cam-1"), second = enrolled(other, "cam-2");
  const auto ask = [&](const std::string& certificate) {
    return send("GET", "/v1/self", "", "", certificate);
  };
  int taken = 0;
  Response last = ask(first);
  for (; last.status == 200 && taken < 10'000; ++taken) last = ask(first);
  EXPECT_EQ(taken, static_cast<int>(kDeviceLimit.at_once));
  EXPECT_EQ(last.status, 429);
  EXPECT_EQ(last.headers.back(), (std::pair<std::string, std::string>{"Retry-After", "1"}));
  EXPECT_EQ(ask(second).status, 200);
  clock_.advance_us(1'000'000);
  for (int i = 0; i < static_cast<int>(kDeviceLimit.a_second); ++i)
    EXPECT_EQ(ask(first).status, 200);
  EXPECT_EQ(ask(first).status, 429);
}

TEST_F(Limited, WhatIsOpenToAnyoneIsLimitedByAddress) {
  int taken = 0;
  while (send("GET", "/repository/metadata/1.root.json").status == 404 && taken < 100'000) ++taken;
  EXPECT_EQ(taken, static_cast<int>(kOpenLimit.at_once));
  EXPECT_EQ(send("GET", "/healthz").status, 429);
  // Who enrols from there, and who is known, is not held up by it.
  EXPECT_EQ(send("POST", "/v1/enrol", R"({"token":"x","csr":"y"})").status, 400);
  EXPECT_EQ(send("GET", "/v1/devices", "", admin_).status, 200);
  peer_ = "192.0.2.2";
  EXPECT_EQ(send("GET", "/healthz").status, 200);
}

TEST_F(Limited, TheDatabaseIsAskedHowItIsOnceASecond) {
  const auto rename = [&](const char* from, const char* to) {
    const Status done = writer_->write([&](Database& database) {
      return database.run(fmt::format("ALTER TABLE {} RENAME TO {}", from, to));
    });
    EXPECT_TRUE(done.ok()) << done.error().message;
  };
  EXPECT_EQ(send("GET", "/healthz").status, 200);
  rename("hub_schema", "away");
  clock_.advance_us(999'999);
  EXPECT_EQ(send("GET", "/healthz").status, 200);
  clock_.advance_us(1);
  EXPECT_EQ(send("GET", "/healthz").status, 500);
  rename("away", "hub_schema");
  EXPECT_EQ(send("GET", "/healthz").status, 500);
  clock_.advance_us(1'000'000);
  EXPECT_EQ(send("GET", "/healthz").status, 200);
}

}  // namespace
}  // namespace polder::hub
