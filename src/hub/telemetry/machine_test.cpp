// What devices tell of themselves, and when the hub asks for it; on PostgreSQL too (tests/hub).
#include "hub/telemetry/machine.h"

#include "hub/api/testing_hub.h"

namespace polder::hub {
namespace {

class Machines : public HubTest {
 protected:
  void SetUp() override {
    HubTest::SetUp();
    certificate_ = enrolled(key_, "cam-1");
  }
  static proto::Machine machine() {
    proto::Machine made{.architecture = "aarch64",
                        .cpu = "Raspberry Pi 5",
                        .cpus = 4,
                        .memory_bytes = 8ull << 30,
                        .system = "Debian GNU/Linux 12 (bookworm)",
                        .kernel = "6.1.0-18-arm64",
                        .targets = {"arm64", "generic"},
                        .backends = {"native"},
                        .plan_format = 5,
                        .operators = 61};
    made.operators_digest[0] = 0xd1;
    return made;
  }
  // Whether the hub asks what the device is.
  bool check_in(const std::optional<proto::Machine>& machine = {}) {
    clock_.advance_us(1'000'000);
    const auto body = proto::encode(proto::Checkin{
        .program = "0.1.0", .timestamp = 0, .reports = {}, .time_s = 0, .machine = machine});
    EXPECT_TRUE(body.ok()) << body.error().message;
    const Response response = router_->answer({.id = "r1",
                                               .method = "POST",
                                               .target = "/v1/checkin",
                                               .authorization = "",
                                               .content_type = proto::kCheckinType,
                                               .if_none_match = "",
                                               .body = body.ok() ? *body : "",
                                               .certificate = certificate_});
    EXPECT_EQ(response.status, 200) << response.body;
    const trust::Json answer = json(response);
    return answer.find("describe") != nullptr;
  }
  std::string shown(const std::string& target = "/v1/devices/cam-1") {
    const trust::Json device = json(send("GET", target, "", admin_));
    const trust::Json* list = device.find("devices");
    return (list ? list->array()->at(0) : device).find("machine")->compact();
  }
  std::string targets() const {
    const auto rows = readers_->query("SELECT target FROM device_target ORDER BY target");
    std::string all;
    for (const Row& row : *rows) all += row[0].text() + " ";
    return all;
  }

  trust::TestSigner key_{trust::Scheme::kEcdsaP256};
  std::string certificate_;
};

TEST_F(Machines, AreShownAsTheyWereTold) {
  EXPECT_EQ(shown(), "null");
  EXPECT_TRUE(check_in());
  EXPECT_EQ(shown(), "null");
  EXPECT_FALSE(check_in(machine()));
  EXPECT_FALSE(check_in());
  const std::string digest = "d1" + std::string(62, '0');
  const std::string text =
      R"x({"architecture":"aarch64","backends":["native"],"cpu":"Raspberry Pi 5","cpus":4,)x"
      R"x("kernel":"6.1.0-18-arm64","memory_bytes":8589934592,"operators":{"count":61,)x"
      R"x("sha256":")x" +
      digest +
      R"x("},"plan_format":5,"system":"Debian GNU/Linux 12 (bookworm)",)x"
      R"x("targets":["arm64","generic"],"told":"2030-03-17T17:46:40Z"})x";
  EXPECT_EQ(shown(), text);
  EXPECT_EQ(shown("/v1/devices"), text);
  EXPECT_EQ(targets(), "arm64 generic ");
  proto::Machine other = machine();
  other.targets = {"generic", "generic"};
  wall_.set_s(kNowS + 60);
  check_in(other);
  EXPECT_EQ(targets(), "generic ");
  EXPECT_NE(shown().find("17:47:40Z"), std::string::npos) << shown();
}

TEST_F(Machines, AreForgottenWhenAnotherTakesTheName) {
  EXPECT_FALSE(check_in(machine()));
  EXPECT_EQ(targets(), "arm64 generic ");
  trust::TestSigner other(trust::Scheme::kEcdsaP256);
  certificate_ =
      text(enrol(other, "cam-1", enrolment_token(R"({"device":"cam-1"})")), "certificate");
  EXPECT_EQ(targets(), "");
  EXPECT_TRUE(check_in());
}

// What a backup has of a device may be of long ago.
TEST_F(Machines, AreAskedForAgainWhenTheHubGoesOnFromABackup) {
  EXPECT_FALSE(check_in(machine()));
  const auto restored = [&](std::int64_t at_s) {
    const Status done = writer_->write([&](Database& database) {
      return database.run("INSERT INTO restoration (restored_s, taken_s, version) VALUES (?, ?, 0)",
                          {at_s, kNowS});
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
  };
  restored(kNowS);
  EXPECT_FALSE(check_in());
  restored(kNowS + 10);
  wall_.set_s(kNowS + 20);
  EXPECT_TRUE(check_in());
  EXPECT_TRUE(check_in());
  EXPECT_FALSE(check_in(machine()));
  EXPECT_FALSE(check_in());
}

}  // namespace
}  // namespace polder::hub
