// The attacks that the TUF specification names (1.0.34, section 1.5.2), on every role and with
// every number of stolen keys below the threshold. A case has three parts: the attack installs
// nothing; the same change by those who may make it installs what it says, so that nothing but the
// attack was refused; and the device that was attacked takes the next honest release.
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <optional>
#include <set>

#include "trust/tuf_testing.h"

namespace polder::trust::tuf {
namespace {

using Padding = Forgery::Padding;
using Paths = std::vector<std::string_view>;
using Theft = std::optional<Forgery>;  // none: signed by those who may

constexpr std::string_view kRoles[] = {"root", "timestamp", "snapshot", "targets", "people"};
constexpr std::string_view kBase = "base.plan", kPeople = "people/model.plan";
constexpr std::int64_t kFarVersion = kMaxInteger;

int total_cases = 0, unauthorised_installs = 0;

class Summary final : public testing::Environment {
 public:
  void TearDown() override {
    std::printf("TUF attacks: %d cases, %d unauthorised installs\n", total_cases,
                unauthorised_installs);
    EXPECT_EQ(unauthorised_installs, 0);
  }
};
[[maybe_unused]] testing::Environment* const summary =
    testing::AddGlobalTestEnvironment(new Summary);

// A repository and a device. What is done to `repository` is the attack, or its honest counterpart;
// `honest` is what it was before.
struct World {
  TestRepository repository, honest;
  TestClient client;
  std::int64_t now_s = kTestNowS;

  explicit World(TestRepository start)
      : repository(std::move(start)), honest(repository), client(repository) {}

