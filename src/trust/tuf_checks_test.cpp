// Each check of the verifier by itself, on the least change that it is there for: what
// scripts/faults trust takes out is missed here first. testing_tuf_attack.h has whole attacks.
#include <gtest/gtest.h>

#include "trust/tuf_testing.h"
#include "trust/tuf_trusted_set.h"

namespace polder::trust::tuf {
namespace {

// Verifies what a repository has published, as far as the test goes.
class TufChecks : public testing::Test {
 protected:
  const std::string& file(const std::string& name) { return repository_.files.files.at(name); }
  const std::string& timestamp() { return file("timestamp.json"); }
  const std::string& snapshot() {
    return file(fmt::format("{}.snapshot.json", repository_.snapshot.version));
  }
  const std::string& targets(const std::string& role = "targets") {
    return file(fmt::format("{}.{}.json", repository_.targets.at(role).version, role));
  }
  const std::string& root() { return file(fmt::format("{}.root.json", repository_.root.version)); }

  TrustedSet at_roots() { return TrustedSet::start(file("1.root.json"), now_s_).value(); }
  TrustedSet at_timestamp() {
    TrustedSet set = at_roots();
    EXPECT_TRUE(set.end_roots());
    return set;
  }
  TrustedSet at_snapshot() {
    TrustedSet set = at_timestamp();
    EXPECT_TRUE(set.update_timestamp(timestamp()));
    return set;
  }
  TrustedSet at_targets() {
    TrustedSet set = at_snapshot();
    EXPECT_TRUE(set.update_snapshot(snapshot()));
    return set;
  }
  static Code code_of(const Status& status) { return status ? Code{} : status.error().code; }
  static Code code_of(const Result<bool>& result) { return result ? Code{} : result.error().code; }

