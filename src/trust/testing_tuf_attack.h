// For tests of attacks on TUF: a repository and a device that are attacked, with every number of
// stolen keys below the threshold. A case has three parts: the attack installs nothing; the same
// change by those who may make it installs what it says, so that nothing but the attack was
// refused; and the device that was attacked takes the next honest release.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "trust/tuf_testing.h"

namespace polder::trust::tuf {

using Padding = Forgery::Padding;
using Paths = std::vector<std::string_view>;
using Theft = std::optional<Forgery>;  // none: signed by those who may

inline constexpr std::string_view kRoles[] = {"root", "timestamp", "snapshot", "targets", "people"};
inline constexpr std::string_view kBase = "base.plan", kPeople = "people/model.plan";
inline constexpr std::int64_t kFarVersion = kMaxInteger;

inline int total_cases = 0, unauthorised_installs = 0;

class Summary final : public testing::Environment {
 public:
  void TearDown() override {
    std::printf("TUF attacks: %d cases, %d unauthorised installs\n", total_cases,
                unauthorised_installs);
    EXPECT_EQ(unauthorised_installs, 0);
  }
};
[[maybe_unused]] inline testing::Environment* const summary =
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
inline World world_of(std::int64_t threshold = 2, bool with_hashes = true, bool aware = false) {
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

inline void expect_refused(World& world, const Paths& paths, const Refusal& expected) {
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

inline void expect_installs(World& world, std::string_view path, std::string_view content) {
  const auto result = world.install(path);
  ASSERT_TRUE(result.ok()) << "without the attack: " << result.error().message;
  EXPECT_EQ(*result, content);
}

// The next honest release, to a device that was attacked. `stolen`: roles that get new keys.
inline void expect_recovers(World& world, std::initializer_list<const char*> stolen = {}) {
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
inline void for_each_theft(
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
inline void expect_signatures_decide(
    bool with_hashes, const Attack& attack,
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

inline std::string_view released_by(std::string_view role) {
  return role == "people" ? kPeople : kBase;
}

// Puts a target into what the role is trusted for; a new root has new keys sign all else.
inline void change_target(World& world, std::string_view role, std::string_view path,
                          std::string_view content) {
  if (role == "root") world.repository.rotate("targets");
  world.repository.add_target(path.starts_with("people/") ? "people" : "targets", std::string(path),
                              content);
}

}  // namespace polder::trust::tuf
