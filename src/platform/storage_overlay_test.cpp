#include "platform/storage_overlay.h"

#include <gtest/gtest.h>

#include "platform/storage_fake.h"

namespace polder {
namespace {

TEST(StorageOverlay, NothingBelowIsChanged) {
  FakeStorage disk;
  ASSERT_TRUE(disk.make_folder("metadata").ok());
  ASSERT_TRUE(replace_stored(disk, "metadata/root.json", "old").ok());
  ASSERT_TRUE(replace_stored(disk, "kept", "as it is").ok());
  const auto before = disk.files();
  const std::uint64_t calls = disk.calls();
  StorageOverlay look(&disk);
  EXPECT_EQ(read_stored(look, "metadata/root.json", 100).value(), "old");
  ASSERT_TRUE(look.make_folder("metadata").ok());
  ASSERT_TRUE(replace_stored(look, "metadata/root.json", "new").ok());
  ASSERT_TRUE(replace_stored(look, "fresh/file", "x").ok());
  EXPECT_EQ(read_stored(look, "metadata/root.json", 100).value(), "new");
  EXPECT_EQ(read_stored(look, "fresh/file", 100).value(), "x");
  ASSERT_TRUE(look.remove("kept").ok());
  EXPECT_EQ(look.open("kept").error().code, Code::kNotFound);
  EXPECT_EQ(look.open("metadata/root.json.new").error().code, Code::kNotFound);
  // Another look sees what there is.
  StorageOverlay again(&disk);
  const auto file = again.open("kept");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->write(0, "y").error().code, Code::kDenied);
  EXPECT_EQ((*file)->truncate(0).error().code, Code::kDenied);
  EXPECT_EQ(disk.files(), before);
  EXPECT_EQ(disk.calls(), calls);
}

TEST(StorageOverlay, WhereThereIsNothingYet) {
  StorageOverlay look(nullptr);
  EXPECT_EQ(look.open("state.json").error().code, Code::kNotFound);
  ASSERT_TRUE(replace_stored(look, "state.json", "x").ok());
  EXPECT_EQ(read_stored(look, "state.json", 100).value(), "x");
  EXPECT_EQ(look.open("../x").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace polder
