// For tests: a hub in a folder of its own, on a clock of its own, without a server. Its database is
// in that folder too, or the one that POLDER_POSTGRES names: tests/hub/postgres_test.py.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hub/api/people.h"
#include "hub/api/router.h"
#include "hub/store/schema.h"
#include "trust/csr.h"
#include "trust/testing.h"

namespace polder::hub {

constexpr std::int64_t kNowS = 1'900'000'000;

class HubTest : public testing::Test {
 protected:
  void SetUp() override {
    static int count = 0;
    // In memory, where there is such a folder: many files that are to outlast a power cut.
    folder_ = (::access("/dev/shm", W_OK) == 0 ? std::filesystem::path("/dev/shm")
                                               : std::filesystem::temp_directory_path()) /
              ("polder-hub-api-" + std::to_string(getpid()) + "-" + std::to_string(count++));
    std::filesystem::remove_all(folder_);  // of a process of that number that was killed
    std::filesystem::create_directory(folder_);
    const char* const server = std::getenv("POLDER_POSTGRES");
    where_ = server ? server : (folder_ / "hub.db").string();
    if (server) remove_tables();
    auto key = std::make_unique<trust::TestSigner>(trust::Scheme::kEcdsaP256);
    const auto pem = make_authority(*key, kNowS);
    ASSERT_TRUE(pem.ok()) << pem.error().message;
    authority_ = std::make_unique<Authority>(std::move(key), *pem);
    start();
    admin_ = token(Role::kAdmin);
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(folder_);
  }

  // As the program does; what was committed before is there again.
  void start() {
    auto database = open_database(where_);
    ASSERT_TRUE(database.ok()) << database.error().message;
    const Status migrated = migrate(**database);
    ASSERT_TRUE(migrated.ok()) << migrated.error().message;
    readers_ = std::make_unique<Readers>(where_);
    writer_ = std::make_unique<Writer>(std::move(*database));
    auto log = trust::AuditLog::open(audit_file(), {"polder-hub-test", "test", kNowS});
    ASSERT_TRUE(log.ok()) << log.error().message;
    recorder_ = std::make_unique<Recorder>(
        audit_file(), std::move(*log), std::make_unique<trust::TestSigner>("audit"), *writer_,
        *readers_, [this](const std::string& text) { troubles_.push_back(text); });
    auto repository =
        OnlineRepository::open(folder_, std::make_unique<trust::TestSigner>(online_key_));
    ASSERT_TRUE(repository.ok()) << repository.error().message;
    repository_ = *std::move(repository);
    uploads_ = Uploads::open((folder_ / "uploads").string()).value();
    publisher_ = std::make_unique<Publisher>(
        Publisher::Parts{*repository_, *uploads_, *writer_, *readers_, *recorder_, wall_,
                         [this](const std::string& text) { log_.push_back(text); }});
    const Status begun = publisher_->begin();
    ASSERT_TRUE(begun.ok()) << begun.error().message;
    hub_ = std::make_unique<Hub>(Hub{*writer_, *readers_, *authority_, *recorder_, *repository_,
                                     *uploads_, *publisher_, wall_,
                                     [this](const std::string& text) { log_.push_back(text); }});
    router_ = std::make_unique<Router>(*hub_, clock_);
  }
  void stop() {
    router_.reset();
    hub_.reset();
    publisher_.reset();
    uploads_.reset();
    repository_.reset();
    recorder_.reset();
    writer_.reset();
    readers_.reset();
  }

  // Of the server's database: all there is.
  void remove_tables() const {
    const auto database = open_database(where_);
    ASSERT_TRUE(database.ok()) << database.error().message;
    ASSERT_TRUE((*database)->run("DROP SCHEMA public CASCADE").ok());
    ASSERT_TRUE((*database)->run("CREATE SCHEMA public").ok());
  }

  std::string audit_file() const { return folder_ / "audit.log"; }

  std::string token(Role role, std::optional<std::int64_t> valid_s = {}) {
    PersonToken made;
    const Status done = write(*hub_, [&](Database& database) -> Status {
      auto added = add_person_token(database, {std::string(role_name(role)), role, valid_s, "test"},
                                    wall_.now_s());
      if (!added.ok()) return added.error();
      made = std::move(*added);
      return {};
    });
    EXPECT_TRUE(done.ok()) << done.error().message;
    return "Bearer " + made.text;
  }

  Response send(std::string_view method, std::string_view target, const std::string& body = "",
                const std::string& authorization = "", const std::string& certificate = "") const {
    return router_->answer({.id = "r1",
                            .method = std::string(method),
                            .target = std::string(target),
                            .authorization = authorization,
                            .content_type = body.empty() ? "" : "application/json",
                            .if_none_match = "",
                            .body = body,
                            .certificate = certificate,
                            .peer = peer_});
  }
  static trust::Json json(const Response& response) {
    auto read = trust::Json::parse(response.body, "response");
    EXPECT_TRUE(read.ok()) << response.body;
    return read.ok() ? std::move(*read) : trust::Json();
  }
  static std::string text(const Response& response, std::string_view name) {
    const trust::Json document = json(response);
    const trust::Json* member = document.find(name);
    return member && member->string() ? *member->string() : "";
  }

  std::string enrolment_token(const std::string& body = "{}") const {
    const Response made = send("POST", "/v1/enrolment-tokens", body, admin_);
    EXPECT_EQ(made.status, 201) << made.body;
    return text(made, "token");
  }
  static std::string csr(trust::Signer& key, const std::string& device) {
    const auto pem = trust::certificate_request(key, device);
    EXPECT_TRUE(pem.ok()) << pem.error().message;
    return pem.ok() ? *pem : "";
  }
  Response enrol(trust::Signer& key, const std::string& device, const std::string& token) const {
    return send(
        "POST", "/v1/enrol",
        trust::Json(trust::Json::Members{{"token", token}, {"csr", csr(key, device)}}).compact());
  }
  Response renew(trust::Signer& key, const std::string& device,
                 const std::string& certificate) const {
    return send("POST", "/v1/renew",
                trust::Json(trust::Json::Members{{"csr", csr(key, device)}}).compact(), "",
                certificate);
  }
  // The certificate of a new device.
  std::string enrolled(trust::Signer& key, const std::string& device) const {
    const Response response = enrol(key, device, enrolment_token());
    EXPECT_EQ(response.status, 201) << response.body;
    return text(response, "certificate");
  }

  std::filesystem::path folder_;
  std::string where_;  // the database
  std::string_view online_key_ = "online";
  ManualWallClock wall_{kNowS};
  ManualClock clock_;
  std::string peer_ = "192.0.2.1";
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<Readers> readers_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<OnlineRepository> repository_;
  std::unique_ptr<Uploads> uploads_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<Router> router_;
  std::string admin_;
  std::vector<std::string> log_, troubles_;
};

}  // namespace polder::hub