  Result<std::string> install(std::string_view path) {
    return client.install(repository.files, path, now_s);
  }
  // The change is an honest one, and the device has seen it.
  void settle() {
    for (const std::string_view path : {kBase, kPeople}) {
      const auto result = install(path);
      ASSERT_TRUE(result.ok()) << path << ": " << result.error().message;
    }
    honest = repository;
  }
  std::string& file(const std::string& name) { return repository.files.files[name]; }
  // The file of a role that the device asks for.
  std::string name_of(std::string_view role) {
    if (role == "timestamp") return "timestamp.json";
    return fmt::format("{}.{}.json", repository.common(role).version, role);
  }
  // The next version of a root or of all else, as whoever signs `role` would have it.
  void publish(std::string_view role, const Theft& theft) {
    if (theft) repository.forged[std::string(role)] = *theft;
    if (role == "root") repository.publish_root();
    repository.bump();
    repository.publish();
  }
};

// The device has release 1; release 2 is out. `aware`: it has that, too.
World world_of(std::int64_t threshold = 2, bool with_hashes = true, bool aware = false) {
  static std::map<std::tuple<std::int64_t, bool, bool>, std::unique_ptr<World>> all;
  auto& made = all[{threshold, with_hashes, aware}];
  if (!made) {
    made = std::make_unique<World>(TestRepository(threshold));
    made->repository.with_hashes = with_hashes;
    made->settle();
    made->repository.release("release 2");
    made->repository.bump();
    made->repository.publish();
    made->honest = made->repository;
    if (aware) made->settle();
  }
  return *made;
}

struct Refusal {
  std::set<Code> codes;
  std::string mention;  // in the message
};

void expect_refused(World& world, const Paths& paths, const Refusal& expected) {
  ++total_cases;
  for (const std::string_view path : paths) {
    const auto result = world.install(path);
    if (result.ok()) {
      ADD_FAILURE() << path << " was installed: " << *result;
      ++unauthorised_installs;
      continue;
    }
    EXPECT_EQ(expected.codes.count(result.error().code), 1u)
        << code_name(result.error().code) << ": " << result.error().message;
    EXPECT_NE(result.error().message.find(expected.mention), std::string::npos)
        << result.error().message;
  }
}

void expect_installs(World& world, std::string_view path, std::string_view content) {
  const auto result = world.install(path);
  ASSERT_TRUE(result.ok()) << "without the attack: " << result.error().message;
  EXPECT_EQ(*result, content);
}

// The next honest release, to a device that was attacked. `stolen`: roles that get new keys.
void expect_recovers(World& world, std::initializer_list<const char*> stolen = {}) {
  TestRepository next = world.honest;
  for (const char* role : stolen) next.rotate(role);
  next.expire_at(world.now_s + 30 * kDayS);
  next.release("release 3");
  next.publish_root();
  for (int i = 0; i < 10; ++i) next.bump();  // the attacker may have used some versions
  next.publish();
  const auto result = world.client.install(next.files, kPeople, world.now_s);
  ASSERT_TRUE(result.ok()) << "after the attack: " << result.error().message;
  EXPECT_EQ(*result, "release 3 of people");
}

// Every role, every number of stolen keys below every threshold, and what may stand in for the
// others. `attack` makes the change in a world, signed as it ought to be or with the stolen keys.
using Attack = std::function<void(World& world, std::string_view role, const Theft& theft)>;
void for_each_theft(
    const std::function<void(std::int64_t, std::string_view, const Forgery&)>& test) {
  for (const std::string_view role : kRoles) {
    for (const std::int64_t threshold : {1, 2, 3}) {
      for (int stolen = 0; stolen < threshold; ++stolen) {
        for (const Padding padding : {Padding::kOwnKeys, Padding::kOtherIds, Padding::kNone}) {
          // Where one key is missing everything is tried that may stand in for it.
          if (padding != Padding::kOwnKeys && stolen < threshold - 1) continue;
          SCOPED_TRACE(
              fmt::format("{}: {} of {} keys, padding {}", role, stolen, threshold, int(padding)));
          test(threshold, role, Forgery{stolen, padding});
        }
      }
    }
  }
}

// A change that only the role's missing signatures stand against: all other roles' keys are stolen.
void expect_signatures_decide(bool with_hashes, const Attack& attack,
                              const std::function<std::string_view(std::string_view role)>& path_of,
                              std::string_view content) {
  for_each_theft([&](std::int64_t threshold, std::string_view role, const Forgery& forgery) {
    World attacked = world_of(threshold, with_hashes);
    attack(attacked, role, forgery);
    expect_refused(attacked, {path_of(role)}, {{Code::kDenied}, std::string(role) + ".json"});
    expect_recovers(attacked);
    World entitled = world_of(threshold, with_hashes);
    attack(entitled, role, {});
    expect_installs(entitled, path_of(role), content);
  });
}

std::string_view released_by(std::string_view role) { return role == "people" ? kPeople : kBase; }

// Puts a target into what the role is trusted for; a new root has new keys sign all else.
void change_target(World& world, std::string_view role, std::string_view path,
                   std::string_view content) {
  if (role == "root") world.repository.rotate("targets");
  world.repository.add_target(path.starts_with("people/") ? "people" : "targets", std::string(path),
                              content);
}

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

// Endless data: a file that does not end takes no more than its cap. Keys play no part.
TEST(TufAttack, EndlessData) {
  constexpr std::int64_t kPiece = 64 << 10;
  const std::map<std::string_view, std::size_t> caps = {{"root", kMaxRootBytes},
                                                        {"timestamp", kMaxTimestampBytes},
                                                        {"snapshot", kMaxSnapshotBytes},
                                                        {"targets", kMaxTargetsBytes},
                                                        {"people", kMaxTargetsBytes}};
  for (const bool with_hashes : {false, true}) {
    for (const std::string_view role : kRoles) {
      World attacked = world_of(2, with_hashes);
      attacked.repository.files.endless = role == "root" ? "2.root.json" : attacked.name_of(role);
      expect_refused(attacked, {kPeople}, {{Code::kExhausted}, std::string(role) + ".json"});
      const bool has_length = with_hashes && role != "root" && role != "timestamp";
      EXPECT_LE(attacked.repository.files.delivered_bytes,
                kPiece + (has_length ? kPiece : std::int64_t(caps.at(role))));
      expect_recovers(attacked);
      attacked.repository.files.endless.clear();
    }
    World attacked = world_of(2, with_hashes);
    attacked.repository.files.endless =
        "targets/people/" + hex(sha256("release 2 of people")) + ".model.plan";
    expect_refused(attacked, {kPeople}, {{Code::kCorrupt}, "more found"});
    EXPECT_LE(attacked.repository.files.delivered_bytes, kPiece);
    expect_recovers(attacked);
  }
}

// And one that is too large is refused though all have signed it.
TEST(TufAttack, OversizedMetadata) {
  for (const std::string_view role : kRoles) {
    const std::size_t cap = role == "root"        ? kMaxRootBytes
                            : role == "timestamp" ? kMaxTimestampBytes
                            : role == "snapshot"  ? kMaxSnapshotBytes
                                                  : kMaxTargetsBytes;
    World attacked = world_of();
    attacked.repository.common(role).other["x-filler"] = std::string(cap, 'x');
    attacked.publish(role, {});
    expect_refused(attacked, {kPeople}, {{Code::kExhausted}, std::string(role) + ".json"});
    expect_recovers(attacked);
    World entitled = world_of();
    entitled.repository.common(role).other["x-filler"] = std::string(cap / 2, 'x');
    entitled.publish(role, {});
    expect_installs(entitled, kPeople, "release 2 of people");
  }
}

// Extraneous dependencies: something that nobody released, said to be needed.
TEST(TufAttack, ExtraneousDependencies) {
  const auto path_of = [](std::string_view role) -> std::string_view {
    return role == "people" ? "people/dependency.plan" : "dependency.plan";
  };
  const Attack attack = [&](World& world, std::string_view role, const Theft& theft) {
    const std::string path(path_of(role));
    change_target(world, role, path, "evil");
    auto& model = world.repository.targets[role == "people" ? "people" : "targets"];
    model.targets[std::string(released_by(role))].custom =
        Json(Json::Members{{"dependencies", Json::Array{path}}});
    world.publish(role, theft);
  };
  expect_signatures_decide(true, attack, path_of, "evil");
}

// Wrong software: what is authorised, but as something else.
TEST(TufAttack, WrongSoftware) {
  const Attack attack = [](World& world, std::string_view role, const Theft& theft) {
    change_target(world, role, released_by(role), "release 2 of vehicles");
    world.publish(role, theft);
  };
  expect_signatures_decide(true, attack, released_by, "release 2 of vehicles");

  // A mirror that gives the bytes of another target.
  const auto file_of = [](const char* folder, const char* content, const char* name) {
    return fmt::format("targets/{}{}.{}", folder, hex(sha256(content)), name);
  };
  World attacked = world_of();
  attacked.file(file_of("people/", "release 2 of people", "model.plan")) = "release 1 of people";
  expect_refused(attacked, {kPeople}, {{Code::kCorrupt}, "sha256"});
  attacked.file(file_of("people/", "release 2 of people", "model.plan")) = "release 2 of vehicles";
  expect_refused(attacked, {kPeople}, {{Code::kExhausted}, "more than 19 bytes"});
  attacked.file(file_of("", "release 2 of base", "base.plan")) = "release 2";
  expect_refused(attacked, {kBase}, {{Code::kCorrupt}, "17 bytes expected, 9 found"});
  expect_recovers(attacked);
}

// A role that lists targets beyond those it is trusted for, with all its keys.
TEST(TufAttack, TargetsOfOthers) {
  for (const bool listed_by_owner : {true, false}) {
    World world = world_of();
    TestRepository& repository = world.repository;
    for (const std::string path : {"base.plan", "people/model.plan", "people/../vehicles/x",
                                   "vehicles/deep/model.plan", "vehicles"}) {
      Target target{path, "vehicles", {.length = 4, .hashes = {{"sha256", hex(sha256("evil"))}}}};
      repository.targets["vehicles"].targets[path] = target.file;
    }
    if (!listed_by_owner) {
      repository.targets["people"].targets.clear();
      repository.targets["targets"].targets.clear();
    }
    world.publish("vehicles", {});
    if (listed_by_owner) {
      ++total_cases;
      expect_installs(world, kBase, "release 2 of base");
      expect_installs(world, kPeople, "release 2 of people");
    } else {
      expect_refused(world, {kBase, kPeople}, {{Code::kNotFound}, "no role that is trusted"});
    }
    expect_refused(world, {"vehicles/deep/model.plan", "vehicles", "people/../vehicles/x"},
                   {{Code::kNotFound}, "no role that is trusted"});
    expect_installs(world, "vehicles/model.plan", "release 2 of vehicles");
  }
}

// One role's good file in the place of another's, in a repository where all share their keys.
TEST(TufAttack, FilesOfOtherRoles) {
  for (const std::string role : {"root", "timestamp", "snapshot", "targets", "people"}) {
    for (const std::string other : {"root", "timestamp", "snapshot", "targets", "people"}) {
      const auto lists_targets = [](std::string_view name) {
        return name == "targets" || name == "people";
      };
      if (role == other || (lists_targets(role) && lists_targets(other))) continue;
      SCOPED_TRACE(other + " as " + role);
      World world = world_of(2, false, true);
      TestRepository& repository = world.repository;
      for (auto& [name, keys] : repository.root.roles) {
        repository.set_keys(repository.root.keys, keys, name, "shared");
      }
      Delegations& delegations = *repository.targets["targets"].delegations;
      repository.set_keys(delegations.keys, delegations.roles[0], "people", "shared");
      // The root's own keys change: the old ones sign along.
      repository.publish_root();
      repository.bump();
      repository.publish();
      World control = world;
      expect_installs(control, kPeople, "release 2 of people");
      repository.root.version += role == "root";
      world.file(world.name_of(role)) =
          world.file(other == "root" ? std::string("2.root.json") : world.name_of(other));
      expect_refused(
          world, {kPeople},
          {{Code::kCorrupt}, fmt::format("'{}' expected", role == "people" ? "targets" : role)});
    }
  }
}

// Mix and match: files of different snapshots together.
TEST(TufAttack, MixAndMatch) {
  for (const bool with_hashes : {false, true}) {
    for (unsigned set = 1; set < 8; ++set) {
      World attacked = world_of(2, with_hashes);
      std::string first;  // in the order in which they are asked for
      for (unsigned i = 0; i < 3; ++i) {
        const std::string role(kRoles[2 + i]);
        if ((set >> i & 1) == 0) continue;
        if (first.empty()) first = role;
        attacked.file(fmt::format("2.{}.json", role)) =
            attacked.file(fmt::format("1.{}.json", role));
      }
      expect_refused(attacked, {kPeople}, {{Code::kCorrupt}, first + ".json"});
      expect_recovers(attacked);
    }
    World control = world_of(2, with_hashes);
    expect_installs(control, kPeople, "release 2 of people");
  }
  // Today's version number on yesterday's content, with too few keys.
  const Attack attack = [](World& world, std::string_view role, const Theft& theft) {
    change_target(world, role, released_by(role), "release 1 again");
    world.publish(role, theft);
  };
  expect_signatures_decide(false, attack, released_by, "release 1 again");
}

// Malicious mirrors: what is not what was asked for costs an update, never the next one.
TEST(TufAttack, MaliciousMirrors) {
  using Change = std::function<void(World&, const std::string& name)>;
  const std::map<std::string, Change> changes = {
      {"missing",
       [](World& world, const std::string& name) { world.repository.files.files.erase(name); }},
      {"empty", [](World& world, const std::string& name) { world.file(name).clear(); }},
      {"page",
       [](World& world, const std::string& name) { world.file(name) = "<html>Log in</html>"; }},
      {"cut",
       [](World& world, const std::string& name) {
         world.file(name).resize(world.file(name).size() / 2);
       }},
      {"longer", [](World& world, const std::string& name) { world.file(name) += "}"; }},
      {"other",
       [](World& world, const std::string& name) {
         world.file(name) = "{\"signed\":{},\"signatures\":[]}";
       }},
  };
  const std::string target = "targets/people/" + hex(sha256("release 2 of people")) + ".model.plan";
  for (const bool with_hashes : {false, true}) {
    for (const auto& [kind, change] : changes) {
      for (const std::string role :
           {"root", "timestamp", "snapshot", "targets", "people", "file"}) {
        if (role == "root" && kind == "missing") continue;  // that is no error: the roots end here
        SCOPED_TRACE(kind + " " + role);
        World world = world_of(2, with_hashes);
        world.repository.publish_root();
        World control = world;
        expect_installs(control, kPeople, "release 2 of people");
        world.honest = world.repository;
        change(world, role == "file" ? target : world.name_of(role));
        expect_refused(world, {kPeople},
                       {{Code::kCorrupt, Code::kNotFound, Code::kExhausted},
                        role == "file" ? "model.plan" : role + ".json"});
        expect_recovers(world);
      }
    }
  }
}

// One bit, anywhere.
TEST(TufAttack, TurnedBits) {
  for (const bool with_hashes : {false, true}) {
    for (const std::string_view role : kRoles) {
      World start = world_of(2, with_hashes);
      start.repository.publish_root();
      const std::string name = start.name_of(role);
      const std::size_t size = start.file(name).size();
      for (std::size_t at = 0; at < size; at += 1 + size / 40) {
        World world = start;
        world.file(name)[at] ^= 1;
        expect_refused(
            world, {kPeople},
            {{Code::kCorrupt, Code::kDenied, Code::kUnsupported}, std::string(role) + ".json"});
      }
    }
  }
}

}  // namespace
}  // namespace polder::trust::tuf
