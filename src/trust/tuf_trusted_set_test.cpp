#include "trust/tuf_trusted_set.h"

#include <gtest/gtest.h>

#include "trust/tuf_testing.h"

namespace polder::trust::tuf {
namespace {

// A set that has verified the top-level roles of a repository.
TrustedSet refreshed(const TestRepository& repository) {
  const auto& files = repository.files.files;
  const auto bytes = [&](const std::string& role, std::int64_t version) -> const std::string& {
    return files.at(fmt::format("{}.{}.json", version, role));
  };
  TrustedSet set = TrustedSet::start(bytes("root", 1), kTestNowS).value();
  for (std::int64_t next = 2; next <= repository.root.version; ++next) {
    EXPECT_TRUE(set.update_root(bytes("root", next)));
  }
  EXPECT_TRUE(set.end_roots());
  EXPECT_TRUE(set.update_timestamp(files.at("timestamp.json")));
  EXPECT_TRUE(set.update_snapshot(bytes("snapshot", repository.snapshot.version)));
  EXPECT_TRUE(set.update_targets("targets", "root",
                                 bytes("targets", repository.targets.at("targets").version)));
  return set;
}

// Delegates, with keys of the role's own that are made from `seed`.
void delegate(TestRepository& repository, const std::string& from, const std::string& to,
              std::vector<std::string> paths, bool terminating = false) {
  auto& delegations = repository.targets[from].delegations;
  if (!delegations) delegations.emplace();
  DelegatedRole& role = delegations->roles.emplace_back();
  role.name = to;
  role.paths = std::move(paths);
  role.terminating = terminating;
  repository.set_keys(delegations->keys, role, to, to);
  repository.targets[to].expires_s = kTestNowS + 30 * kDayS;
}

// Loads what the search asks for; the names of the roles in the order in which it did.
std::vector<std::string> search(TestRepository& repository, TrustedSet& set, std::string_view path,
                                Result<Lookup>& result) {
  std::vector<std::string> roles;
  for (result = set.find(path); result.ok() && result->needs_more(); result = set.find(path)) {
    roles.push_back(result->missing_role);
    const std::string name =
        fmt::format("{}.{}.json", repository.targets.at(roles.back()).version, roles.back());
    const Status loaded = set.update_targets(result->missing_role, result->delegator,
                                             repository.files.files.at(name));
    if (!loaded.ok()) {
      result = Error(loaded.error());
      break;
    }
  }
  return roles;
}

TEST(TufTrustedSet, TheOrderIsKept) {
  TestRepository repository;
  const auto& files = repository.files.files;
  TrustedSet set = TrustedSet::start(files.at("1.root.json"), kTestNowS).value();
  EXPECT_EQ(set.update_timestamp(files.at("timestamp.json")).error().code, Code::kInvalid);
  EXPECT_EQ(set.update_snapshot(files.at("1.snapshot.json")).error().code, Code::kInvalid);
  EXPECT_EQ(set.update_targets("targets", "root", files.at("1.targets.json")).error().code,
            Code::kInvalid);
  EXPECT_EQ(set.find("base.plan").error().code, Code::kInvalid);
  ASSERT_TRUE(set.end_roots());
  EXPECT_EQ(set.update_root(files.at("1.root.json")).error().code, Code::kInvalid);
  EXPECT_EQ(set.update_snapshot(files.at("1.snapshot.json")).error().code, Code::kInvalid);
  EXPECT_TRUE(set.update_timestamp(files.at("timestamp.json")).value());
  EXPECT_EQ(set.snapshot(), nullptr);
  ASSERT_TRUE(set.update_snapshot(files.at("1.snapshot.json")));
  // A delegated role before the role that delegates to it.
  EXPECT_EQ(set.update_targets("people", "targets", files.at("1.people.json")).error().code,
            Code::kInvalid);
  ASSERT_TRUE(set.update_targets("targets", "root", files.at("1.targets.json")));
  EXPECT_EQ(set.update_targets("people", "vehicles", files.at("1.people.json")).error().code,
            Code::kInvalid);
  EXPECT_TRUE(set.update_targets("people", "targets", files.at("1.people.json")));
}

TEST(TufTrustedSet, TheRootSignsItself) {
  TestRepository repository;
  repository.forged["root"] = {.stolen = 1};
  repository.root.version = 0;
  repository.publish_root();
  EXPECT_EQ(TrustedSet::start(repository.files.files.at("1.root.json"), kTestNowS).error().code,
            Code::kDenied);
}

TEST(TufTrustedSet, OnlyTheLastRootMustBeFresh) {
  TestRepository repository;
  repository.root.expires_s = kTestNowS - 1;
  repository.publish_root();
  const auto& files = repository.files.files;
  TrustedSet old = TrustedSet::start(files.at("1.root.json"), kTestNowS).value();
  ASSERT_TRUE(old.update_root(files.at("2.root.json")));
  EXPECT_EQ(old.end_roots().error().code, Code::kTimeout);
  repository.root.expires_s = kTestNowS + 1;
  repository.publish_root();
  ASSERT_TRUE(old.update_root(files.at("3.root.json")));
  EXPECT_TRUE(old.end_roots());
}

TEST(TufTrustedSet, ATimestampOfTheSameVersionChangesNothing) {
  TestRepository repository;
  const std::string stored = repository.files.files.at("timestamp.json");
  repository.timestamp.snapshot.version = 100;
  repository.publish_timestamp();
  TrustedSet set = TrustedSet::start(repository.files.files.at("1.root.json"), kTestNowS).value();
  ASSERT_TRUE(set.end_roots());
  ASSERT_TRUE(set.load_timestamp(stored));
  EXPECT_FALSE(set.update_timestamp(repository.files.files.at("timestamp.json")).value());
  EXPECT_EQ(set.timestamp()->snapshot.version, 1);
}

TEST(TufTrustedSet, AnExpiredStoredTimestampStillForbidsRollback) {
  TestRepository repository;
  repository.timestamp.version = 5;
  repository.timestamp.expires_s = kTestNowS - kDayS;
  repository.publish_timestamp();
  const std::string stored = repository.files.files.at("timestamp.json");
  repository.timestamp.expires_s = kTestNowS + kDayS;
  const auto update = [&](std::int64_t version) {
    repository.timestamp.version = version;
    repository.publish_timestamp();
    TrustedSet set = TrustedSet::start(repository.files.files.at("1.root.json"), kTestNowS).value();
    EXPECT_TRUE(set.end_roots());
    EXPECT_TRUE(set.load_timestamp(stored));
    const auto result = set.update_timestamp(repository.files.files.at("timestamp.json"));
    return result.ok() ? Code{} : result.error().code;
  };
  EXPECT_EQ(update(4), Code::kDenied);
  EXPECT_EQ(update(5), Code::kTimeout);  // the stored one stays, and has expired
  EXPECT_EQ(update(6), Code{});
}

TEST(TufTrustedSet, ARoleIsVerifiedAgainForEveryDelegator) {
  TestRepository repository;
  delegate(repository, "people", "release", {"people/*"});
  delegate(repository, "vehicles", "release", {"vehicles/*"});
  // Both delegate, to different keys; it is signed by those of people alone.
  auto& by_people = repository.targets["people"].delegations;
  auto& role = by_people->roles.back();
  repository.set_keys(by_people->keys, role, "release", "release of people");
  repository.add_target("release", "people/r.plan", "good");
  repository.add_target("release", "vehicles/r.plan", "bad");
  repository.publish();
  TrustedSet set = refreshed(repository);
  Result<Lookup> found = Lookup();
  EXPECT_EQ(search(repository, set, "people/r.plan", found),
            (std::vector<std::string>{"people", "release"}));
  ASSERT_TRUE(found.ok());
  ASSERT_NE(found->file, nullptr);
  EXPECT_EQ(found->role, "release");
  EXPECT_EQ(search(repository, set, "vehicles/r.plan", found),
            (std::vector<std::string>{"vehicles", "release"}));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Code::kDenied);
  // And the first is as it was.
  EXPECT_EQ(search(repository, set, "people/r.plan", found), std::vector<std::string>());
  EXPECT_NE(found->file, nullptr);
}

TEST(TufTrustedSet, SearchesInPreOrder) {
  TestRepository repository;
  auto& roles = repository.targets["targets"].delegations->roles;
  roles.clear();
  delegate(repository, "targets", "a", {"*"});
  delegate(repository, "targets", "b", {"*"});
  delegate(repository, "targets", "txt", {"*.txt"});
  delegate(repository, "a", "c", {"*"});
  delegate(repository, "a", "d", {"*"});
  delegate(repository, "d", "a", {"*"});  // a circle
  repository.publish();
  TrustedSet set = refreshed(repository);
  Result<Lookup> found = Lookup();
  EXPECT_EQ(search(repository, set, "x.plan", found),
            (std::vector<std::string>{"a", "c", "d", "b"}));
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->file, nullptr);
}

