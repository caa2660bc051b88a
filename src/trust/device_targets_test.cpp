#include "trust/device_targets.h"

#include <gtest/gtest.h>

#include <string>

#include "trust/assignment.h"
#include "trust/floors.h"
#include "trust/sealed_file.h"
#include "trust/testing_release.h"

namespace polder::trust {
namespace {

TEST(DeviceTargets, AreKnownByTheirNames) {
  EXPECT_EQ(device_target("floors.json"), DeviceTarget::kFloors);
  EXPECT_EQ(device_target("assignments/cam-12.json"), DeviceTarget::kAssignment);
  EXPECT_EQ(device_target("people/1.2.0/manifest.json"), DeviceTarget::kManifest);
  EXPECT_EQ(device_target("people/1.2.0-rc.1/ab.keys"), DeviceTarget::kSealedKeys);
  for (const char* other :
       {"", "people", "people/floors.json", "assignments/a/b.json", "assignments/notes.txt",
        "people/manifest.json", "people/1/manifest.json", "people/1.2.0/a/manifest.json",
        "people/1.2.0/notes.txt", "a.keys"}) {
    EXPECT_EQ(device_target(other), DeviceTarget::kNone) << other;
    EXPECT_TRUE(check_device_target(other, "anything").ok()) << other;
  }
}

Code refused(const std::string& path, const std::string& bytes) {
  const Status status = check_device_target(path, bytes);
  EXPECT_FALSE(status.ok()) << path;
  if (status.ok()) return Code::kInvalid;
  EXPECT_NE(status.error().message.find(path), std::string::npos) << status.error().message;
  return status.error().code;
}

TEST(DeviceTargets, AreWhatTheirNamesSay) {
  Floors floors;
  ASSERT_TRUE(floors.raise("people", Version::parse("1.2.0", "test").value()));
  EXPECT_TRUE(check_device_target("floors.json", floors.bytes()));
  Assignment assignment;
  assignment.device = "cam-12";
  EXPECT_TRUE(check_device_target("assignments/cam-12.json", assignment.bytes()));
  EXPECT_EQ(refused("assignments/cam-13.json", assignment.bytes()), Code::kCorrupt);
  const std::string manifest = test_manifest().bytes();
  EXPECT_TRUE(check_device_target("people-counter/1.4.0-rc.1/manifest.json", manifest));
  EXPECT_EQ(refused("people-counter/1.4.0/manifest.json", manifest), Code::kCorrupt);
  EXPECT_EQ(refused("people/1.4.0-rc.1/manifest.json", manifest), Code::kCorrupt);
  const SealedKeys keys(ContentKey::generate().value());
  EXPECT_TRUE(check_device_target("people/1.2.0/" + hex(keys.file_id()) + ".keys", keys.bytes()));
  EXPECT_EQ(refused("people/1.2.0/typo.keys", keys.bytes()), Code::kCorrupt);
  for (const char* path : {"floors.json", "assignments/cam-12.json", "people/1.2.0/manifest.json",
                           "people/1.2.0/ab.keys"}) {
    EXPECT_EQ(refused(path, "-----BEGIN PUBLIC KEY-----\n"), Code::kCorrupt);
    const std::size_t cap = device_target_cap_bytes(device_target(path));
    EXPECT_FALSE(check_device_target(path, std::string(cap + 1, ' ')).ok()) << path;
  }
}

}  // namespace
}  // namespace polder::trust
