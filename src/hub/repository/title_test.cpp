// What an approval says of itself, of repositories as people make them.
#include "hub/repository/title.h"

#include "base/text.h"
#include "hub/repository/testing_releaser.h"
#include "trust/floors.h"

namespace polder::hub {
namespace {

class Titles : public ReleasingTest {
 protected:
  std::int64_t now_s() const { return wall_.now_s(); }
  // Of what is staged, signed by all who may.
  std::string title() {
    {
      auto repository = repo();
      EXPECT_TRUE(repository.sign(targets_).ok());
      (void)repository.sign(root_);
    }
    const Response pushed = push();
    EXPECT_EQ(pushed.status, 201) << pushed.body;
    return text(pushed, "what");
  }
  void raise_floor(const std::string& model, const std::string& version) {
    auto repository = repo();
    trust::Floors floors = repository.floors().value();
    floors.floors[model] = trust::Version::parse(version, "test").value();
    const Status added =
        repository.add_bytes(std::string(trust::kFloorsTarget), floors.bytes(), now_s());
    ASSERT_TRUE(added.ok()) << added.error().message;
  }
  static std::string digits(const trust::Signer& signer) {
    return signer.public_key().id().substr(0, 12);
  }
};

TEST_F(Titles, ReleasesAreAddedWithdrawnAndFloorsRaised) {
  add_release("people", "1.0.0");
  let_assign();
  EXPECT_EQ(title(), "begins the repository; lets the hub assign releases; adds people 1.0.0");
  publish();
  for (const char* version : {"1.1.0", "1.2.0"}) add_release("people", version);
  EXPECT_EQ(title(), "adds people 1.1.0 and people 1.2.0");
  publish();
  ASSERT_TRUE(repo().remove_target("people/1.0.0/manifest.json", now_s()).ok());
  EXPECT_EQ(title(), "withdraws people 1.0.0");
  raise_floor("people", "1.1.0");
  EXPECT_EQ(title(), "withdraws people 1.0.0; raises the floor of people to 1.1.0");
  publish();
  ASSERT_TRUE(repo().add_bytes("notes.txt", "text", now_s()).ok());
  raise_floor("cats", "2.0.0");
  raise_floor("people", "1.2.0");
  EXPECT_EQ(title(), "raises the floors of cats to 2.0.0 and people to 1.2.0; adds 'notes.txt'");
}

TEST_F(Titles, PlatformsAreCounted) {
  trust::Manifest made = manifest("people", "1.0.0", "a model");
  const auto title_with = [&](std::vector<std::string> targets) {
    made.artifacts.resize(1);
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (i > 0) made.artifacts.push_back(made.artifacts.front());
      made.artifacts.at(i).target = targets[i];
    }
    Proposal proposal;
    proposal.releases.push_back({"people/1.0.0/manifest.json", "", made.bytes(), "targets"});
    return title_of(proposal, "");
  };
  EXPECT_EQ(title_with({"generic"}), "adds people 1.0.0");
  EXPECT_EQ(title_with({"arm64"}), "adds people 1.0.0 for arm64");
  EXPECT_EQ(title_with({"arm64", "generic", "x86-64-v3"}), "adds people 1.0.0 for 3 platforms");
}

TEST_F(Titles, KeysAndRolesAreNamed) {
  trust::TestSigner family("family"), other("other"), offline("offline");
  publish();
  ASSERT_TRUE(
      repo().delegate("family", {{family.public_key()}, 1}, {"people/*/*"}, true, now_s()).ok());
  ASSERT_TRUE(repo().sign(family).ok());
  EXPECT_EQ(title(), "trusts role 'family' for 'people/*/*', by key " + digits(family));
  publish();
  ASSERT_TRUE(
      repo().delegate("family", {{other.public_key()}, 1}, {"people/*/*"}, true, now_s()).ok());
  ASSERT_TRUE(repo().sign(other).ok());
  EXPECT_EQ(title(), "replaces key " + digits(family) + " of 'family' by " + digits(other));
  publish();
  ASSERT_TRUE(repo().renew("targets", now_s()).ok());
  EXPECT_EQ(title().substr(0, 20), "renews targets until");
  publish();
  {
    auto repository = repo();
    const Status done = repository.rotate(std::vector<std::string>{"root"},
                                          std::vector{offline.public_key()}, {}, 2, now_s());
    ASSERT_TRUE(done.ok()) << done.error().message;
    ASSERT_TRUE(repository.sign(root_).ok());
    ASSERT_TRUE(repository.sign(offline).ok());
  }
  const Response pushed = push();
  EXPECT_EQ(text(pushed, "what"), "trusts key " + digits(offline) +
                                      " to sign root, and 2 keys must sign root, in place of 1");
}

// As after 'polder-hub rekey', where the hub has another key.
TEST_F(Titles, TheHubsKeyIsCalledItsOwn) {
  using trust::tuf::TrustChange;
  Proposal proposal;
  for (const char* role : {"snapshot", "timestamp"})
    proposal.changes.trust.push_back(
        TrustChange{role, {"aaaa"}, {"bbbbbbbbbbbbbbbbbb"}, 1, 1, {}, {}});
  proposal.changes.files.push_back({"root", 1, 2, 0, 0});
  EXPECT_EQ(title_of(proposal, "aaaa"),
            "replaces the online key bbbbbbbbbbbb of snapshot and timestamp by the hub's own");
  proposal.changes.trust.push_back(TrustChange{"root", {"aaaa"}, {}, 1, 1, {}, {}});
  EXPECT_EQ(title_of(proposal, ""),
            "replaces the online key bbbbbbbbbbbb of snapshot and timestamp by aaaa; trusts key "
            "aaaa to sign root");
  proposal.changes.trust = {TrustChange{"family", {}, {"aaaa"}, 1, 0, {"a/*"}, {}}};
  EXPECT_EQ(title_of(proposal, ""), "trusts role 'family' no more; renews root until 1970-01-01");
}

TEST_F(Titles, AssignmentsThatPeopleSignAreNamed) {
  add_release("people", "1.0.0");
  trust::Assignment assignment;
  assignment.device = "camera-17";
  assignment.releases.push_back({"people", trust::Version::parse("1.0.0", "test").value(), false});
  ASSERT_TRUE(repo().add_bytes("assignments/camera-17.json", assignment.bytes(), now_s()).ok());
  EXPECT_EQ(title(), "begins the repository; assigns people 1.0.0 to camera-17; adds people 1.0.0");
  publish();
  ASSERT_TRUE(repo().remove_target("assignments/camera-17.json", now_s()).ok());
  EXPECT_EQ(title(), "assigns nothing of its own to camera-17");
}

TEST_F(Titles, AssignmentsThatPeopleSignAreRenewedByThem) {
  trust::TestSigner people("people");
  ASSERT_TRUE(
      repo()
          .delegate("assignments", {{people.public_key()}, 1}, {"assignments/*"}, true, now_s())
          .ok());
  ASSERT_TRUE(repo().sign(people).ok());
  ASSERT_TRUE(repo().sign(targets_).ok());
  publish();
  ASSERT_TRUE(repo().renew("assignments", now_s()).ok());
  ASSERT_TRUE(repo().sign(people).ok());
  const std::string renewed = text(push(), "what");
  EXPECT_EQ(renewed.substr(0, 24), "renews assignments until") << renewed;
  // Of the hub's own nobody is told: it makes them anew with each publication.
  Proposal proposal;
  proposal.changes.files.push_back({"assignments", 1, 2, 0, 0});
  proposal.roles.push_back({.role = "assignments", .signed_keys = {"aa"}, .open_keys = {}});
  EXPECT_EQ(title_of(proposal, "aa"), "signs hash bins anew");
  EXPECT_EQ(title_of(proposal, "bb"), "renews assignments until 1970-01-01");
}

// Whoever asks has no words in it: what names say is in quotation marks, and short.
TEST_F(Titles, NamesReadAsNames) {
  using trust::tuf::TrustChange;
  Proposal proposal;
  auto& trust = proposal.changes.trust;
  const std::string key(64, 'a');
  trust = {TrustChange{"x', by key 0123", {key}, {}, 0, 1, {}, {"y\n\x1b[31m; renews root"}}};
  EXPECT_EQ(title_of(proposal, ""),
            "trusts role 'x?, by key 0123' for 'y??[31m; renews root', by key aaaaaaaaaaaa");
  trust = {TrustChange{"x", {}, {}, 1, 1, {std::string(1'000, 'y')}, {std::string(1'000, 'z')}}};
  EXPECT_EQ(title_of(proposal, ""), fmt::format("lets role 'x' sign '{}...' in place of '{}...'",
                                                std::string(37, 'z'), std::string(37, 'y')));
  trust = {TrustChange{"root", {}, {}, 2, 1, {}, {}}};
  EXPECT_EQ(title_of(proposal, ""), "1 key must sign root, in place of 2");
  proposal.changes = {};
  proposal.changes.other = {"x; renews root: asks its roles in the order x"};
  EXPECT_EQ(title_of(proposal, ""), "x, renews root: asks its roles in the order x");
  proposal.changes = {};
  proposal.changes.targets = {
      {"targets", "a b.txt", "", "aa", "", false},
      {"targets", "assignments/x to every.json", "aa", "", "", false},
  };
  EXPECT_EQ(title_of(proposal, ""), "assigns nothing of its own to 'x to every'; adds 'a b.txt'");
}

TEST_F(Titles, ControlCharactersInNamesAreRefused) {
  trust::TestSigner family("family");
  ASSERT_TRUE(repo().delegate("family", {{family.public_key()}, 1}, {"a\n/*"}, true, now_s()).ok());
  ASSERT_TRUE(repo().sign(family).ok());
  ASSERT_TRUE(repo().sign(targets_).ok());
  const Response pushed = push();
  EXPECT_EQ(pushed.status, 400) << pushed.body;
  EXPECT_EQ(text(pushed, "detail"), "path 'a?/*': has control characters; give it another name");
}

TEST_F(Titles, OfManyTheFirstAreNamedAndNoneIsTooLong) {
  Proposal proposal;
  for (int i = 0; i < 30; ++i)
    proposal.changes.targets.push_back(
        {"targets", fmt::format("people/1.{}.0/manifest.json", i), "aa", "", "", false});
  EXPECT_EQ(title_of(proposal, ""),
            "withdraws people 1.0.0, people 1.1.0, people 1.2.0, people 1.3.0 and 26 more");
  for (int i = 0; i < 100; ++i)
    proposal.changes.other.emplace_back("root: é é é é é é é é é é é é");
  const std::string title = title_of(proposal, "");
  EXPECT_LE(title.size(), 1'000u);
  EXPECT_TRUE(title.ends_with("é é; and 79 more changes")) << title;
  std::string one;
  for (int i = 0; i < 500; ++i) one += "é";
  proposal.changes.other = {one};
  EXPECT_EQ(title_of(proposal, ""), one.substr(0, 956) + "...; and 1 more change");
}

}  // namespace
}  // namespace polder::hub
