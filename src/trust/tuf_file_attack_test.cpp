// The attacks that the TUF specification names (1.0.34, section 1.5.2): with files and what they
// list.
#include "trust/testing_tuf_attack.h"

namespace polder::trust::tuf {
namespace {

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
                       {role == "file" || role == "timestamp"
                            ? std::set<Code>{Code::kCorrupt, Code::kNotFound, Code::kExhausted}
                            : std::set<Code>{Code::kCorrupt, Code::kExhausted},
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
