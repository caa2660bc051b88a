#include "agent/class_names.h"

#include <gtest/gtest.h>

#include "base/fail.h"
#include "platform/storage_fake.h"
#include "proto/worker.h"
#include "trust/digest.h"

namespace polder::agent {
namespace {

class ClassNamesTest : public testing::Test {
 protected:
  // A decoder for each text of its keys.
  void pipeline(const std::vector<std::string>& decoders) {
    std::string text = "[pipeline]\nname = \"people\"\n";
    for (std::size_t i = 0; i < decoders.size(); ++i)
      text += fmt::format("[[node]]\nname = \"d{}\"\ntype = \"ssd_decode\"\n{}\n", i, decoders[i]);
    put("pipeline.toml", text);
    staged_.manifest.pipeline->blob = trust::sha256(text);
  }
  void labels(const std::string& name, const std::string& text) {
    put(name, text);
    staged_.manifest.pipeline->files[name] = trust::sha256(text);
  }
  void put(const std::string& name, const std::string& text) {
    ASSERT_TRUE(disk_.make_folder("slots").ok());
    ASSERT_TRUE(replace_stored(disk_, staged_.folder + "/" + name, text).ok());
  }
  ClassNames names() {
    auto names = class_names(disk_, staged_);
    EXPECT_TRUE(names.ok()) << names.error().message;
    return names.ok() ? *names : ClassNames();
  }
  Code error() {
    const auto names = class_names(disk_, staged_);
    return names.ok() ? Code(0) : names.error().code;
  }

  ClassNamesTest() {
    staged_.folder = "slots";
    staged_.manifest.pipeline.emplace();
  }
  FakeStorage disk_;
  StagedRelease staged_;
};

TEST_F(ClassNamesTest, AreThoseOfTheReleasesLabels) {
  labels("labels.txt", "person\r\ncar\n\ntwo words");
  pipeline({"labels = \"labels.txt\""});
  EXPECT_EQ(names(), (ClassNames{"person", "car", "2", "two words"}));
  EXPECT_EQ(class_name(names(), 1), "car");
  EXPECT_EQ(class_name(names(), 4), "4");
  staged_.manifest.pipeline.reset();
  EXPECT_EQ(names(), ClassNames());
}

TEST_F(ClassNamesTest, HaveCaps) {
  labels("labels.txt", std::string(kMaxClassNameBytes, 'a') + "\n" +
                           std::string(kMaxClassNameBytes + 1, 'b') + "\ncaf\xc3\xa9\na\tb\n" +
                           std::string(2 * proto::kMaxClasses, '\n'));
  pipeline({"labels = \"labels.txt\""});
  const ClassNames found = names();
  ASSERT_EQ(found.size(), proto::kMaxClasses);
  EXPECT_EQ(found[0], std::string(kMaxClassNameBytes, 'a'));
  for (const std::size_t i : {1u, 2u, 3u, 255u}) EXPECT_EQ(found[i], std::to_string(i));
  labels("labels.txt", std::string(kMaxLabelsBytes + 1, 'a'));
  EXPECT_NE(error(), Code(0));
}

TEST_F(ClassNamesTest, OfTwoDecodersAreThoseInWhichTheyAgree) {
  labels("a.txt", "person\ncar\nbus\n");
  labels("b.txt", "person\ncat\n");
  pipeline({"labels = \"a.txt\"", "labels = \"b.txt\"", "labels = \"a.txt\""});
  EXPECT_EQ(names(), (ClassNames{"person", "1", "2"}));
  pipeline({"labels = \"a.txt\"", ""});
  EXPECT_EQ(names(), ClassNames());
}

TEST_F(ClassNamesTest, AreFromSignedFilesOnly) {
  labels("labels.txt", "person\n");
  pipeline({"labels = \"labels.txt\""});
  put("labels.txt", "secret\n");
  EXPECT_EQ(error(), Code::kCorrupt);
  labels("labels.txt", "person\n");
  put("pipeline.toml", "[pipeline]\nname = \"other\"\n");
  EXPECT_EQ(error(), Code::kCorrupt);
  pipeline({"labels = \"../../etc/hostname\""});
  EXPECT_EQ(error(), Code::kNotFound);
}

}  // namespace
}  // namespace polder::agent
