// Which devices a list is of; on PostgreSQL too (tests/hub).
#include "hub/api/device_filter.h"

#include "hub/api/testing_hub.h"

namespace polder::hub {
namespace {

class Filters : public HubTest {
 protected:
  void run(std::string_view sql, const Values& values) const {
    const Status done =
        writer_->write([&](Database& database) { return database.run(sql, values); });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  // seen_s 0: never.
  void add(const std::string& id, std::int64_t seen_s, const std::string& version,
           const std::string& health, const std::string& target) const {
    run("INSERT INTO device (id, key_id, enrolled_s) VALUES (?, ?, ?)", {id, "k" + id, kNowS - 50});
    if (seen_s > 0)
      run("INSERT INTO device_link (device, seen_s, program, repository, watched_s, swept_s) "
          "VALUES (?, ?, '1', 0, 0, 0)",
          {id, seen_s});
    add_unit(id, "people", version, health);
    if (!target.empty())
      run("INSERT INTO device_target (device, target) VALUES (?, ?)", {id, target});
  }
  void add_unit(const std::string& id, const std::string& model, const std::string& version,
                const std::string& health) const {
    run("INSERT INTO device_unit (device, unit, model, version, manifest, health, frames, crashes, "
        "reported_s, boot, sequence) VALUES (?, ?, ?, ?, '', ?, 0, 0, 0, 0, 0)",
        {id, model, model, version, health});
  }
  void SetUp() override {
    HubTest::SetUp();
    add("a", kNowS - 10, "1.2.0", "well", "arm64");
    add("b", kNowS - 10, "1.2.0", "failed", "arm64");
    add("c", kNowS - 90'000, "1.3.0", "failed", "x86-64-v3");
    add("d", 0, "1.2.0", "idle", "");
    add_unit("a", "voice", "2.0.0", "failed");
    run("INSERT INTO device_tag (device, name, value) VALUES ('b', 'site', 'ams')", {});
    run("UPDATE device SET revoked_s = 1 WHERE id = 'c'", {});
  }
  // The names, with their units and tags.
  std::string found(const std::string& query) {
    clock_.advance_us(1'000'000);
    const Response response = send("GET", "/v1/devices?" + query, "", admin_);
    if (response.status != 200) return text(response, "detail");
    std::string all;
    const trust::Json page = json(response);
    for (const trust::Json& device : *page.find("devices")->array())
      all += *device.find("id")->string();
    next_ = text(response, "next");
    return all;
  }
  std::string next_;
};

TEST_F(Filters, FindDevicesByWhatTheyRunAndHowTheyDo) {
  EXPECT_EQ(found("health=failed"), "abc");
  EXPECT_EQ(found("version=people=1.2.0"), "abd");
  EXPECT_EQ(found("version=people%3D1.2.0"), "abd");
  // Of one unit: that of "a" which failed is another.
  EXPECT_EQ(found("health=failed&version=people=1.2.0"), "b");
  EXPECT_EQ(found("target=arm64"), "ab");
  EXPECT_EQ(found("target="), "");
  EXPECT_EQ(found("revoked=true"), "c");
  EXPECT_EQ(found("revoked=false"), "abd");
  EXPECT_EQ(found("query=site=ams&target=arm64&health=failed&revoked=false"), "b");
}

// One that has never checked in counts by when it enrolled: 50 seconds ago.
TEST_F(Filters, FindDevicesThatAreSilent) {
  EXPECT_EQ(found("seen_before=2030-03-17T17:46:40Z"), "abcd");  // now
  EXPECT_EQ(found("seen_before=2030-03-17T17:46:10Z"), "cd");
  EXPECT_EQ(found("seen_before=2030-03-17T17:45:00Z"), "c");
  EXPECT_EQ(found("seen_before=2030-03-16T16:00:00Z"), "");
}

TEST_F(Filters, HoldFromPageToPage) {
  EXPECT_EQ(found("limit=1&version=people=1.2.0&revoked=false&query=site=ams"), "b");
  EXPECT_EQ(next_, "");
  std::string all = found("limit=1&health=failed&seen_before=2030-03-17T17:46:40Z");
  EXPECT_EQ(next_, "/v1/devices?limit=1&after=a&health=failed&seen_before=2030-03-17T17:46:40Z");
  while (!next_.empty()) all += found(next_.substr(next_.find('?') + 1));
  EXPECT_EQ(all, "abc");
  // What is shown of a device is its own, wherever in the list it stands.
  const Response response = send("GET", "/v1/devices?health=failed&query=site=ams", "", admin_);
  const trust::Json page = json(response);
  const trust::Json& b = page.find("devices")->array()->at(0);
  EXPECT_EQ(b.find("tags")->compact(), R"({"site":"ams"})");
  EXPECT_EQ(b.find("units")->array()->size(), 1u);
  EXPECT_EQ(*b.find("program")->string(), "1");
}

TEST_F(Filters, SayWhatTheyExpect) {
  EXPECT_NE(found("health=ill").find("one of idle, starting, well, failed"), std::string::npos);
  EXPECT_NE(found("health=").find("one of idle"), std::string::npos);
  for (const char* version : {"people", "=1.2.0", "people=", ""})
    EXPECT_NE(found(std::string("version=") + version).find("MODEL=VERSION"), std::string::npos);
  EXPECT_NE(found("seen_before=yesterday").find("2026-11-28T18:41:40Z"), std::string::npos);
  EXPECT_NE(found("revoked=yes").find("true or false"), std::string::npos);
  EXPECT_NE(found("helth=failed").find("did you mean 'health'"), std::string::npos);
}

}  // namespace
}  // namespace polder::hub