  TestRepository repository_;
  std::int64_t now_s_ = kTestNowS;
};

TEST_F(TufChecks, ANewRootIsSignedByTheKeysBeforeAndByItsOwn) {
  const std::string before = root();
  repository_.rotate("root");
  repository_.publish_root();
  const std::string good = root();
  const auto without = [&](const std::string& owner) {
    const Root other = parse_metadata<Root>(owner, "root.json")->body;
    Envelope envelope = parse_envelope(good, kMaxRootBytes, "root.json").value();
    std::erase_if(envelope.signatures, [&](const Signature& one) {
      const auto& ids = other.roles.at("root").key_ids;
      return std::find(ids.begin(), ids.end(), one.key_id) != ids.end();
    });
    EXPECT_FALSE(envelope.signatures.empty());
    return envelope.bytes();
  };
  EXPECT_EQ(code_of(at_roots().update_root(without(before))), Code::kDenied);
  EXPECT_EQ(code_of(at_roots().update_root(without(good))), Code::kDenied);
  EXPECT_TRUE(at_roots().update_root(good));
  // The first is held to its own keys.
  EXPECT_EQ(TrustedSet::start(without(good), now_s_).error().code, Code::kDenied);
}

TEST_F(TufChecks, RootsFollowEachOther) {
  repository_.publish_root();
  repository_.publish_root();
  TrustedSet set = at_roots();
  EXPECT_EQ(code_of(set.update_root(file("3.root.json"))), Code::kDenied);
  EXPECT_EQ(code_of(set.update_root(file("1.root.json"))), Code::kDenied);
  ASSERT_TRUE(set.update_root(file("2.root.json")));
  EXPECT_EQ(code_of(set.update_root(file("1.root.json"))), Code::kDenied);
  EXPECT_EQ(code_of(set.update_root(file("2.root.json"))), Code::kDenied);
  EXPECT_TRUE(set.update_root(file("3.root.json")));
  EXPECT_EQ(set.root().version, 3);
}

// What is stored still has the signatures of its own role: the other role's keys were replaced, and
// who had stolen them may have driven the versions in both files to their end.
TEST_F(TufChecks, WhatWasStoredBeforeKeysWereReplacedIsForgotten) {
  for (const std::string role : {"timestamp", "snapshot"}) {
    repository_ = TestRepository();
    const std::string stored_timestamp = timestamp(), stored_snapshot = snapshot();
    repository_.rotate(role);
    repository_.publish_root();
    repository_.publish();
    TrustedSet set = at_roots();
    EXPECT_FALSE(set.keys_were_rotated());
    ASSERT_TRUE(set.update_root(root()));
    EXPECT_TRUE(set.keys_were_rotated()) << role;
    ASSERT_TRUE(set.end_roots());
    EXPECT_EQ(code_of(set.load_timestamp(stored_timestamp)), Code::kDenied) << role;
    EXPECT_EQ(set.timestamp(), nullptr);
    ASSERT_TRUE(set.update_timestamp(timestamp()));
    EXPECT_EQ(code_of(set.load_snapshot(stored_snapshot)), Code::kDenied) << role;
    EXPECT_EQ(set.snapshot(), nullptr);
    EXPECT_TRUE(set.update_snapshot(snapshot()));
  }
  // Other keys, or one more: nothing is forgotten.
  repository_ = TestRepository();
  repository_.rotate("targets");
  repository_.publish_root();
  TrustedSet set = at_roots();
  ASSERT_TRUE(set.update_root(root()));
  EXPECT_FALSE(set.keys_were_rotated());
}

TEST_F(TufChecks, EveryFileIsSignedByItsRole) {
  const auto refused = [&](const std::string& role, const auto& update) {
    for (const Forgery& forgery :
         {Forgery{.stolen = 1}, Forgery{.padding = Forgery::Padding::kOwnKeys},
          Forgery{.stolen = 1, .padding = Forgery::Padding::kOtherIds}}) {
      repository_ = TestRepository();
      repository_.forged[role] = forgery;
      repository_.publish();
      EXPECT_EQ(update(), Code::kDenied) << role;
    }
    repository_ = TestRepository();
    EXPECT_EQ(update(), Code{}) << role;
  };
  refused("timestamp", [&] { return code_of(at_timestamp().update_timestamp(timestamp())); });
  refused("timestamp", [&] { return code_of(at_timestamp().load_timestamp(timestamp())); });
  refused("snapshot", [&] { return code_of(at_snapshot().update_snapshot(snapshot())); });
  refused("snapshot", [&] { return code_of(at_snapshot().load_snapshot(snapshot())); });
  refused("targets",
          [&] { return code_of(at_targets().update_targets("targets", "root", targets())); });
  refused("people", [&] {
    TrustedSet set = at_targets();
    EXPECT_TRUE(set.update_targets("targets", "root", targets()));
    return code_of(set.update_targets("people", "targets", targets("people")));
  });
}

TEST_F(TufChecks, ARoleIsSignedByItsOwnKeysNotItsNeighbours) {
  // Both files say the same, signed by people.
  repository_.with_hashes = false;
  repository_.targets["vehicles"] = repository_.targets["people"];
  repository_.publish();
  TrustedSet set = at_targets();
  ASSERT_TRUE(set.update_targets("targets", "root", targets()));
  EXPECT_EQ(code_of(set.update_targets("vehicles", "targets", targets("people"))), Code::kDenied);
  EXPECT_TRUE(set.update_targets("vehicles", "targets", targets("vehicles")));
}

TEST_F(TufChecks, WhatExpiresNowHasExpired) {
  for (const std::int64_t left_s : {0, 1}) {
    const Code expected = left_s > 0 ? Code{} : Code::kTimeout;
    repository_ = TestRepository();
    const std::string fresh_timestamp = timestamp();
    repository_.expire_at(kTestNowS + left_s);
    repository_.root.version = 0;
    repository_.publish_root();
    EXPECT_EQ(code_of(at_roots().end_roots()), expected);
    repository_.root.expires_s = kTestNowS + 1;
    repository_.root.version = 0;
    repository_.publish_root();
    repository_.publish();
    EXPECT_EQ(code_of(at_timestamp().update_timestamp(timestamp())), expected);
    // The same version again: what is stored decides.
    TrustedSet again = at_timestamp();
    ASSERT_TRUE(again.load_timestamp(timestamp()));
    EXPECT_EQ(code_of(again.update_timestamp(timestamp())), expected);
    repository_.timestamp.expires_s = kTestNowS + 1;
    repository_.publish_timestamp();
    EXPECT_EQ(code_of(at_snapshot().update_snapshot(snapshot())), expected);
    TrustedSet stored = at_snapshot();
    ASSERT_TRUE(stored.load_snapshot(snapshot()));
    EXPECT_EQ(stored.has_snapshot(), left_s > 0);
    repository_.snapshot.expires_s = kTestNowS + 1;
    repository_.publish_snapshot();
    repository_.publish_timestamp();
    EXPECT_EQ(code_of(at_targets().update_targets("targets", "root", targets())), expected);
  }
}

TEST_F(TufChecks, TimestampsOnlyRise) {
  repository_.timestamp.version = 5;
  repository_.snapshot.version = 5;
  repository_.publish();
  const std::string stored = timestamp();
  const auto update = [&](std::int64_t version, std::int64_t of_snapshot) {
    repository_.timestamp.version = version;
    repository_.timestamp.snapshot.version = of_snapshot;
    repository_.publish_timestamp();
    TrustedSet set = at_timestamp();
    EXPECT_TRUE(set.load_timestamp(stored));
    return set.update_timestamp(timestamp());
  };
  EXPECT_EQ(code_of(update(4, 6)), Code::kDenied);
  EXPECT_EQ(code_of(update(6, 4)), Code::kDenied);
  EXPECT_FALSE(update(5, 5).value());
  EXPECT_TRUE(update(6, 5).value());
  EXPECT_TRUE(update(6, 6).value());
}

TEST_F(TufChecks, ASnapshotTakesNothingBack) {
  repository_.targets["people"].version = 3;
  repository_.publish();
  const std::string stored = snapshot();
  const auto update = [&] {
    repository_.snapshot.version = 2;
    repository_.publish_snapshot();
    repository_.publish_timestamp();
    TrustedSet set = at_snapshot();
    EXPECT_TRUE(set.load_snapshot(stored));
    EXPECT_FALSE(set.has_snapshot());
    return code_of(set.update_snapshot(snapshot()));
  };
  EXPECT_EQ(update(), Code{});
  repository_.snapshot.meta["people.json"].version = 2;
  EXPECT_EQ(update(), Code::kDenied);
  repository_.snapshot.meta.erase("people.json");
  EXPECT_EQ(update(), Code::kDenied);
  repository_.snapshot.meta["people.json"].version = 4;
  EXPECT_EQ(update(), Code{});
}

// A snapshot with hashes of its own in the timestamp, one with a version alone.
TEST_F(TufChecks, ASnapshotIsTheOneThatTheTimestampDescribes) {
  const std::string before = snapshot();
  for (const bool with_hashes : {true, false}) {
    repository_ = TestRepository();
    repository_.with_hashes = with_hashes;
    if (with_hashes) {
      repository_.snapshot.expires_s += 1;  // of the same version
    } else {
      repository_.snapshot.version = 2;
    }
    repository_.publish();
    TrustedSet stored = at_snapshot();
    ASSERT_TRUE(stored.load_snapshot(before));
    EXPECT_FALSE(stored.has_snapshot()) << with_hashes;
    EXPECT_EQ(code_of(at_snapshot().update_snapshot(before)), Code::kCorrupt) << with_hashes;
    EXPECT_TRUE(at_snapshot().update_snapshot(snapshot()));
  }
}

TEST_F(TufChecks, TargetsAreThoseThatTheSnapshotDescribes) {
  const std::string before = targets();
  for (const bool with_hashes : {true, false}) {
    repository_ = TestRepository();
    repository_.with_hashes = with_hashes;
    if (with_hashes) {
      repository_.targets["targets"].expires_s += 1;
    } else {
      repository_.targets["targets"].version = 2;
    }
    repository_.publish();
    EXPECT_EQ(code_of(at_targets().update_targets("targets", "root", before)), Code::kCorrupt)
        << with_hashes;
    EXPECT_TRUE(at_targets().update_targets("targets", "root", targets()));
  }
}

TEST_F(TufChecks, ARoleDoesNotChangeWithinAnUpdate) {
  repository_.with_hashes = false;
  repository_.publish();
  const std::string before = targets("people");
  repository_.targets["people"].expires_s += 1;
  repository_.publish();
  TrustedSet set = at_targets();
  ASSERT_TRUE(set.update_targets("targets", "root", targets()));
  ASSERT_TRUE(set.update_targets("people", "targets", before));
  EXPECT_TRUE(set.update_targets("people", "targets", before));
  EXPECT_EQ(code_of(set.update_targets("people", "targets", targets("people"))), Code::kDenied);
}

// A delegation that does not end the search: what the role does not list is looked for in the next.
TEST_F(TufChecks, OnlyATerminatingDelegationEndsTheSearch) {
  auto& roles = repository_.targets["targets"].delegations->roles;
  ASSERT_EQ(roles[1].name, "vehicles");
  roles[1].paths = {"people/*"};
  repository_.add_target("vehicles", "people/of-vehicles.plan", "x");
  const auto holder = [&] {
    repository_.bump();
    repository_.publish();
    TrustedSet set = at_targets();
    EXPECT_TRUE(set.update_targets("targets", "root", targets()));
    for (const char* role : {"people", "vehicles"}) {
      EXPECT_TRUE(set.update_targets(role, "targets", targets(role)));
    }
    const Lookup found = set.find("people/of-vehicles.plan").value();
    return found.file == nullptr ? std::string() : std::string(found.role);
  };
  EXPECT_EQ(holder(), "vehicles");
  roles[0].terminating = true;
  EXPECT_EQ(holder(), "");
}

// A key with another scheme's name is of no use to anybody, whatever it signs.
TEST_F(TufChecks, AKeyIsOfTheSchemeThatItSays) {
  TestSigner ecdsa(Scheme::kEcdsaP256), rsa(Scheme::kRsaPss);
  for (TestSigner* signer : {&ecdsa, &rsa}) {
    for (const auto& [type, scheme] :
         {std::pair{"ecdsa", "ecdsa-sha2-nistp256"}, std::pair{"rsa", "rsassa-pss-sha256"},
          std::pair{"ed25519", "ed25519"}}) {
      Key key = to_key(signer->public_key());
      const bool own = *key.json.find("scheme")->string() == scheme;
      (*key.json.members())["keytype"] = type;
      (*key.json.members())["scheme"] = scheme;
      Root root = repository_.root;
      root.keys["other"] = key;
      const std::string bytes = sign_metadata(to_json(root), {}).value();
      EXPECT_EQ(parse_metadata<Root>(bytes, "root.json")->body.keys.at("other").key.has_value(),
                own)
          << scheme;
    }
  }
}

}  // namespace
}  // namespace polder::trust::tuf
