#include "trust/tuf_changes_read.h"

#include <gtest/gtest.h>

namespace polder::trust::tuf {
namespace {

TEST(ReadChanges, AreWhatWasWritten) {
  Changes changes;
  changes.files = {{"root", 0, 1, 0, 1'900'000'000},
                   {"targets", 3, 4, 1'800'000'000, 1'900'000'000}};
  changes.trust = {{"family", {"aa"}, {"bb"}, 1, 2, {"a/*"}, {"a/*", "b/*"}}};
  changes.targets = {{"targets", "people/1.0.0/manifest.json", "", "cc", "x: is another", false},
                     {"family", "notes.txt", "dd", "", "", false}};
  changes.floors = {{"people", "", "1.0.0"}};
  changes.other = {"root: consistent snapshots begin"};
  const Json written = to_json(changes);
  const auto read = parse_changes(written, "answer.changes");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(to_json(*read), written);
  EXPECT_EQ(to_json(parse_changes(to_json(Changes()), "none").value()), to_json(Changes()));
}

TEST(ReadChanges, WhatIsAnythingElseIsNamed) {
  const auto error_of = [](std::string_view text) {
    return parse_changes(Json::parse(text, "test").value(), "answer.changes").error();
  };
  EXPECT_NE(error_of("[]").message.find("answer.changes: "), std::string::npos);
  const Error error = error_of(R"({"files":[{"role":"root","version":-1,"expires":"x"}]})");
  EXPECT_EQ(error.code, Code::kCorrupt);
  EXPECT_NE(error.message.find("answer.changes.files.version"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace polder::trust::tuf