TEST(TufTrustedSet, ATerminatingDelegationEndsTheSearch) {
  TestRepository repository;
  repository.targets["targets"].delegations->roles.clear();
  delegate(repository, "targets", "a", {"*"});
  delegate(repository, "targets", "b", {"*"});
  delegate(repository, "a", "c", {"*"}, true);
  delegate(repository, "a", "d", {"*"});
  delegate(repository, "c", "e", {"*"});
  repository.add_target("b", "x.plan", "never reached");
  repository.publish();
  TrustedSet set = refreshed(repository);
  Result<Lookup> found = Lookup();
  EXPECT_EQ(search(repository, set, "x.plan", found), (std::vector<std::string>{"a", "c", "e"}));
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->file, nullptr);
}

TEST(TufTrustedSet, ASearchHasAnEnd) {
  TestRepository repository;
  std::string from = "targets";
  for (int i = 0; i < kMaxVisitedRoles; ++i) {
    const std::string to = fmt::format("r{}", i);
    delegate(repository, from, to, {"*"});
    from = to;
  }
  repository.add_target(from, "x.plan", "too far away");
  repository.publish();
  TrustedSet set = refreshed(repository);
  Result<Lookup> found = Lookup();
  search(repository, set, "x.plan", found);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Code::kExhausted);
}

