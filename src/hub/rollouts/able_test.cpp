// Devices that cannot run a release take no part in its rollout.
#include "hub/rollouts/able.h"

#include <gtest/gtest.h>

#include "hub/rollouts/testing_fleet.h"
#include "hub/telemetry/machine.h"

namespace polder::hub {
namespace {

class Able : public FleetTest {
 protected:
  // An artifact as a manifest has it.
  static std::string plan(const std::string& target, int format, const std::string& name = "m") {
    return R"({"name":")" + name + R"(","kind":"plan","target":")" + target +
           R"(","requires":{"backend":"native","operators":{"conv":1},"plan_format":)" +
           std::to_string(format) + "}}";
  }
  void publish(const std::string& version, const std::string& artifacts) {
    publish_release(version);
    const Status done = writer_->write([&](Database& database) {
      return database.run("UPDATE model_release SET details = ? WHERE version = ?",
                          {R"({"artifacts":[)" + artifacts + "]}", version});
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void tell(const std::string& device, const std::vector<std::string>& targets,
            std::uint32_t plan_format = 5) {
    const proto::Machine machine{
        .targets = targets, .backends = {"native"}, .plan_format = plan_format};
    const Status done = writer_->write(
        [&](Database& database) { return keep_machine(database, device, machine, wall_.now_s()); });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  trust::Json preview(const std::string& version) {
    const Response response = send(
        "POST", "/v1/rollout-previews",
        R"({"model":"people","history_looks":0,"unpublished":true,"version":")" + version + "\"}",
        admin_);
    EXPECT_EQ(response.status, 200) << response.body;
    return json(response);
  }
  static std::string counts(const trust::Json& preview) {
    const trust::Json& devices = *preview.find("devices");
    return std::to_string(*devices.find("matching")->integer()) + " of " +
           std::to_string(*devices.find("matching")->integer() +
                          *devices.find("unable")->integer());
  }
  std::string members() {
    const auto rows = readers_->query(
        "SELECT device FROM rollout_device WHERE active_model = 'people' ORDER BY device");
    EXPECT_TRUE(rows.ok());
    std::string all;
    for (const Row& row : *rows) all += row[0].text() + " ";
    return all;
  }
};

TEST_F(Able, ThePreviewSaysHowManyAreLeftOutAndWhy) {
  make_fleet(5);
  publish("1.1.0", plan("arm64", 5) + "," + plan("x86-64-v3", 5));
  EXPECT_EQ(counts(preview("1.1.0")), "5 of 5");  // nobody has told anything
  tell("cam-0", {"arm64", "generic"});
  tell("cam-1", {"x86-64-v4", "x86-64-v3", "generic"});
  tell("cam-2", {"generic"});
  tell("cam-3", {"arm64", "generic"}, 4);
  const trust::Json seen = preview("1.1.0");
  EXPECT_EQ(counts(seen), "3 of 5");
  const auto& notes = *seen.find("notes")->array();
  ASSERT_EQ(notes.size(), 2u) << seen.compact();
  const auto says = [&](const std::string& device, const std::string& what) {
    return std::ranges::any_of(notes, [&](const trust::Json& note) {
      return note.string()->find("1 device is left out, " + device) != std::string::npos &&
             note.string()->find(what) != std::string::npos;
    });
  };
  EXPECT_TRUE(says("cam-2", "takes generic by native")) << seen.compact();
  EXPECT_TRUE(says("cam-3", "needs plan format 5")) << seen.compact();
  // Of each model that the pipeline names there has to be one.
  publish("1.2.0", plan("generic", 5, "a") + "," + plan("arm64", 5, "b"));
  EXPECT_EQ(counts(preview("1.2.0")), "2 of 5");
  // Of a release whose artifacts the hub does not know nobody is left out.
  EXPECT_EQ(counts(preview("1.0.0")), "5 of 5");
  EXPECT_EQ(counts(preview("7.0.0")), "5 of 5");
}

TEST_F(Able, TheRolloutIsOfThoseThatCanRunIt) {
  make_fleet(3);
  publish("1.1.0", plan("arm64", 5));
  tell("cam-0", {"arm64"});
  tell("cam-1", {"generic"});
  const std::string id = begin("1.1.0");
  EXPECT_EQ(members(), "cam-0 cam-2 ");
  EXPECT_EQ(count(id, "matching"), 2);
  // Those that come later, or get other tags, are looked at in the same way.
  add_device("cam-3");
  EXPECT_EQ(members(), "cam-0 cam-2 cam-3 ");
  EXPECT_EQ(send("PUT", "/v1/devices/cam-1/tags", R"({"site":"ams"})", admin_).status, 200);
  EXPECT_EQ(members(), "cam-0 cam-2 cam-3 ");
  // One that comes to run it joins; one of which that changes stays.
  tell("cam-1", {"arm64", "generic"});
  EXPECT_EQ(members(), "cam-0 cam-1 cam-2 cam-3 ");
  tell("cam-0", {"generic"});
  EXPECT_EQ(members(), "cam-0 cam-1 cam-2 cam-3 ");
}

TEST_F(Able, DevicesOfAnotherRolloutAreInNobodysWayWhereTheyAreLeftOut) {
  make_fleet(2);
  publish("1.1.0", plan("arm64", 5));
  publish("1.2.0", plan("x86-64-v3", 5));
  tell("cam-0", {"arm64"});
  tell("cam-1", {"x86-64-v3"});
  begin("1.1.0");
  EXPECT_EQ(counts(preview("1.2.0")), "1 of 2");
  EXPECT_EQ(order("1.1.0").status, 409);
  begin("1.2.0");
  EXPECT_EQ(members(), "cam-0 cam-1 ");
}

// What the last rollout left is nothing for a new device that cannot run it.
TEST_F(Able, ANewDeviceIsNotToldToRunWhatItCannot) {
  make_fleet(1);
  publish("1.1.0", plan("arm64", 5));
  const std::string id = begin("1.1.0", R"(,"one_way":true)", R"("stages":[{"percent":100}])");
  const Status done = writer_->write([&](Database& database) {
    return database.run("UPDATE rollout SET phase = 'done', due_s = NULL WHERE id = ?", {id});
  });
  ASSERT_TRUE(done.ok()) << done.error().message;
  const auto wants = [&](const std::string& name, const std::vector<std::string>& targets) {
    const Status added = writer_->write([&](Database& database) {
      return database.run("INSERT INTO device (id, key_id, enrolled_s) VALUES (?, ?, 0)",
                          {name, "key-" + name});
    });
    EXPECT_TRUE(added.ok()) << added.error().message;
    tell(name, targets);
    started({.name = name, .runs = "", .committed = "", .shadow = "", .gave_up = {}});
    return wanted()[name];
  };
  EXPECT_EQ(wants("cam-7", {"generic"}), "");
  EXPECT_EQ(wants("cam-8", {"arm64"}), "1.1.0");
}

}  // namespace
}  // namespace polder::hub
