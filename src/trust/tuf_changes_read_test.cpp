#include "trust/tuf_changes_read.h"

#include <gtest/gtest.h>

#include <map>

namespace polder::trust::tuf {
namespace {

TEST(ReadChanges, AreWhatWasWritten) {
  Changes changes;
  changes.files = {{"root", 0, 1, 0, 1'900'000'000},
                   {"targets", 3, 4, 1'800'000'000, 1'900'000'000}};
  changes.trust = {{"family", {"aa"}, {"bb"}, 1, 2, {"a/*"}, {"a/*", "b/*"}}};
  const std::string one(64, 'c'), other(64, 'd');
  changes.targets = {{"targets", "people/1.0.0/manifest.json", "", one, "x: is another", false},
                     {"family", "notes.txt", other, "", "", false}};
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

TEST(ReadChanges, IdsDigestsAndFloorsAreNoOtherText) {
  const auto error_of = [](const Changes& changes) {
    return parse_changes(to_json(changes), "answer.changes").error();
  };
  const std::string odd = "\x1b[8m", digest(64, 'a');
  std::map<std::string, Changes> found;
  found["trust.added_keys"].trust = {{"family", {"aa", odd}, {}, 1, 1, {}, {}}};
  found["targets.sha256"].targets = {{"targets", "x", "", odd, "", false}};
  found["targets.sha256_before"].targets = {{"targets", "x", digest + "a", "", "", false}};
  found["floors.before"].floors = {{"people", odd, ""}};
  found["floors.after"].floors = {{"people", "", "none"}};
  for (const auto& [place, changes] : found) {
    const Error error = error_of(changes);
    EXPECT_EQ(error.code, Code::kCorrupt) << place;
    EXPECT_NE(error.message.find("answer.changes." + place), std::string::npos) << error.message;
  }
  // What others have made may go.
  Changes removal;
  removal.trust = {{"family", {}, {"key-1"}, 1, 1, {}, {}}};
  EXPECT_TRUE(parse_changes(to_json(removal), "answer.changes").ok());
}

}  // namespace
}  // namespace polder::trust::tuf
