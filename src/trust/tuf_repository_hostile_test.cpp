// What lies in staged/ has been carried around, and may have been put there by anybody.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <utility>

#include "platform/file.h"
#include "trust/digest.h"
#include "trust/release_folder.h"
#include "trust/testing_release.h"
#include "trust/tuf_repository.h"
#include "trust/tuf_testing.h"

namespace polder::trust::tuf {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNow = 1'800'000'000;

class StagedByOthers : public testing::Test {
 protected:
  void SetUp() override {
    scratch_ =
        (::access("/dev/shm", W_OK) == 0 ? fs::path("/dev/shm") : fs::temp_directory_path()) /
        ("tuf_repository_hostile_test_" + std::to_string(::getpid()) + "_" +
         testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(scratch_);
    fs::create_directories(scratch_ / "outside/deep");
    outside_ = scratch_ / "outside/deep/ab.notes.txt";
    ASSERT_TRUE(write_file_atomic(outside_, "mine"));
    folder_ = scratch_ / "repo";
    Repository repository = Repository::create(folder_,
                                               {.root = {{root_.public_key()}, 1},
                                                .targets = {{targets_.public_key()}, 1},
                                                .snapshot = {{online_.public_key()}, 1},
                                                .timestamp = {{online_.public_key()}, 1}},
                                               profile("static").value(), kNow)
                                .value();
    ASSERT_TRUE(
        repository.delegate("people", {.keys = {family_.public_key()}}, {"people/*"}, true, kNow));
    ASSERT_TRUE(repository.add_bytes("old", "old", kNow));
    for (Signer* signer : {&root_, &targets_, &family_}) ASSERT_TRUE(repository.sign(*signer).ok());
    ASSERT_TRUE(publish(repository));
  }
  void TearDown() override { fs::remove_all(scratch_); }

  Repository open() { return Repository::open(folder_).value(); }
  Status publish(Repository& repository) {
    Signer* online[] = {&online_};
    return repository.publish(online, kNow);
  }
  std::string staged(const std::string& name) const { return folder_ + "/staged/" + name; }
  // The published metadata of a role, changed by somebody and put into staged/.
  template <class Body>
  void stage(const std::string& role, const std::function<void(Body&)>& change) {
    const std::string path = folder_ + "/metadata/1." + role + ".json";
    Body body = parse_metadata<Body>(read_file(path, 1 << 20).value(), path)->body;
    ++body.version;
    change(body);
    ASSERT_TRUE(
        write_file_atomic(staged(role + ".json"), sign_metadata(to_json(body), {}).value()));
  }
  static std::string target(const std::string& bytes) {
    return "targets/" + hex(sha256(bytes)) + ".new";
  }

  TestSigner root_{"root"}, targets_{"targets"}, online_{"online"}, family_{"family"};
  TestSigner thief_{"thief"};
  fs::path scratch_;
  std::string folder_, outside_;
};

TEST_F(StagedByOthers, NoTargetLeadsOutOfTheFolder) {
  for (const char* path : {"../../outside/deep/notes.txt", "/notes.txt", "a//b", "a/./b"}) {
    stage<Targets>("targets", [&](Targets& body) {
      body.targets[path] = {.length = 4, .hashes = {{"sha256", "ab"}}};
    });
    Repository repository = open();
    EXPECT_EQ(repository.changes().error().code, Code::kCorrupt) << path;
    EXPECT_EQ(repository.check_publishable(kNow).error().code, Code::kCorrupt);
    // And it can be got rid of.
    ASSERT_TRUE(repository.discard());
    EXPECT_EQ(read_file(outside_, 9).value(), "mine") << path;
    EXPECT_TRUE(repository.staged()->empty());
    ASSERT_TRUE(repository.check_publishable(kNow));
  }
}

// Published, they would be what devices are led by.
TEST_F(StagedByOthers, WhatPublishingMakesIsRefused) {
  for (const char* role : {"timestamp", "snapshot"}) {
    const std::string timestamp = folder_ + "/metadata/timestamp.json";
    const std::string before = read_file(timestamp, 1 << 20).value();
    ASSERT_TRUE(write_file_atomic(staged(role + std::string(".json")), before));
    Repository repository = open();
    for (const Status& refused : {Status(repository.changes().error()), publish(repository),
                                  Status(repository.sign(online_).error())}) {
      EXPECT_EQ(refused.error().code, Code::kDenied);
      EXPECT_NE(refused.error().message.find(staged(role)), std::string::npos);
      EXPECT_NE(refused.error().message.find("remove this file"), std::string::npos);
    }
    ASSERT_TRUE(repository.discard());
    EXPECT_EQ(read_file(timestamp, 1 << 20).value(), before);
    ASSERT_TRUE(publish(repository));
  }
}

TEST_F(StagedByOthers, ConsistentSnapshotsThatEndAreShown) {
  stage<Root>("root", [](Root&) {});
  EXPECT_TRUE(open().changes()->other.empty());
  stage<Root>("root", [](Root& root) { root.consistent_snapshot = false; });
  const auto changes = open().changes().value();
  ASSERT_EQ(changes.other.size(), 1u);
  EXPECT_NE(changes.other[0].find("consistent snapshots end"), std::string::npos);
}

TEST_F(StagedByOthers, ATargetHasASha256) {
  for (const Hashes& hashes : {Hashes{{"sha512", "ab"}}, Hashes{{"sha256", "ab"}}}) {
    stage<Targets>("targets",
                   [&](Targets& body) { body.targets["old"] = {.length = 4, .hashes = hashes}; });
    EXPECT_EQ(open().changes().error().code, Code::kCorrupt);
  }
}

TEST_F(StagedByOthers, HalfOfAFileCanBeDiscarded) {
  ASSERT_TRUE(write_file_atomic(staged("targets.json"), R"({"signed": {"_type": "targ)"));
  Repository repository = open();
  EXPECT_EQ(repository.changes().error().code, Code::kCorrupt);
  ASSERT_TRUE(repository.discard());
  EXPECT_TRUE(repository.changes().ok());
  EXPECT_EQ(repository.read_target("old", 9).value(), "old");
}

TEST_F(StagedByOthers, NoLinkIsFollowedToWhatIsRemoved) {
  for (const char* name : {"staged/targets", "staged/blobs", "staged"}) {
    const std::string place = folder_ + "/" + name;
    fs::remove_all(place);
    // Of the folder itself what it serves would be what waits.
    fs::create_symlink(std::string(name) == "staged" ? "." : scratch_ / "outside", place);
    const auto refused = Repository::open(folder_);
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().code, Code::kDenied);
    EXPECT_NE(refused.error().message.find(name), std::string::npos);
    ASSERT_TRUE(remove_file(place));
    ASSERT_TRUE(open().discard());
  }
  EXPECT_EQ(read_file(outside_, 9).value(), "mine");
  EXPECT_EQ(open().read_target("old", 9).value(), "old");
}

TEST_F(StagedByOthers, WhatWaitsIsServedOnlyAsItWasSigned) {
  Repository repository = open();
  ASSERT_TRUE(repository.add_bytes("new", "good", kNow));
  ASSERT_TRUE(repository.sign(targets_).ok());
  const std::string place = staged(target("good"));
  ASSERT_TRUE(repository.check_publishable(kNow));
  // Of the same size, and another.
  ASSERT_TRUE(write_file_atomic(place, "evil"));
  EXPECT_EQ(repository.check_publishable(kNow).error().code, Code::kCorrupt);
  // A link to a file that nobody is to see, and then to one of that content.
  for (const char* bytes : {"mine", "good"}) {
    ASSERT_TRUE(write_file_atomic(outside_, bytes));
    fs::remove(place);
    fs::create_symlink(outside_, place);
    EXPECT_FALSE(repository.check_publishable(kNow).ok()) << bytes;
    EXPECT_EQ(publish(repository).error().code, Code::kDenied) << bytes;
    EXPECT_FALSE(fs::exists(folder_ + "/" + target("good")));
  }
  ASSERT_TRUE(remove_file(place));
  ASSERT_TRUE(repository.add_bytes("new", "good", kNow));
  ASSERT_TRUE(repository.check_publishable(kNow));
  ASSERT_TRUE(publish(repository));
  EXPECT_EQ(repository.read_target("new", 9).value(), "good");
}

// --- Whoever signs sees whom they trust with it ---

TEST_F(StagedByOthers, ARoleThatIsCalledABinIsShown) {
  stage<Targets>("targets", [&](Targets& body) {
    DelegatedRole role;
    role.key_ids = {thief_.public_key().id()};
    role.name = "targets.bin-00";
    role.terminating = true;
    role.paths = {{"*/*/*"}};
    body.delegations->keys[role.key_ids[0]] = to_key(thief_.public_key());
    body.delegations->roles.insert(body.delegations->roles.begin(), role);
    role.name = "targets.bin-01";
    role.paths.reset();
    role.path_hash_prefixes = {{"0"}};
    body.delegations->roles.push_back(role);
  });
  const Changes changes = open().changes().value();
  ASSERT_EQ(changes.trust.size(), 2u);
  EXPECT_EQ(changes.trust[0].role, "targets.bin-00");
  EXPECT_EQ(changes.trust[0].added_keys, std::vector{thief_.public_key().id()});
  EXPECT_EQ(changes.trust[1].paths, std::vector<std::string>{"SHA-256 0..."});
  ASSERT_EQ(changes.other.size(), 1u);
  EXPECT_NE(changes.other[0].find("in the order targets.bin-00, people"), std::string::npos)
      << changes.other[0];
}

TEST_F(StagedByOthers, BinsOfAnotherKindAreShown) {
  stage<Targets>("targets", [&](Targets& body) {
    SuccinctRoles bins;
    bins.key_ids = {thief_.public_key().id()};
    bins.name_prefix = "bin";
    body.delegations->keys[bins.key_ids[0]] = to_key(thief_.public_key());
    body.delegations->roles.clear();
    body.delegations->succinct = bins;
  });
  const Changes changes = open().changes().value();
  ASSERT_EQ(changes.trust.size(), 2u);
  EXPECT_EQ(changes.trust[0].role, "bin-*");
  EXPECT_EQ(changes.trust[0].added_keys, std::vector{thief_.public_key().id()});
  EXPECT_EQ(changes.trust[1].role, "people");
  EXPECT_EQ(changes.trust[1].threshold, 0);
}

TEST_F(StagedByOthers, AKeyUnderTheIdOfAnotherIsShown) {
  const auto steal = [&](Keys& keys, const TestSigner& from) {
    keys[from.public_key().id()] = to_key(thief_.public_key());
  };
  stage<Root>("root", [&](Root& body) { steal(body.keys, root_); });
  stage<Targets>("targets", [&](Targets& body) { steal(body.delegations->keys, family_); });
  const Changes changes = open().changes().value();
  EXPECT_TRUE(changes.trust.empty());
  ASSERT_EQ(changes.other.size(), 2u);
  EXPECT_NE(changes.other[0].find(root_.public_key().id()), std::string::npos);
  EXPECT_NE(changes.other[1].find(family_.public_key().id()), std::string::npos);
  // Also one that was not there before.
  stage<Root>("root", [&](Root& body) { steal(body.keys, online_), steal(body.keys, targets_); });
  EXPECT_EQ(open().changes()->other.size(), 3u);
}

TEST_F(StagedByOthers, AnIdHasNoWordsOfWhatIsShown) {
  stage<Targets>("targets", [&](Targets& body) {
    body.delegations->keys["0' of root; adds x\n"] = to_key(thief_.public_key());
  });
  const Changes changes = open().changes().value();
  ASSERT_EQ(changes.other.size(), 1u);
  EXPECT_NE(changes.other[0].find("as key '0? of root; adds x?' is another"), std::string::npos)
      << changes.other[0];
}

TEST_F(StagedByOthers, WhetherOthersAreAskedIsShown) {
  stage<Targets>("targets", [](Targets& body) { body.delegations->roles[0].terminating = false; });
  EXPECT_EQ(
      open().changes()->other,
      std::vector<std::string>{"people: roles behind it are asked for what it does not list"});
  stage<Targets>("targets", [](Targets&) {});
  EXPECT_TRUE(open().changes()->other.empty());
}

// --- What waits apart, and what another copy has published ---------------------------------------

TEST_F(StagedByOthers, AnOlderStateIsNotPublished) {
  const std::string apart = (scratch_ / "apart").string();
  Repository one = open();
  ASSERT_TRUE(one.add_bytes("one", "1", kNow));
  ASSERT_TRUE(one.sign(targets_).ok());
  {
    Repository two = Repository::open_to_read(folder_, apart).value();
    ASSERT_TRUE(two.add_bytes("two", "2", kNow));
    ASSERT_TRUE(two.sign(targets_).ok());
    EXPECT_TRUE(two.check_publishable(kNow));
  }
  // Each has its own; what one publishes, the other does not.
  ASSERT_TRUE(publish(one));
  EXPECT_TRUE(one.read_target("one", 10).ok());
  EXPECT_EQ(one.read_target("two", 10).error().code, Code::kNotFound);
  EXPECT_TRUE(fs::exists(apart + "/targets.json"));
  one = Repository::open_to_read(folder_).value();  // the lock goes
  Repository two = Repository::open(folder_, 0, apart).value();
  for (const Status& late : {two.check_publishable(kNow), publish(two)}) {
    ASSERT_FALSE(late.ok());
    EXPECT_EQ(late.error().code, Code::kDenied);
    EXPECT_NE(late.error().message.find("role 'targets' version 2: version 2 is published"),
              std::string::npos)
        << late.error().message;
  }
  // Staged anew it follows.
  ASSERT_TRUE(two.discard());
  ASSERT_TRUE(two.add_bytes("two", "2", kNow));
  ASSERT_TRUE(two.sign(targets_).ok());
  EXPECT_TRUE(publish(two));
  EXPECT_TRUE(two.read_target("one", 10).ok());
  EXPECT_TRUE(two.read_target("two", 10).ok());
}

TEST_F(StagedByOthers, ARootThatSkipsOneIsNotPublished) {
  stage<Root>("root", [](Root& root) { root.version = 3; });
  Repository repository = open();
  ASSERT_TRUE(repository.sign(root_).ok());
  EXPECT_EQ(publish(repository).error().code, Code::kDenied);
}

TEST_F(StagedByOthers, WhatAnotherCopyPublishedIsTakenIn) {
  Repository releaser = open();
  ASSERT_TRUE(releaser.add_bytes("new", "new", kNow));
  ASSERT_TRUE(releaser.sign(targets_).ok());
  const std::string copy = (scratch_ / "copy").string();
  fs::copy(folder_, copy, fs::copy_options::recursive);
  std::map<std::string, std::string> metadata;
  {
    Repository server = Repository::open(copy).value();
    ASSERT_TRUE(publish(server));
    for (const std::string name : {"2.targets.json", "2.snapshot.json", "timestamp.json"})
      metadata[name] = read_file(fmt::format("{}/metadata/{}", copy, name), 1 << 20).value();
  }
  EXPECT_TRUE(releaser.adopt(metadata).value().empty());
  EXPECT_TRUE(releaser.staged().value().empty());
  EXPECT_EQ(releaser.read_target("new", 10).value(), "new");
  EXPECT_EQ(releaser.read_published("timestamp").value(), metadata["timestamp.json"]);
  // What is staged on another state is told, and stays.
  stage<Targets>("targets", [](Targets& targets) { targets.version = 2; });
  EXPECT_EQ(releaser.adopt(metadata).value(), std::vector<std::string>{"targets"});
  EXPECT_EQ(releaser.staged().value().size(), 1u);
  // Names lead nowhere else.
  for (const std::string name : {"../x.json", "../1.root.json", "x", "0.root.json"})
    EXPECT_EQ(releaser.adopt({{name, "{}"}}).error().code, Code::kInvalid) << name;
}

TEST_F(StagedByOthers, ManyTextsOfARoleAreStagedTogether) {
  Repository repository = open();
  std::map<std::string, std::string> texts;
  for (int i = 0; i < 300; ++i) texts["people/" + std::to_string(i)] = std::to_string(i);
  ASSERT_TRUE(repository.add_texts(texts, kNow, "people"));
  ASSERT_TRUE(repository.sign(family_).ok());
  ASSERT_TRUE(publish(repository));
  EXPECT_EQ(repository.read_target("people/299", 10).value(), "299");
  ASSERT_TRUE(repository.add_texts(texts, kNow, "people"));
  EXPECT_TRUE(repository.staged().value().empty()) << "all of it is as it is";
  EXPECT_EQ(repository.add_texts({{"other/1", "x"}}, kNow, "people").error().code, Code::kInvalid);
  EXPECT_EQ(repository.add_texts({{"people/../x", "x"}}, kNow, "people").error().code,
            Code::kInvalid);
  EXPECT_EQ(repository.add_texts({{"x", "x"}}, kNow, "nobody").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace polder::trust::tuf
