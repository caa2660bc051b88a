#include "agent/release_names.h"

#include <gtest/gtest.h>

#include "base/fail.h"
#include "platform/storage_fake.h"
#include "proto/worker.h"
#include "trust/digest.h"

namespace polder::agent {
namespace {

class ReleaseNamesTest : public testing::Test {
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
    const auto names = release_names(disk_, staged_);
    EXPECT_TRUE(names.ok()) << names.error().message;
    EXPECT_EQ(names->trouble, "");
    return names.ok() ? names->classes : ClassNames();
  }
  std::string trouble() {
    const auto names = release_names(disk_, staged_);
    if (!names.ok()) return std::string(code_name(names.error().code));
    EXPECT_EQ(names->classes, ClassNames());
    return names->trouble;
  }

  ReleaseNamesTest() {
    staged_.folder = "slots";
    staged_.manifest.pipeline.emplace();
  }
  FakeStorage disk_;
  StagedRelease staged_;
};

TEST_F(ReleaseNamesTest, AreThoseOfTheReleasesLabels) {
  labels("labels.txt", "person\r\ncar\n\ntwo words");
  pipeline({"labels = \"labels.txt\""});
  EXPECT_EQ(names(), (ClassNames{"person", "car", "2", "two words"}));
  EXPECT_EQ(class_name(names(), 1), "car");
  EXPECT_EQ(class_name(names(), 4), "4");
  staged_.manifest.pipeline.reset();
  EXPECT_EQ(names(), ClassNames());
}

TEST_F(ReleaseNamesTest, HaveCaps) {
  labels("labels.txt", std::string(kMaxClassNameBytes, 'a') + "\n" +
                           std::string(kMaxClassNameBytes + 1, 'b') + "\ncaf\xc3\xa9\na\tb\n" +
                           std::string(2 * proto::kMaxClasses, '\n'));
  pipeline({"labels = \"labels.txt\""});
  const ClassNames found = names();
  ASSERT_EQ(found.size(), proto::kMaxClasses);
  EXPECT_EQ(found[0], std::string(kMaxClassNameBytes, 'a'));
  for (const std::size_t i : {1u, 2u, 3u, 255u}) EXPECT_EQ(found[i], std::to_string(i));
  labels("labels.txt", std::string(kMaxLabelsBytes + 1, 'a'));
  EXPECT_NE(trouble(), "");
}

TEST_F(ReleaseNamesTest, OfTwoDecodersAreThoseInWhichTheyAgree) {
  labels("a.txt", "person\ncar\nbus\n");
  labels("b.txt", "person\ncat\n");
  pipeline({"labels = \"a.txt\"", "labels = \"b.txt\"", "labels = \"a.txt\""});
  EXPECT_EQ(names(), (ClassNames{"person", "1", "2"}));
  pipeline({"labels = \"a.txt\"", ""});
  EXPECT_EQ(names(), ClassNames());
}

TEST_F(ReleaseNamesTest, AreFromSignedFilesOnly) {
  labels("labels.txt", "person\n");
  pipeline({"labels = \"labels.txt\""});
  put("labels.txt", "secret\n");
  EXPECT_NE(trouble().find("it is not the release's"), std::string::npos);
  labels("labels.txt", "person\n");
  put("pipeline.toml", "[pipeline]\nname = \"other\"\n");
  EXPECT_EQ(trouble(), "corrupt");
  pipeline({"labels = \"../../etc/hostname\""});
  EXPECT_NE(trouble().find("are no file of the release"), std::string::npos);
}

TEST_F(ReleaseNamesTest, OfStagesAndSignalsAreThoseOfThePipeline) {
  const auto document = parse_toml(
      "[pipeline]\nname = \"p\"\n"
      "[[node]]\nname = \"microphone\"\ntype = \"wav_file\"\n"
      "[[node]]\nname = \"decode\"\ntype = \"ssd_decode\"\n"
      "[[node]]\nname = \"x\"\ntype = \"no such type\"\n[[node]]\ntype = \"wav_file\"\n",
      "pipeline.toml");
  ASSERT_TRUE(document.ok()) << document.error().message;
  const ReleaseNames names = reported_names(*document);
  EXPECT_EQ(names.stages, (std::set<std::string>{"decode", "microphone"}));
  EXPECT_EQ(names.signals,
            (std::set<std::string>{"decode.found", "decode.score", "microphone.rms"}));
}

}  // namespace
}  // namespace polder::agent
