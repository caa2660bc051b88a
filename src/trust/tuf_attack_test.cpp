// The attacks that the TUF specification names (1.0.34, section 1.5.2): with keys, versions and
// time.
#include "trust/testing_tuf_attack.h"

namespace polder::trust::tuf {
namespace {

// Arbitrary installation: with the role's stolen keys alone, in the place of the file that the
// roles above it ask for.
TEST(TufAttack, ArbitraryInstallation) {
  for (const bool with_hashes : {false, true}) {
    for_each_theft([&](std::int64_t threshold, std::string_view role, const Forgery& forgery) {
      const auto attack = [&](World& world, const Theft& theft) {
        TestRepository& repository = world.repository;
        const TestRepository before = repository;
        change_target(world, role, released_by(role), "evil");
        if (role == "timestamp" || role == "root") return world.publish(role, theft);
        if (theft) repository.forged[std::string(role)] = *theft;
        if (role == "snapshot") {
          ++repository.targets["targets"].version;
          repository.publish_targets("targets");
          repository.publish_snapshot();
        } else {
          repository.publish_targets(std::string(role));
        }
        // The others are as they were.
        repository.timestamp = before.timestamp;
      };
      World attacked = world_of(threshold, with_hashes);
      attack(attacked, forgery);
      const bool hash_first = with_hashes && role != "root" && role != "timestamp";
      expect_refused(attacked, {released_by(role)},
                     {hash_first ? std::set<Code>{Code::kCorrupt, Code::kExhausted}
                                 : std::set<Code>{Code::kDenied},
                      std::string(role) + ".json"});
      expect_recovers(attacked);
      if (hash_first) return;
      World entitled = world_of(threshold, with_hashes);
      attack(entitled, {});
      expect_installs(entitled, released_by(role), "evil");
    });
  }
}

// Key compromise: all keys of all other roles but too few of this one.
TEST(TufAttack, KeyCompromise) {
  const Attack attack = [](World& world, std::string_view role, const Theft& theft) {
    change_target(world, role, released_by(role), "evil");
    world.publish(role, theft);
  };
  expect_signatures_decide(true, attack, released_by, "evil");
}

// And all keys of a role, after they have been replaced.
TEST(TufAttack, KeysThatWereReplaced) {
  for (const std::string role : {"root", "timestamp", "snapshot", "targets", "people"}) {
    SCOPED_TRACE(role);
    World world = world_of(2, false, true);
    TestRepository& now = world.repository;
    TestRepository thief = now;  // has all keys as they are today
    if (role == "people") {
      Delegations& delegations = *now.targets["targets"].delegations;
      now.set_keys(delegations.keys, delegations.roles[0], role, "people anew");
    } else {
      now.rotate(role);
    }
    now.publish_root();
    now.bump();
    now.publish();
    // What it could do before, and could still do to a device that does not learn of it.
    thief.release("evil");
    for (int i = 0; i < 5; ++i) thief.bump();
    thief.publish();
    if (role == "root") thief.publish_root(), thief.publish_root();
    World unaware = world;
    unaware.repository = thief;
    expect_installs(unaware, released_by(role),
                    role == "people" ? "evil of people" : "evil of base");
    world.settle();
    World attacked = world;
    auto& files = attacked.repository.files.files;
    for (const auto& [name, bytes] : thief.files.files) {
      if (name != "2.root.json") files[name] = bytes;
    }
    // The thief has the other roles' keys, too: only the role's new ones are missing.
    if (role == "people") {
      TestRepository with_new_targets = now;
      with_new_targets.targets["people"] = thief.targets["people"];
      with_new_targets.bump();
      const std::string forged = thief.sign("people", to_json(with_new_targets.targets["people"]));
      with_new_targets.publish();
      with_new_targets.files
          .files[fmt::format("{}.people.json", with_new_targets.targets["people"].version)] =
          forged;
      attacked.repository.files = with_new_targets.files;
    }
    expect_refused(attacked, {released_by(role)}, {{Code::kDenied}, role + ".json"});
    expect_recovers(attacked);
  }
}

// Rollback: an older version of the role's file, with its good old signatures or signed anew.
TEST(TufAttack, Rollback) {
  const auto set_version = [](World& world, std::string_view role, std::int64_t version,
                              const Theft& theft) {
    TestRepository& repository = world.repository;
    if (theft) repository.forged[std::string(role)] = *theft;
    if (role == "root") {
      // Under the name of the version that the device asks for.
      repository.root.version = version - 1;
      repository.publish_root();
      world.file("3.root.json") = world.file(fmt::format("{}.root.json", version));
      return;
    }
    for (Common* above : {static_cast<Common*>(&repository.snapshot),
                          static_cast<Common*>(&repository.timestamp)}) {
      ++above->version;
    }
    repository.common(role).version = version;
    repository.publish();
  };
  const auto attacked_world = [](std::int64_t threshold) {
    World world = world_of(threshold, true, true);
    world.repository.publish_root();
    world.settle();
    return world;
  };
  for (const std::string_view role : kRoles) {
    for (const std::int64_t threshold : {1, 2, 3}) {
      SCOPED_TRACE(fmt::format("{}, threshold {}", role, threshold));
      World attacked = attacked_world(threshold);
      set_version(attacked, role, 1, {});
      expect_refused(attacked, {kBase, kPeople}, {{Code::kDenied}, std::string(role) + ".json"});
      expect_recovers(attacked);
      World entitled = attacked_world(threshold);
      set_version(entitled, role, 3, {});
      expect_installs(entitled, kPeople, "release 2 of people");
    }
  }
  for_each_theft([&](std::int64_t threshold, std::string_view role, const Forgery& forgery) {
    World attacked = attacked_world(threshold);
    set_version(attacked, role, 1, forgery);
    expect_refused(attacked, {kPeople}, {{Code::kDenied}, std::string(role) + ".json"});
    expect_recovers(attacked);
  });
}

// A role's file that vanishes from the snapshot could come back with any version.
TEST(TufAttack, RollbackByRemoval) {
  for (const std::string role : {"targets", "people"}) {
    World attacked = world_of(2, true, true);
    attacked.repository.snapshot.meta.erase(role + ".json");
    ++attacked.repository.snapshot.version;
    ++attacked.repository.timestamp.version;
    attacked.repository.publish_snapshot();
    attacked.repository.publish_timestamp();
    expect_refused(attacked, {kPeople}, {{Code::kDenied}, role + ".json"});
    expect_recovers(attacked);
  }
}

// Fast-forward: a version that no honest one can ever exceed. Without the keys it is refused.
TEST(TufAttack, FastForward) {
  const Attack attack = [](World& world, std::string_view role, const Theft& theft) {
    if (role == "root" && theft) {
      world.repository.root.version = kFarVersion - 1;
      world.repository.forged["root"] = *theft;
      world.repository.publish_root();
      world.file("2.root.json") = world.file(world.name_of("root"));
      return;
    }
    change_target(world, role, released_by(role), "release 9");
    world.publish(role, theft);  // the next version, for what honest ones can do
    if (role == "root") return;
    world.repository.common(role).version = kFarVersion;
    world.repository.publish();
  };
  for_each_theft([&](std::int64_t threshold, std::string_view role, const Forgery& forgery) {
    World attacked = world_of(threshold);
    attack(attacked, role, forgery);
    expect_refused(attacked, {released_by(role)}, {{Code::kDenied}, std::string(role) + ".json"});
    // All other keys are stolen, and what those have signed was not refused: a timestamp that
    // speaks of the far version of the snapshot, or a snapshot that lists that of a targets file.
    if (role == "root" || role == "timestamp") expect_recovers(attacked);
    else expect_recovers(attacked, {"timestamp", "snapshot"});
    World entitled = world_of(threshold);
    attack(entitled, role, {});
    expect_installs(entitled, released_by(role), "release 9");
  });
}

// With all keys of a role it works, until the root replaces the keys (5.3.11).
TEST(TufAttack, FastForwardIsRecoveredFrom) {
  for (const std::string role : {"timestamp", "snapshot", "targets", "people"}) {
    SCOPED_TRACE(role);
    ++total_cases;
    World world = world_of(2, true, true);
    const TestRepository before = world.repository;
    world.repository.common(role).version = kFarVersion;
    for (const char* above : {"snapshot", "timestamp"}) {
      if (role != above) ++world.repository.common(above).version;
    }
    world.repository.publish();
    for (const std::string_view path : {kBase, kPeople}) ASSERT_TRUE(world.install(path).ok());
    TestRepository next = before;
    next.release("release 3");
    for (int i = 0; i < 5; ++i) next.bump();
    next.publish();
    world.repository = next;
    EXPECT_EQ(world.install(kPeople).error().code, Code::kDenied);  // stuck
    // Versions of targets files are the snapshot's to forget.
    world.repository.rotate(role == "timestamp" ? role : "snapshot");
    if (role == "snapshot") world.repository.rotate("timestamp");
    world.repository.publish_root();
    world.repository.publish();
    expect_installs(world, kPeople, "release 3 of people");
  }
}

// A root of any version but the next is refused, though all keys have signed it.
TEST(TufAttack, RootVersionsAreTakenOneByOne) {
  for (const std::int64_t version : {std::int64_t(1), std::int64_t(3), kFarVersion}) {
    World attacked = world_of();
    attacked.repository.root.version = version - 1;
    attacked.repository.publish_root();
    attacked.file("2.root.json") = attacked.file(fmt::format("{}.root.json", version));
    expect_refused(attacked, {kBase}, {{Code::kDenied}, "root.json: version 2 expected"});
    expect_recovers(attacked);
  }
}

// Indefinite freeze: nothing new comes, until what is there expires.
TEST(TufAttack, IndefiniteFreeze) {
  const auto soon_expired = [](std::string_view role, std::int64_t threshold) {
    World world = world_of(threshold, true, true);
    world.repository.common(role).expires_s = kTestNowS + kDayS;
    world.publish(role, {});
    world.settle();  // the control: still fresh
    world.now_s = kTestNowS + kDayS - 1;
    world.settle();
    world.now_s = kTestNowS + kDayS;
    return world;
  };
  for (const std::string_view role : kRoles) {
    for (const std::int64_t threshold : {1, 2, 3}) {
      World attacked = soon_expired(role, threshold);
      expect_refused(attacked, {kPeople}, {{Code::kTimeout}, std::string(role) + ".json"});
      expect_recovers(attacked);
      // An expired root is the only one whose successor lies behind it.
      World renewed = soon_expired(role, threshold);
      renewed.repository.common(role).expires_s = kTestNowS + 3 * kDayS;
      renewed.publish(role, {});
      expect_installs(renewed, kPeople, "release 2 of people");
    }
  }
  // Made to last longer with too few keys.
  for_each_theft([&](std::int64_t threshold, std::string_view role, const Forgery& forgery) {
    World attacked = soon_expired(role, threshold);
    attacked.repository.common(role).expires_s = kTestNowS + 3 * kDayS;
    attacked.publish(role, forgery);
    expect_refused(attacked, {kPeople}, {{Code::kDenied}, std::string(role) + ".json"});
    expect_recovers(attacked);
  });
}

}  // namespace
}  // namespace polder::trust::tuf
