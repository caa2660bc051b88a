#include "trust/tuf_updater.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "platform/http_fake.h"
#include "trust/tuf_folder.h"
#include "trust/tuf_http.h"
#include "trust/tuf_testing.h"

namespace polder::trust::tuf {
namespace {

using Names = std::vector<std::string>;

TEST(TufUpdater, AsksForNoMoreThanItNeeds) {
  TestRepository repository;
  TestClient client(repository);
  EXPECT_EQ(client.install(repository.files, "people/model.plan").value(), "release 1 of people");
  const std::string target = "targets/people/" + hex(sha256("release 1 of people")) + ".model.plan";
  EXPECT_EQ(repository.files.asked, (Names{"2.root.json", "timestamp.json", "1.snapshot.json",
                                           "1.targets.json", "1.people.json", target}));
  // Byte for byte what was served.
  for (const char* role : {"snapshot", "targets", "people"}) {
    EXPECT_EQ(client.store.files.at(stored_name(role)),
              repository.files.files.at(fmt::format("1.{}.json", role)));
  }
  repository.files.asked.clear();
  EXPECT_TRUE(client.install(repository.files, "people/model.plan"));
  EXPECT_EQ(repository.files.asked, (Names{"2.root.json", "timestamp.json", target}));
  EXPECT_EQ(client.install(repository.files, "people/none").error().code, Code::kNotFound);
}

TEST(TufUpdater, ListsTheTargetsBelowAFolder) {
  TestRepository repository;
  auto& targets = repository.targets["targets"];
  repository.add_target("targets", "people/of-all.plan", "x");
  repository.add_target("vehicles", "people/not-theirs.plan", "x");
  targets.delegations->roles[0].paths = {"peop?e/*/*", "x/y"};
  repository.add_target("people", "people/1.0.0/a", "x");
  repository.add_target("people", "peoples/1.0.0/a", "x");
  repository.bump();
  repository.publish();
  TestClient client(repository);
  Updater updater(repository.files, client.store, kTestNowS);
  ASSERT_TRUE(updater.refresh());
  // Not people/model.plan, which the role lists and is no longer trusted for.
  EXPECT_EQ(updater.list("people/").value(), (Names{"people/1.0.0/a", "people/of-all.plan"}));
  EXPECT_EQ(updater.trusted().targets("vehicles"), nullptr);
  EXPECT_EQ(updater.list("vehicles/").value(), (Names{"vehicles/model.plan"}));
  const Names all = updater.list("").value();
  for (const char* const one : {"people/1.0.0/a", "vehicles/model.plan"})
    EXPECT_EQ(std::ranges::count(all, one), 1) << one;
  // A role by hash prefixes may have anything; what is not its own is no target.
  targets.delegations->roles[1].paths.reset();
  const std::string digit = hex(sha256("people/not-theirs.plan")).substr(0, 1);
  for (const bool is_its_own : {false, true}) {
    targets.delegations->roles[1].path_hash_prefixes = {
        is_its_own ? digit : std::string(digit == "0" ? "1" : "0")};
    repository.bump();
    repository.publish();
    Updater next(repository.files, client.store, kTestNowS);
    ASSERT_TRUE(next.refresh());
    EXPECT_EQ(next.list("people/")->size(), is_its_own ? 3u : 2u);
    EXPECT_EQ(next.find("people/not-theirs.plan").ok(), is_its_own);
    EXPECT_EQ(next.list("nobody/").value(), Names{});
  }
}

TEST(TufUpdater, AFileThatIsHeldBackIsNotOneThatListsNothing) {
  TestRepository repository;
  for (const char* role : {"snapshot", "targets", "people"}) {
    TestClient client(repository);
    MemoryFetcher files = repository.files;
    const std::string name = fmt::format("1.{}.json", role);
    ASSERT_EQ(files.files.erase(name), 1u);
    const auto result = client.install(files, "people/none");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::kCorrupt);
    EXPECT_TRUE(result.error().message.starts_with(name)) << result.error().message;
  }
  TestClient client(repository);
  EXPECT_EQ(client.install(repository.files, "people/none").error().code, Code::kNotFound);
  // Nor is one that a role delegates to and the snapshot does not list.
  repository.snapshot.meta.erase("people.json");
  ++repository.snapshot.version;
  ++repository.timestamp.version;
  repository.publish_snapshot();
  repository.publish_timestamp();
  TestClient other(repository);
  EXPECT_EQ(other.install(repository.files, "people/none").error().code, Code::kCorrupt);
}

TEST(TufUpdater, NamesAreEncoded) {
  EXPECT_EQ(percent_encoded("a b/?#%\xc3\xa9"), "a%20b%2F%3F%23%25%C3%A9");
  EXPECT_EQ(percent_encoded("a/b c", "/"), "a/b%20c");
  EXPECT_EQ(stored_name("../delegatedrole"), "..%2Fdelegatedrole.json");
  EXPECT_EQ(stored_name(std::string(1000, '?')).size(), 64u + 5);
  Target target{"people/a b.plan", "people", {.length = 1, .hashes = {{"sha512", "ab"}}}};
  EXPECT_EQ(target_name(target, true).value(), "people/ab.a%20b.plan");
  EXPECT_EQ(target_name(target, false).value(), "people/a%20b.plan");
  for (const char* path : {"", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a/.", "a\\b"}) {
    target.path = path;
    EXPECT_EQ(target_name(target, true).error().code, Code::kDenied) << path;
    EXPECT_EQ(target_name(target, false).error().code, Code::kDenied) << path;
  }
  target.path = "a";
  target.file.hashes = {{"md5", "00"}};
  EXPECT_EQ(target_name(target, true).error().code, Code::kCorrupt);
}

TEST(TufUpdater, WithoutConsistentSnapshotsNamesArePlain) {
  TestRepository repository;
  repository.root.consistent_snapshot = false;
  repository.publish_root();
  auto& files = repository.files.files;
  for (const char* role : {"snapshot", "targets", "people"}) {
    files[fmt::format("{}.json", role)] = files.at(fmt::format("1.{}.json", role));
  }
  files["targets/people/model.plan"] = "release 1 of people";
  TestClient client(repository);
  EXPECT_EQ(client.install(repository.files, "people/model.plan").value(), "release 1 of people");
  EXPECT_EQ(repository.files.asked,
            (Names{"2.root.json", "3.root.json", "timestamp.json", "snapshot.json", "targets.json",
                   "people.json", "targets/people/model.plan"}));
}

TEST(TufUpdater, ADamagedStoreIsFetchedAnew) {
  TestRepository repository;
  for (const char* role : {"timestamp", "snapshot", "targets", "people"}) {
    TestClient client(repository);
    ASSERT_TRUE(client.install(repository.files, "people/model.plan"));
    client.store.files[stored_name(role)] = "{";
    EXPECT_TRUE(client.install(repository.files, "people/model.plan")) << role;
    EXPECT_GT(client.store.files.at(stored_name(role)).size(), 1u) << role;
  }
}

TEST(TufUpdater, AFullDiskEndsTheUpdateAndTheNextGoesOn) {
  TestRepository repository;
  TestClient client(repository);
  ASSERT_TRUE(client.install(repository.files, "people/model.plan"));
  repository.release("release 2");
  repository.bump();
  repository.publish_root();
  repository.publish();
  for (int writes = 0; writes < 5; ++writes) {
    TestClient other = client;
    other.store.writes_left = writes;
    EXPECT_EQ(other.install(repository.files, "people/model.plan").error().code, Code::kExhausted);
    other.store.writes_left = 5;
    EXPECT_EQ(other.install(repository.files, "people/model.plan").value(), "release 2 of people");
  }
}

TEST(TufUpdater, FollowsManyRootsAndThenWaits) {
  TestRepository repository(1);
  TestClient client(repository);
  for (int i = 0; i < kMaxRootRotations + 5; ++i) repository.publish_root();
  ASSERT_TRUE(client.install(repository.files, "base.plan"));
  const auto stored = parse_metadata<Root>(client.store.files.at("root.json"), "root.json");
  EXPECT_EQ(stored->body.version, kMaxRootRotations + 1);
  ASSERT_TRUE(client.install(repository.files, "base.plan"));  // the next update goes on
  EXPECT_EQ(parse_metadata<Root>(client.store.files.at("root.json"), "")->body.version,
            repository.root.version);
}

// Whoever had the key drove the versions up. The update that brings the new key may end right after
// it, and the next begins with the new root, which tells of no change.
TEST(TufUpdater, ReplacedKeysLeaveNothingStored) {
  TestRepository repository;
  TestClient client(repository);
  repository.snapshot.version = repository.timestamp.version = 100;
  repository.publish();
  ASSERT_TRUE(client.install(repository.files, "base.plan"));
  repository.rotate("timestamp");
  repository.root.expires_s = kTestNowS;
  repository.publish_root();
  EXPECT_EQ(client.install(repository.files, "base.plan").error().code, Code::kTimeout);
  EXPECT_FALSE(client.store.files.contains("timestamp.json"));
  EXPECT_FALSE(client.store.files.contains("snapshot.json"));
  EXPECT_TRUE(client.store.files.contains("targets.json"));
  repository.root.expires_s = kTestNowS + kDayS;
  repository.publish_root();
  repository.snapshot.version = repository.timestamp.version = 2;
  repository.release("release 2");
  repository.targets["targets"].version = 2;
  repository.publish();
  EXPECT_EQ(client.install(repository.files, "base.plan").value(), "release 2 of base");
}

// The same where that update ends because a request or the disk fails.
TEST(TufUpdater, AFaultRightAfterReplacedKeysLosesNoRecovery) {
  struct Faulty final : Fetcher {
    MemoryFetcher* files = nullptr;
    std::string fails;
    Result<std::string> fetch_metadata(const std::string& name, std::size_t cap_bytes) override {
      if (name == fails) return fail(Code::kTimeout, "{}: too slow", name);
      return files->fetch_metadata(name, cap_bytes);
    }
    Status fetch_target(const std::string& name, std::int64_t cap_bytes,
                        const Sink& sink) override {
      return files->fetch_target(name, cap_bytes, sink);
    }
  };
  for (const std::string role : {"timestamp", "snapshot"}) {
    for (const std::string at : {"3.root.json", "timestamp.json", "disk"}) {
      SCOPED_TRACE(fmt::format("{}, {}", role, at));
      TestRepository repository;
      TestClient client(repository);
      repository.common(role).version = kMaxInteger;
      if (role == "snapshot") repository.timestamp.version = 2;
      repository.publish();
      ASSERT_TRUE(client.install(repository.files, "base.plan"));
      // One key of each that has not signed what is stored, so that it still verifies.
      for (const char* online : {"snapshot", "timestamp"})
        repository.root.roles[online].key_ids.pop_back();
      repository.publish_root();
      repository.snapshot.version = 2;
      repository.timestamp.version = 3;
      repository.release("release 2");
      repository.targets["targets"].version = 2;
      repository.publish();
      Faulty faulty;
      faulty.files = &repository.files;
      faulty.fails = at;
      if (at == "disk") client.store.writes_left = 0;
      EXPECT_FALSE(client.install(faulty, "base.plan").ok());
      client.store.writes_left = INT32_MAX;
      const auto result = client.install(repository.files, "base.plan");
      ASSERT_TRUE(result.ok()) << result.error().message;
      EXPECT_EQ(*result, "release 2 of base");
    }
  }
}

TEST(TufUpdater, AnErrorOfTheNetworkIsNoEndOfTheRoots) {
  struct Broken final : Fetcher {
    Code code = Code::kUnavailable;
    Result<std::string> fetch_metadata(const std::string& name, std::size_t) override {
      return fail(code, "{}: no route", name);
    }
    Status fetch_target(const std::string&, std::int64_t, const Sink&) override { return {}; }
  } broken;
  TestRepository repository;
  TestClient client(repository);
  // kDenied: a certificate that is refused, a redirect.
  for (const Code code : {Code::kUnavailable, Code::kDenied, Code::kTimeout, Code::kIo}) {
    broken.code = code;
    const auto result = client.install(broken, "base.plan");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().message, "2.root.json: no route");
  }
}

TEST(TufUpdater, TheSinksErrorEndsTheDownload) {
  TestRepository repository;
  TestClient client(repository);
  Updater updater(repository.files, client.store, kTestNowS);
  ASSERT_TRUE(updater.refresh());
  const Target target = updater.find("base.plan").value();
  const Status result = updater.download(
      target, [](std::string_view) -> Status { return fail(Code::kExhausted, "disk full"); });
  EXPECT_EQ(result.error().message, "disk full");
}

TEST(TufTargetCheck, HoldsPiecesAgainstTheList) {
  Target target{"a",
                "targets",
                {.length = 6,
                 .hashes = {{"sha256", hex(sha256("abcdef"))}, {"sha512", hex(sha512("abcdef"))}}}};
  const auto check = [&](std::initializer_list<const char*> pieces) -> Status {
    TRY_VALUE(TargetCheck started, TargetCheck::start(target));
    for (const char* piece : pieces) TRY(started.update(piece));
    return started.finish();
  };
  EXPECT_TRUE(check({"abc", "", "def"}));
  EXPECT_EQ(check({"abc", "de"}).error().message, "target 'a': 6 bytes expected, 5 found");
  EXPECT_EQ(check({"abc", "defg"}).error().message, "target 'a': 6 bytes expected, more found");
  EXPECT_FALSE(check({"abcdeg"}));
  target.file.hashes["sha512"] = hex(sha512("other"));
  EXPECT_FALSE(check({"abcdef"}));
  target.file.hashes = {{"md5", "00"}};
  EXPECT_EQ(TargetCheck::start(target).error().code, Code::kCorrupt);
}

TEST(TufHttp, APageToLogInIsNoMetadata) {
  TestRepository repository;
  FakeHttp http;
  http.files["http://repo.example/2.root.json"] = "\n<!DOCTYPE html><p>Welcome to our WiFi";
  HttpFetcher fetcher(http, "http://repo.example", "http://repo.example/targets");
  TestClient client(repository);
  const Error error = client.install(fetcher, "people/model.plan").error();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_NE(error.message.find("repo.example/2.root.json: a web page came"), std::string::npos)
      << error.message;
}

TEST(TufHttp, FetchesFromAWebServer) {
  TestRepository repository;
  FakeHttp http;
  for (const auto& [name, bytes] : repository.files.files) {
    http.files["http://127.0.0.1:80/" + (name.starts_with("targets/") ? name : "md/" + name)] =
        bytes;
  }
  HttpFetcher fetcher(http, "http://127.0.0.1:80/md", "http://127.0.0.1:80/targets/");
  TestClient client(repository);
  EXPECT_EQ(client.install(fetcher, "people/model.plan").value(), "release 1 of people");
  EXPECT_EQ(http.requests[0], "http://127.0.0.1:80/md/2.root.json");
  // The end of the roots is a missing file, not a server that is away.
  http.faults.push_back({.kind = HttpFault::Kind::kUnreachable});
  EXPECT_EQ(client.install(fetcher, "people/model.plan").error().code, Code::kUnavailable);
  http.faults.push_back({.kind = HttpFault::Kind::kStatus, .at = 503});
  EXPECT_EQ(client.install(fetcher, "people/model.plan").error().code, Code::kUnavailable);
  // Object stores whose lists are private say 403 of what is not there.
  http.faults.push_back({.kind = HttpFault::Kind::kStatus, .at = 403});
  EXPECT_TRUE(client.install(fetcher, "people/model.plan"));
  // Who refuses us, or leads elsewhere, would hide a root that replaces keys.
  for (const HttpFault& fault : {HttpFault{.kind = HttpFault::Kind::kRedirect},
                                 HttpFault{.kind = HttpFault::Kind::kStatus, .at = 401},
                                 HttpFault{.kind = HttpFault::Kind::kStatus, .at = 407}}) {
    http.faults.push_back(fault);
    EXPECT_EQ(client.install(fetcher, "people/model.plan").error().code, Code::kDenied);
  }
  EXPECT_TRUE(client.install(fetcher, "people/model.plan"));
}

TEST(TufFolder, KeepsFiles) {
  char name[] = "/tmp/polder_tuf_XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  FolderStore store(name);
  EXPECT_EQ(store.read("root.json", 10).error().code, Code::kNotFound);
  ASSERT_TRUE(store.replace("root.json", "12345678"));
  EXPECT_EQ(store.read("root.json", 10).value(), "12345678");
  EXPECT_EQ(store.read("root.json", 7).error().code, Code::kExhausted);
  ASSERT_TRUE(store.remove("root.json"));
  EXPECT_TRUE(store.remove("root.json"));
  EXPECT_EQ(store.read("root.json", 10).error().code, Code::kNotFound);
  std::filesystem::remove_all(name);
}

TEST(TufFolder, LinksLeadNowhereElse) {
  char name[] = "/tmp/polder_tuf_XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  const std::filesystem::path folder = name;
  std::filesystem::create_directory(folder / "metadata");
  std::ofstream(folder / "secret") << "of this user";
  std::ofstream(folder / "metadata" / "1.root.json") << "{}";
  std::filesystem::create_symlink("1.root.json", folder / "metadata" / "2.root.json");
  std::filesystem::create_symlink("../secret", folder / "metadata" / "timestamp.json");
  FolderFetcher fetcher((folder / "metadata").string(), folder.string());
  EXPECT_EQ(fetcher.fetch_metadata("1.root.json", 100).value(), "{}");
  EXPECT_EQ(fetcher.fetch_metadata("2.root.json", 100).value(), "{}");
  EXPECT_FALSE(fetcher.fetch_metadata("timestamp.json", 100).ok());
  EXPECT_FALSE(fetcher.fetch_metadata("..%2Fsecret", 100).ok());
  EXPECT_EQ(fetcher.fetch_metadata("3.root.json", 100).error().code, Code::kNotFound);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace polder::trust::tuf
