#include "agent/recorder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "agent/device_pin.h"
#include "agent/identity.h"
#include "agent/testing.h"
#include "platform/private_file.h"
#include "platform/storage_fake.h"
#include "trust/signer.h"

namespace polder::agent {
namespace {

// A device with its key in a folder of the disk and its log in memory.
struct Device {
  Config config = parse_config(
                      "device = \"camera-17\"\nmodels = [\"people\"]\n"
                      "[audit]\nmegabytes = 1\n",
                      "test")
                      .value();
  FakeStorage disk;
  ManualClock clock;
  ManualWallClock wall{kNow};
  std::vector<std::string> told;

  Device() {
    config.folder = testing::TempDir() + "recorder-XXXXXX";
    EXPECT_NE(::mkdtemp(config.folder.data()), nullptr);
  }
  ~Device() { std::filesystem::remove_all(config.folder); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  void make_key() {
    trust::NoPassphrase none;
    ASSERT_TRUE(create_identity(config, none).ok());
  }
  void set_mode(mode_t mode) const {
    ASSERT_EQ(::chmod((config.folder + "/identity/key.pem").c_str(), mode), 0);
  }
  std::unique_ptr<Recorder> open() {
    return std::make_unique<Recorder>(config, disk, clock, wall,
                                      [this](const std::string& text) { told.push_back(text); });
  }
  std::string bytes(const std::string& name) const {
    const auto files = disk.files();
    const auto found = files.find(name);
    return found == files.end() ? "" : found->second;
  }
  int entries() const { return int(std::ranges::count(bytes("audit/log"), '\n')); }
  // Of each of which the lines are a name, a size, a root, an empty one, a signature, an empty one.
  int signatures() const {
    return int(std::ranges::count(bytes("audit/log.checkpoints"), '\n')) / 6;
  }
};

Occurrence failure(int number) {
  return {.act = trust::Act::kWorkerFailed, .object = "people", .text = std::to_string(number)};
}

TEST(Recorder, SignsAtOnceThenNowAndThenAndAtTheEnd) {
  Device device;
  device.make_key();
  auto recorder = device.open();
  recorder->add(failure(1));
  EXPECT_EQ(device.entries(), 2);
  EXPECT_EQ(device.signatures(), 1);
  for (int i = 2; i <= 50; ++i) {
    recorder->add(failure(i));
    recorder->poll();
  }
  EXPECT_EQ(device.entries(), 51);
  EXPECT_EQ(device.signatures(), 1);
  device.clock.advance_us(kSignEveryUs);
  recorder->poll();
  EXPECT_EQ(device.signatures(), 2);
  device.clock.advance_us(kSignEveryUs);
  recorder->poll();  // nothing new
  EXPECT_EQ(device.signatures(), 2);
  recorder->add(failure(51));
  EXPECT_EQ(device.signatures(), 3);
  recorder->add(failure(52));
  recorder.reset();
  EXPECT_EQ(device.signatures(), 4);
  EXPECT_TRUE(device.told.empty());
}

TEST(Recorder, KeepsNeitherNotesNorWhatRepeats) {
  Device device;
  auto recorder = device.open();
  recorder->add({.act = trust::Act::kNote, .object = "people", .text = "update begun"});
  Occurrence again = failure(2);
  again.repeats = true;
  recorder->add(again);
  EXPECT_EQ(device.entries(), 1);
}

TEST(Recorder, StaysBelowTheCapOfTheConfiguration) {
  Device device;
  auto recorder = device.open();
  Occurrence what = failure(1);
  what.text.assign(kMaxReasonBytes, 'x');
  for (int i = 0; i < 3000; ++i) {
    recorder->add(what);
    device.disk.settle();
  }
  std::size_t bytes = 0;
  for (const auto& [name, content] : device.disk.files()) bytes += content.size();
  EXPECT_LE(bytes, std::size_t(1) << 20);
  EXPECT_GT(bytes, std::size_t(1) << 19);
}

TEST(Recorder, AKeyThatCannotBeUsedIsToldAndTriedAgain) {
  Device device;
  device.make_key();
  device.set_mode(0644);
  auto recorder = device.open();
  ASSERT_EQ(device.told.size(), 1u);
  EXPECT_NE(device.told[0].find("entries are not signed"), std::string::npos) << device.told[0];
  EXPECT_NE(device.told[0].find("chmod 600"), std::string::npos) << device.told[0];
  recorder->add(failure(1));
  recorder->poll();
  EXPECT_EQ(device.told.size(), 1u);  // once
  EXPECT_EQ(device.entries(), 2);
  EXPECT_EQ(device.signatures(), 0);
  EXPECT_FALSE(recorder->trouble().what.empty());
  device.set_mode(0600);
  device.clock.advance_us(kSignEveryUs);
  recorder->poll();
  EXPECT_EQ(device.signatures(), 1);
  EXPECT_EQ(recorder->trouble(), RecordTrouble());
}

TEST(Recorder, ARefusedPinWaitsForAnotherFile) {
  Device device;
  device.config.pin_file = device.config.folder + "/pin";
  const auto put = [&](const char* pin) {
    std::filesystem::remove(device.config.pin_file);
    ASSERT_TRUE(create_private_file(device.config.pin_file, pin).ok());
  };
  put("right");
  PinFile pin(device.config.pin_file);
  ASSERT_TRUE(create_identity(device.config, pin).ok());
  put("wrong");
  auto recorder = device.open();
  ASSERT_EQ(device.told.size(), 1u);
  EXPECT_NE(device.told[0].find("wrong passphrase"), std::string::npos) << device.told[0];
  recorder->add(failure(1));
  EXPECT_EQ(device.signatures(), 0);
  for (int i = 0; i < 3; ++i) {
    device.clock.advance_us(kSignEveryUs);
    recorder->poll();
    EXPECT_EQ(recorder->trouble().what.find("wrong passphrase"), std::string::npos);
    EXPECT_NE(recorder->trouble().what.find(kPinRefused), std::string::npos);
    EXPECT_NE(recorder->trouble().advice.find(device.config.pin_file), std::string::npos);
  }
  put("right");
  device.clock.advance_us(kSignEveryUs);
  recorder->poll();
  EXPECT_EQ(device.signatures(), 1);
  EXPECT_EQ(recorder->trouble(), RecordTrouble());
}

TEST(Recorder, ADamagedLogIsToldAndKept) {
  Device device;
  { device.open()->add(failure(1)); }
  ASSERT_TRUE(device.disk.open("audit/log").value()->write(0, "?"));
  const auto damaged = device.disk.files();
  device.told.clear();
  auto recorder = device.open();
  recorder->add(failure(2));
  EXPECT_EQ(device.disk.files(), damaged);
  const RecordTrouble trouble = recorder->trouble();
  EXPECT_NE(trouble.what.find("entries are not recorded"), std::string::npos) << trouble.what;
  EXPECT_NE(trouble.advice.find("mv " + device.config.folder + "/audit "), std::string::npos)
      << trouble.advice;
  EXPECT_FALSE(device.told.empty());
}

TEST(Recorder, AnotherKeysLogIsNotSigned) {
  Device device;
  device.make_key();
  { device.open()->add(failure(1)); }
  for (const char* key : {"/identity/key.pem", "/identity/decryption.pem"})
    ASSERT_EQ(::unlink((device.config.folder + key).c_str()), 0);
  device.make_key();
  auto recorder = device.open();
  recorder->add(failure(2));
  EXPECT_EQ(device.signatures(), 1);
  EXPECT_NE(recorder->trouble().what.find("not signed"), std::string::npos);
  EXPECT_NE(recorder->trouble().advice.find("mv "), std::string::npos) << recorder->trouble().what;
}

TEST(Recorder, AFullDiskIsToldUntilItIsNot) {
  Device device;
  auto recorder = device.open();
  device.disk.fail_at(0, StorageFault::kFull);
  recorder->add(failure(1));
  EXPECT_NE(recorder->trouble().what.find("not recorded"), std::string::npos);
  recorder->add(failure(2));
  EXPECT_EQ(device.entries(), 2);
  EXPECT_EQ(recorder->trouble().what.find("not recorded"), std::string::npos);
}

}  // namespace
}  // namespace polder::agent