TEST(TufTrustedSet, FindsTargetsInHashBins) {
  for (const bool succinct : {false, true}) {
    TestRepository repository;
    Delegations& delegations = repository.targets["targets"].delegations.emplace();
    SuccinctRoles bins;
    bins.name_prefix = "bin";
    bins.bit_length = 4;
    for (unsigned i = 0; i < 16; ++i) {
      DelegatedRole role;
      role.name = bins.bin_name(i);
      role.path_hash_prefixes = {fmt::format("{:x}", i)};
      repository.set_keys(delegations.keys, role, role.name, "bins");
      bins.key_ids = role.key_ids;
      bins.threshold = role.threshold;
      if (!succinct) delegations.roles.push_back(role);
      repository.targets[role.name].expires_s = kTestNowS + kDayS;
    }
    if (succinct) delegations.succinct = bins;
    for (int i = 0; i < 100; ++i) {
      const std::string path = fmt::format("family-{}/model.plan", i);
      repository.add_target(bins.bin_of(path), path, path);
    }
    repository.publish();
    TrustedSet set = refreshed(repository);
    for (int i = 0; i < 101; ++i) {
      const std::string path = fmt::format("family-{}/model.plan", i);
      Result<Lookup> found = Lookup();
      EXPECT_LE(search(repository, set, path, found).size(), 1u);
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(found->file != nullptr, i < 100) << path;
      EXPECT_EQ(found->role, i < 100 ? bins.bin_of(path) : "");
    }
  }
}

// TAP 15: a role with succinct bins has the search end in one of them, whatever comes after it.
TEST(TufTrustedSet, BinsEndTheSearch) {
  TestRepository repository;
  repository.targets["targets"].delegations->roles.clear();
  delegate(repository, "targets", "first", {"*"});
  delegate(repository, "targets", "second", {"*"});
  SuccinctRoles bins;
  bins.name_prefix = "bin";
  bins.bit_length = 1;
  Delegations& delegations = repository.targets["first"].delegations.emplace();
  for (unsigned i = 0; i < 2; ++i) {
    repository.set_keys(delegations.keys, bins, bins.bin_name(i), "bins");
    repository.targets[bins.bin_name(i)].expires_s = kTestNowS + kDayS;
  }
  delegations.succinct = bins;
  repository.add_target("second", "x.plan", "x");
  const auto find = [&] {
    repository.bump();
    repository.publish();
    TrustedSet set = refreshed(repository);
    Result<Lookup> found = Lookup();
    EXPECT_EQ(search(repository, set, "x.plan", found).back(),
              delegations.succinct ? bins.bin_of("x.plan") : "second");
    return found.value().role;
  };
  EXPECT_EQ(find(), "");
  delegations.succinct.reset();
  EXPECT_EQ(find(), "second");
}

TEST(TufTrustedSet, AllTargetsFilesTogetherHaveACap) {
  TestRepository repository;
  repository.targets["targets"].delegations->roles.clear();
  for (int i = 0; i < 6; ++i) {
    const std::string name = fmt::format("r{}", i);
    delegate(repository, "targets", name, {"*"});
    repository.targets[name].other["x-filler"] = std::string(3 << 20, 'x');
  }
  repository.publish();
  TrustedSet set = refreshed(repository);
  Result<Lookup> found = Lookup();
  EXPECT_EQ(search(repository, set, "x.plan", found).size(), 6u);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Code::kExhausted);
}

}  // namespace
}  // namespace polder::trust::tuf
