#include "agent/device_pin.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/identity.h"
#include "platform/storage_fake.h"
#include "trust/signer.h"

namespace polder::agent {
namespace {

// A device whose keys are files with the passphrase "right".
class DevicePinTest : public testing::Test {
 protected:
  DevicePinTest() {
    folder_ = testing::TempDir() + "pin-XXXXXX";
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    config_ = parse_config("device = \"camera-17\"\nmodels = [\"people\"]\nfolder = \"" + folder_ +
                               "\"\n[identity]\npin_file = \"" + folder_ + "/pin\"\n",
                           "test")
                  .value();
    put("right\nand a second line\n");
    PinFile pin(config_.pin_file);
    EXPECT_TRUE(create_identity(config_, pin).ok());
  }
  ~DevicePinTest() override { std::filesystem::remove_all(folder_); }

  // A new file, as an editor makes it.
  void put(const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_ + "/pin", next = path + std::to_string(++count_);
    std::ofstream(next) << text;
    ASSERT_EQ(::chmod(next.c_str(), mode), 0);
    std::filesystem::rename(next, path);
  }
  // From now on the key takes another.
  void change(const std::string& from, const std::string& to) {
    put(from);
    PinFile before(config_.pin_file);
    const std::string other = folder_ + "/other";
    std::ofstream(other) << to;
    ASSERT_EQ(::chmod(other.c_str(), 0600), 0);
    PinFile after(other);
    ASSERT_TRUE(trust::change_passphrase(config_.key_uri(), before, after).ok());
  }
  Error refused() {
    const auto signer = open_device_signer(config_, disk_);
    EXPECT_FALSE(signer.ok());
    return signer.ok() ? Error{Code::kIo, "it is open"} : signer.error();
  }
  // What is remembered: a name and a stamp.
  std::map<std::string, std::string> remembered() { return disk_.files(); }

  std::string folder_;
  int count_ = 0;
  Config config_;
  FakeStorage disk_;
};

TEST_F(DevicePinTest, TheFilesFirstLineOpensBothKeys) {
  const auto signer = open_device_signer(config_, disk_);
  ASSERT_TRUE(signer.ok()) << signer.error().message;
  EXPECT_TRUE((*signer)->sign("a message").ok());
  EXPECT_TRUE(open_device_decrypter(config_, disk_).ok());
  trust::NoPassphrase none;
  EXPECT_FALSE(trust::open_signer(config_.key_uri(), none).ok());  // it is encrypted
  EXPECT_TRUE(remembered().empty());
}

// The key takes the PIN at the second try: one that is made would be seen.
TEST_F(DevicePinTest, ARefusedPinIsNotTriedAgain) {
  put("wrong");
  const Error first = refused();
  EXPECT_EQ(first.code, Code::kUnavailable);
  EXPECT_NE(first.message.find("wrong passphrase"), std::string::npos) << first.message;
  EXPECT_NE(first.message.find(kPinRefused), std::string::npos) << first.message;
  const auto stamp = remembered();
  ASSERT_EQ(stamp.size(), 1u);
  const std::string file = folder_ + "/pin";
  std::filesystem::rename(file, file + ".kept");
  change("right", "wrong");
  std::filesystem::rename(file + ".kept", file);
  for (int i = 0; i < 3; ++i) {
    const Error again = refused();
    EXPECT_EQ(again.message.find("wrong passphrase"), std::string::npos) << again.message;
    EXPECT_NE(again.message.find(file), std::string::npos) << again.message;
  }
  EXPECT_FALSE(check_pin(config_, disk_, config_.key_uri()).ok());
  // The other key has not refused it.
  EXPECT_TRUE(check_pin(config_, disk_, config_.decryption_uri()).ok());
  EXPECT_TRUE(disk_.remove(stamp.begin()->first).ok());
  EXPECT_TRUE(check_pin(config_, disk_, config_.key_uri()).ok());
  EXPECT_TRUE(open_device_signer(config_, disk_).ok());
}

// As a credential is at each start of a service.
TEST_F(DevicePinTest, TheSamePinInANewFileIsNotTriedEither) {
  put("wrong");
  EXPECT_NE(refused().message.find("wrong passphrase"), std::string::npos);
  for (int start = 0; start < 3; ++start) {
    put("wrong\n" + std::to_string(start));
    const Error again = refused();
    EXPECT_EQ(again.message.find("wrong passphrase"), std::string::npos) << again.message;
    EXPECT_NE(again.message.find(kPinRefused), std::string::npos) << again.message;
  }
  // What is remembered does not tell it.
  for (const auto& [name, record] : remembered())
    EXPECT_EQ(record.find("wrong"), std::string::npos) << record;
  put("wrong2");
  EXPECT_NE(refused().message.find("wrong passphrase"), std::string::npos);
  put("right");
  EXPECT_TRUE(open_device_signer(config_, disk_).ok());
}

TEST_F(DevicePinTest, AFullDiskForgetsNothing) {
  put("wrong");
  disk_.fail_at(0, StorageFault::kFull);
  refused();
  EXPECT_TRUE(remembered().empty());
  EXPECT_EQ(refused().message.find("wrong passphrase"), std::string::npos);
}

TEST_F(DevicePinTest, AFileThatCannotBeUsedIsToldAndNoPinIsRefused) {
  put("right", 0644);
  EXPECT_NE(refused().message.find("pin_file: " + folder_ + "/pin"), std::string::npos)
      << refused().message;
  EXPECT_NE(refused().message.find("chmod 600"), std::string::npos) << refused().message;
  put("\n");
  EXPECT_NE(refused().message.find("a PIN expected"), std::string::npos) << refused().message;
  std::filesystem::remove(folder_ + "/pin");
  EXPECT_EQ(refused().code, Code::kUnavailable);  // it does not say that there is no key
  config_.pin_file.clear();
  EXPECT_NE(refused().message.find("[identity] pin_file"), std::string::npos) << refused().message;
  EXPECT_TRUE(remembered().empty());
}

}  // namespace
}  // namespace polder::agent
