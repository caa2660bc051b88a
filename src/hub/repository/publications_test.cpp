#include "hub/repository/publications.h"

#include <chrono>
#include <thread>

#include "hub/repository/testing_releaser.h"

namespace polder::hub {
namespace {

constexpr char kManifest[] = "people/1.0.0/manifest.json";

class Publications : public ReleasingTest {
 protected:
  std::string state_of(const std::string& release) const {
    return text(send("GET", "/v1/releases/" + release, "", admin_), "state");
  }
  bool nothing_waits() const {
    return std::filesystem::is_empty(folder_ / "waiting") &&
           json(send("GET", "/v1/approvals?state=open", "", admin_))
               .find("approvals")
               ->array()
               ->empty();
  }
  // How and why the last one was refused or taken back, as the log has it.
  std::string end_on_record() const {
    const auto is_moved = [&] {
      const auto rows = readers_->query("SELECT 1 FROM audit_pending LIMIT 1");
      return rows.ok() && rows->empty();
    };
    while (!is_moved()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const trust::Json log = json(send("GET", "/v1/audit", "", admin_));
    for (const trust::Json& entry : *log.find("entries")->array())
      if (const trust::Json* const details = entry.find("details");
          *entry.find("act")->string() == "rejected")
        return *details->find("state")->string() + ": " + *details->find("reason")->string();
    return "";
  }
  // What the hub says of what is staged.
  std::string refused(int status) const {
    const Response response = push();
    EXPECT_EQ(response.status, status) << response.body;
    EXPECT_TRUE(nothing_waits());
    return text(response, "detail");
  }
};

TEST_F(Publications, WaitForASecondPersonAndAreThenFetched) {
  add_release("people", "1.0.0");
  const Response pushed = push();
  ASSERT_EQ(pushed.status, 201) << pushed.body;
  const std::string id = text(pushed, "id");
  EXPECT_EQ(text(pushed, "what"), "begins the repository; adds people 1.0.0");
  EXPECT_EQ(text(pushed, "asked_by"), "releaser");
  EXPECT_EQ(text(push(), "id"), id) << "the same again is the same";
  EXPECT_EQ(state_of("people/1.0.0"), "waiting");
  EXPECT_EQ(send("GET", "/repository/metadata/timestamp.json").status, 404);
  EXPECT_EQ(send("GET", "/v1/models/people", "", admin_).status, 404);
  // Who asked does not decide, with whatever role.
  const Response own = send("POST", "/v1/approvals/" + id + "/approve", "", releaser_);
  EXPECT_EQ(own.status, 403);
  EXPECT_NE(own.body.find("another person decides"), std::string::npos) << own.body;
  const Response approved = decide(id);
  ASSERT_EQ(approved.status, 200) << approved.body;
  EXPECT_EQ(text(approved, "state"), "approved");
  EXPECT_EQ(text(approved, "decided_by"), "admin");
  EXPECT_NE(text(approved, "done"), "");
  EXPECT_EQ(decide(id, "reject").status, 409);
  EXPECT_TRUE(nothing_waits());
  // A device, from the first root on.
  device_.files["root.json"] = fetch("/repository/metadata/1.root.json").value();
  const auto got = device_gets(kManifest);
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(*got, manifest("people", "1.0.0", "a model").bytes());
  const std::string blob = trust::hex(trust::sha256("a model"));
  EXPECT_EQ(fetch("/repository/blobs/sha256/" + blob.substr(0, 2) + "/" + blob).value(), "a model");
  // The registry.
  const Response release = send("GET", "/v1/releases/people/1.0.0", "", admin_);
  EXPECT_EQ(text(release, "state"), "published");
  EXPECT_EQ(text(release, "added_by"), "releaser");
  EXPECT_EQ(text(release, "approved_by"), "admin");
  EXPECT_EQ(text(release, "license"), "Apache-2.0");
  EXPECT_EQ(*json(release).find("model_card")->find("summary")->string(), "Counts people.");
  EXPECT_EQ(*json(release).find("signatures")->array()->at(0).find("key")->string(),
            targets_.public_key().id());
  const Response model = send("GET", "/v1/models/people", "", admin_);
  EXPECT_EQ(json(model).find("versions")->array()->size(), 1u);
  const trust::Json shown = json(send("GET", "/v1/repository", "", admin_));
  EXPECT_EQ(*shown.find("version")->integer(), 1);
  std::map<std::string, bool> online;
  for (const trust::Json& role : *shown.find("roles")->array())
    online[*role.find("role")->string()] = *role.find("online")->boolean();
  EXPECT_EQ(online,
            (std::map<std::string, bool>{
                {"root", false}, {"snapshot", true}, {"targets", false}, {"timestamp", true}}));
  EXPECT_EQ(*shown.find("online_key")->string(), repository_->key().pem());
}

TEST_F(Publications, TheNextIsStagedOnTop) {
  add_release("people", "1.0.0");
  publish();
  trust_first_root();
  add_release("people", "1.1.0", "a better model");
  publish();
  EXPECT_TRUE(device_gets("people/1.1.0/manifest.json").ok());
  EXPECT_TRUE(device_gets(kManifest).ok());
  const Response list = send("GET", "/v1/releases?limit=1", "", admin_);
  EXPECT_EQ(text(list, "next"), "/v1/releases?limit=1&after=people/1.1.0");
  const trust::Json next = json(send("GET", text(list, "next"), "", admin_));
  EXPECT_EQ(*next.find("releases")->array()->at(0).find("version")->string(), "1.0.0");
  EXPECT_FALSE(next.find("next"));
  // What is taken out is known, and offered no longer.
  auto repository = repo();
  ASSERT_TRUE(repository.remove_target(kManifest, wall_.now_s()).ok());
  ASSERT_TRUE(repository.sign(targets_).ok());
  publish();
  EXPECT_EQ(state_of("people/1.0.0"), "withdrawn");
  EXPECT_EQ(device_gets(kManifest).error().code, Code::kNotFound);
}

TEST_F(Publications, WhatIsRejectedLeavesNothing) {
  add_release("people", "1.0.0");
  const std::string id = text(push(), "id");
  const Response rejected = decide(id, "reject", R"({"reason":"the wrong labels"})");
  EXPECT_EQ(text(rejected, "state"), "rejected") << rejected.body;
  EXPECT_EQ(text(rejected, "reason"), "the wrong labels");
  EXPECT_EQ(end_on_record(), "rejected: the wrong labels");
  EXPECT_TRUE(nothing_waits());
  EXPECT_EQ(send("GET", "/v1/releases/people/1.0.0", "", admin_).status, 404);
  EXPECT_EQ(decide(id).status, 409);
  EXPECT_EQ(decide("none").status, 404);
  EXPECT_EQ(send("GET", "/repository/metadata/1.root.json").status, 404);
  EXPECT_EQ(push().status, 201) << "it may be asked for again";
}

TEST_F(Publications, WhoAskedMayTakeItBackAndNotApproveIt) {
  add_release("people", "1.0.0");
  const std::string id = text(push(), "id"), place = "/v1/approvals/" + id;
  const Response own = send("POST", place + "/approve", "", releaser_);
  EXPECT_EQ(own.status, 403);
  EXPECT_NE(own.body.find("'polder hub reject " + id + "' takes it back"), own.body.npos);
  EXPECT_EQ(send("POST", place + "/reject", R"({"reason":""})", releaser_).status, 400);
  const Response back = send("POST", place + "/reject", R"({"reason":"not yet"})", releaser_);
  ASSERT_EQ(back.status, 200) << back.body;
  EXPECT_EQ(text(back, "state"), "taken_back");
  EXPECT_EQ(text(back, "decided_by"), "releaser");
  EXPECT_EQ(text(back, "reason"), "not yet");
  EXPECT_TRUE(nothing_waits());
  EXPECT_EQ(end_on_record(), "taken_back: not yet");
  const Response late = decide(id);
  EXPECT_EQ(late.status, 409);
  EXPECT_NE(late.body.find("it was taken back by releaser"), late.body.npos) << late.body;
  const trust::Json list = json(send("GET", "/v1/approvals?state=taken_back", "", admin_));
  EXPECT_EQ(list.find("approvals")->array()->size(), 1u);
  EXPECT_EQ(push().status, 201) << "it may be asked for again";
}

// Both bring it, and the one that came first is rejected.
TEST_F(Publications, WhoAddedAReleaseIsToldByTheRequestThatWasApproved) {
  add_release("people", "1.0.0");
  const std::string older = text(push(), "id");
  add_release("people", "1.0.1");
  const std::string newer = text(push(), "id");
  ASSERT_NE(older, newer);
  EXPECT_EQ(decide(older, "reject").status, 200);
  const Response approved = decide(newer);
  ASSERT_EQ(approved.status, 200) << approved.body;
  const Response release = send("GET", "/v1/releases/people/1.0.0", "", admin_);
  EXPECT_EQ(text(release, "state"), "published");
  EXPECT_EQ(text(release, "added_by"), "releaser");
  EXPECT_EQ(text(release, "approved_by"), "admin");
  EXPECT_EQ(json(release).find("signatures")->array()->size(), 1u);
}

TEST_F(Publications, AReleaseWaitsWithTheNewestThatBringsIt) {
  const auto waits_by = [&] {
    const Response release = send("GET", "/v1/releases/people/1.0.0", "", admin_);
    return release.status == 200 ? text(release, "state") + " " + text(release, "added_by") : "";
  };
  add_release("people", "1.0.0");
  const std::string older = text(push(), "id");
  EXPECT_EQ(waits_by(), "waiting releaser");
  add_release("people", "1.0.1");
  const std::string releaser = std::exchange(releaser_, admin_);
  const std::string newer = text(push(), "id");
  EXPECT_EQ(waits_by(), "waiting admin");
  EXPECT_EQ(send("POST", "/v1/approvals/" + newer + "/reject", "", releaser).status, 200);
  EXPECT_EQ(waits_by(), "waiting releaser");
  EXPECT_EQ(send("GET", "/v1/releases/people/1.0.1", "", admin_).status, 404);
  EXPECT_EQ(decide(older, "reject").status, 200);
  EXPECT_EQ(waits_by(), "");
}

TEST_F(Publications, WhatGoesOnFromAFormerStateEndsByItself) {
  add_release("people", "1.0.0");
  const std::string first = text(push(), "id");
  add_release("people", "1.1.0");
  const std::string second = text(push(), "id");
  ASSERT_NE(first, second);
  EXPECT_EQ(decide(second).status, 200);
  const Response late = decide(first);
  EXPECT_EQ(late.status, 409) << late.body;
  EXPECT_NE(late.body.find("another publication came first"), std::string::npos) << late.body;
  const trust::Json shown = json(send("GET", "/v1/approvals/" + first, "", admin_));
  EXPECT_EQ(*shown.find("state")->string(), "superseded");
  EXPECT_EQ(*shown.find("decided_by")->string(), "polder-hub");
  EXPECT_EQ(*shown.find("details")->find("superseded_by")->string(), "targets version 1");
  EXPECT_TRUE(nothing_waits());
  const trust::Json list = json(send("GET", "/v1/approvals?state=superseded", "", admin_));
  EXPECT_EQ(list.find("approvals")->array()->size(), 1u);
  // What the second brought as well stays published.
  EXPECT_EQ(state_of("people/1.0.0"), "published");
  // As where it was killed before it had removed what waited.
  std::filesystem::create_directories(folder_ / "waiting" / first / "targets");
  stop();
  start();
  EXPECT_TRUE(nothing_waits());
}

// What cannot be read of another is asked for where both may bring the same release alone.
TEST_F(Publications, WhatEndsReadsNothingOfOthersInVain) {
  add_release("people", "1.0.0");
  const std::string older = text(push(), "id");
  wall_.set_s(wall_.now_s() + 1);
  releaser_ = admin_;
  add_release("people", "1.1.0");
  const std::string newer = text(push(), "id");
  ASSERT_TRUE(writer_
                  ->write([&](Database& database) {
                    return database.run("UPDATE approval SET details = '{' WHERE id = ?", {newer});
                  })
                  .ok());
  // It brings nothing that does not wait with the newer one.
  EXPECT_EQ(decide(older, "reject").status, 200);
  const Response release = send("GET", "/v1/releases/people/1.0.0", "", admin_);
  EXPECT_EQ(text(release, "state") + " " + text(release, "added_by"), "waiting admin");
}

TEST_F(Publications, OfWhatGoesOnFromOneStateEachNamesTheOther) {
  const auto rivals = [&](const trust::Json& approval) {
    return approval.find("rivals")->compact();
  };
  add_release("people", "1.0.0");
  const Response alone = push();
  EXPECT_EQ(rivals(json(alone)), "[]");
  const std::string first = text(alone, "id");
  add_release("people", "1.1.0");
  const Response pushed = push();
  const std::string second = text(pushed, "id");
  EXPECT_EQ(rivals(json(pushed)), "[\"" + first + "\"]");
  EXPECT_EQ(rivals(json(send("GET", "/v1/approvals/" + first, "", admin_))),
            "[\"" + second + "\"]");
  const trust::Json list = json(send("GET", "/v1/approvals", "", admin_));
  for (const trust::Json& one : *list.find("approvals")->array())
    EXPECT_EQ(one.find("rivals")->array()->size(), 1u);
  EXPECT_EQ(decide(second).status, 200);
  EXPECT_EQ(rivals(json(send("GET", "/v1/approvals/" + first, "", admin_))), "[]");
  // What cannot be read is nobody's rival, and the rest is shown.
  for (const char* const damaged : {"{", "[]"}) {
    const Status done = writer_->write([&](Database& database) {
      return database.run("UPDATE approval SET roles = ?, state = 'open'", {damaged});
    });
    ASSERT_TRUE(done.ok());
    EXPECT_EQ(send("GET", "/v1/approvals", "", admin_).status, 200);
  }
}

TEST_F(Publications, OneThatCannotBeReadKeepsNoOther) {
  std::string ids[3];
  for (std::size_t i = 0; i < 3; ++i) {
    add_release("people", fmt::format("1.{}.0", i));
    ids[i] = text(push(), "id");
    wall_.set_s(wall_.now_s() + 1);
  }
  const std::string targets = folder_ / "waiting" / ids[0] / "targets.json";
  ASSERT_TRUE(write_file_atomic(targets, "{").ok());
  EXPECT_EQ(decide(ids[2]).status, 200);
  EXPECT_EQ(text(send("GET", "/v1/approvals/" + ids[0], "", admin_), "state"), "open");
  EXPECT_EQ(text(send("GET", "/v1/approvals/" + ids[1], "", admin_), "state"), "superseded");
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_NE(log_[0].find("publication " + ids[0]), std::string::npos) << log_[0];
  EXPECT_EQ(decide(ids[0], "reject").status, 200);
  EXPECT_TRUE(nothing_waits());
}

TEST_F(Publications, RolesThatTheirKeysHaveNotSignedAreRefused) {
  auto repository = repo();
  ASSERT_TRUE(repository.add_bytes("notes.txt", "text", wall_.now_s()).ok());
  EXPECT_NE(refused(403).find("role 'targets' version 1: 0 of 1 signatures"), std::string::npos);
}

TEST_F(Publications, FilesThatHaveNotComeAreNamed) {
  add_release("people", "1.0.0");
  const std::string blob = trust::hex(trust::sha256("a model"));
  const std::string place = "blobs/sha256/" + blob.substr(0, 2) + "/" + blob;
  std::filesystem::remove(repo_ + "/staged/" + place);
  EXPECT_EQ(refused(404), place + ": has not come: push it again");
  const Response unknown =
      send("POST", "/v1/publications", R"({"roles":{"targets":")" + std::string(64, 'a') + "\"}}",
           releaser_);
  EXPECT_EQ(unknown.status, 404) << unknown.body;
}

TEST_F(Publications, APrivateKeyIsNeverServed) {
  auto repository = repo();
  ASSERT_TRUE(repository
                  .add_bytes("notes.txt",
                             "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n",
                             wall_.now_s())
                  .ok());
  ASSERT_TRUE(repository.sign(targets_).ok());
  EXPECT_NE(refused(403).find("holds a private key"), std::string::npos);
}

TEST_F(Publications, TheHubsKeySignsNoReleases) {
  make(trust::TestSigner("another hub").public_key());
  EXPECT_NE(refused(403).find("role 'snapshot': the hub's key"), std::string::npos);
  make(repository_->key());
  {
    auto repository = repo();
    ASSERT_TRUE(repository
                    .delegate("people", {{repository_->key()}, 1}, {"people/*/*"}, true,
                              wall_.now_s(), true)
                    .ok());
    ASSERT_TRUE(repository.sign(targets_).ok());
  }
  EXPECT_NE(refused(403).find("role 'people': the hub's key"), std::string::npos);
}

// Wherever in the tree it is trusted, and under whatever name.
TEST_F(Publications, TheHubsKeySignsNothingBelowARoleOfOthers) {
  using trust::tuf::Delegations;
  trust::TestSigner family("family");
  const std::string id = repository_->key().id();
  // A role with its delegations changed, signed by its own key.
  const auto refused_with = [&](const std::string& role, trust::Signer& signer,
                                const std::function<void(Delegations&)>& change) {
    make(repository_->key());
    {
      auto repository = repo();
      EXPECT_TRUE(
          repository
              .delegate("people", {{family.public_key()}, 1}, {"people/*/*"}, true, wall_.now_s())
              .ok());
      EXPECT_TRUE(repository.sign(targets_).ok());
      EXPECT_TRUE(repository.sign(family).ok());
    }
    const std::string path = repo_ + "/staged/" + role + ".json";
    auto body =
        trust::tuf::parse_metadata<trust::tuf::Targets>(read_file(path, 1 << 20).value(), path)
            .value()
            .body;
    Delegations& delegations = body.delegations ? *body.delegations : body.delegations.emplace();
    delegations.keys[id] = trust::tuf::to_key(repository_->key());
    change(delegations);
    trust::Signer* const signers[] = {&signer};
    const auto bytes = trust::tuf::sign_metadata(trust::tuf::to_json(body), signers);
    EXPECT_TRUE(write_file_atomic(path, bytes.value()).ok());
    return refused(403);
  };
  const auto of_hub = [&](const std::string& name) {
    trust::tuf::DelegatedRole role;
    role.key_ids = {id};
    role.name = name;
    role.paths = std::vector<std::string>{"people/*/*"};
    return role;
  };
  // As a hash bin of a role that has none.
  EXPECT_NE(refused_with("targets", targets_,
                         [&](Delegations& to) { to.roles.push_back(of_hub("people.bin-00")); })
                .find("role 'people.bin-00': the hub's key"),
            std::string::npos);
  // In a file that the hub writes, below a role that may list releases.
  const std::string deep = refused_with(
      "people", family, [&](Delegations& to) { to.roles.push_back(of_hub("assignments.bin-00")); });
  EXPECT_NE(deep.find("role 'assignments.bin-00': the hub's key"), std::string::npos) << deep;
  EXPECT_NE(deep.find("as 'people' says"), std::string::npos) << deep;
  const std::string succinct = refused_with("people", family, [&](Delegations& to) {
    to.succinct.emplace().key_ids = {id};
    to.succinct->name_prefix = "assignments.bin";
  });
  EXPECT_NE(succinct.find("role 'assignments.bin-*': the hub's key"), std::string::npos)
      << succinct;
  // Under the id of another.
  const std::string hidden = refused_with("targets", targets_, [&](Delegations& to) {
    to.keys[std::string(64, 'a')] = trust::tuf::to_key(repository_->key());
    to.keys.erase(id);
    to.roles.at(0).key_ids.push_back(std::string(64, 'a'));
  });
  EXPECT_NE(hidden.find("role 'people': the hub's key"), std::string::npos) << hidden;
}

TEST_F(Publications, AReleaseDoesNotChange) {
  add_release("people", "1.0.0");
  publish();
  add_release("people", "1.0.0", "another model");
  EXPECT_NE(refused(403).find("a release does not change"), std::string::npos);
}

TEST_F(Publications, WhatIsNoMetadataIsRefused) {
  const auto ask = [&](const std::string& role, const std::string& bytes) {
    EXPECT_EQ(upload(bytes).status, 200);
    return send("POST", "/v1/publications",
                R"({"roles":{")" + role + R"(":")" + trust::hex(trust::sha256(bytes)) + "\"}}",
                releaser_);
  };
  for (const char* role : {"snapshot", "timestamp"}) EXPECT_EQ(ask(role, "{}").status, 403);
  for (const char* role : {"../x", "", "a/b", "A", "."}) EXPECT_EQ(ask(role, "{}").status, 400);
  EXPECT_EQ(ask("targets", "{}").status, 400);
  EXPECT_EQ(ask("targets", "no JSON").status, 400);
  const Response deep = ask("targets", std::string(1000, '['));
  EXPECT_EQ(deep.status, 400);
  EXPECT_NE(text(deep, "detail").find("deep"), std::string::npos) << deep.body;
  EXPECT_EQ(send("POST", "/v1/publications", R"({"roles":{}})", releaser_).status, 400);
  EXPECT_EQ(send("POST", "/v1/publications", R"({"roles":{"targets":"x"}})", releaser_).status,
            400);
  EXPECT_TRUE(nothing_waits());
  EXPECT_TRUE(log_.empty()) << log_[0];
}

// --- A hub that ends anywhere --------------------------------------------------------------------

TEST_F(Publications, WhatWasApprovedIsPublishedByTheNextStart) {
  add_release("people", "1.0.0");
  const std::string id = text(push(), "id");
  ASSERT_TRUE(writer_
                  ->write([&](Database& database) {
                    return database.run(
                        "UPDATE approval SET state = 'approved', decided_by = "
                        "'admin', decided_s = 1 WHERE id = ?",
                        {id});
                  })
                  .ok());
  stop();
  start();
  EXPECT_EQ(state_of("people/1.0.0"), "published");
  EXPECT_TRUE(nothing_waits());
  EXPECT_EQ(send("GET", "/repository/metadata/timestamp.json").status, 200);
}

TEST_F(Publications, APublicationThatWasNotNotedIsNotedOnce) {
  add_release("people", "1.0.0");
  const std::string id = text(push(), "id");
  EXPECT_TRUE(repository_->publish(id, wall_.now_s()).ok());
  EXPECT_EQ(decide(id).status, 404) << "nothing of it waits any more";
  ASSERT_TRUE(writer_
                  ->write([&](Database& database) {
                    return database.run(
                        "UPDATE approval SET state = 'approved', decided_by = "
                        "'admin', decided_s = 1 WHERE id = ?",
                        {id});
                  })
                  .ok());
  stop();
  start();
  EXPECT_EQ(state_of("people/1.0.0"), "published");
  EXPECT_EQ(repository_->version(), 1);
}

TEST_F(Publications, WhatWaitsStaysAndWhatWasNeverNotedGoes) {
  add_release("people", "1.0.0");
  const std::string id = text(push(), "id");
  std::filesystem::create_directories(folder_ / "waiting" / "0123456789abcdef" / "targets");
  stop();
  start();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "waiting" / "0123456789abcdef"));
  EXPECT_EQ(decide(id).status, 200);
}

TEST_F(Publications, ADatabaseThatWasLostKnowsReleasesAgain) {
  add_release("people", "1.0.0");
  publish();
  ASSERT_TRUE(
      writer_->write([&](Database& database) { return database.run("DELETE FROM model_release"); })
          .ok());
  stop();
  start();
  EXPECT_EQ(state_of("people/1.0.0"), "published");
  EXPECT_EQ(text(send("GET", "/v1/releases/people/1.0.0", "", admin_), "added_by"), "polder-hub");
}

// As a hub of before has left it.
TEST_F(Publications, WhatWasSupersededLongAgoEndsWithTheNextStart) {
  add_release("people", "1.0.0");
  publish();
  add_release("people", "1.1.0");
  const std::string first = text(push(), "id");
  add_release("people", "1.2.0");
  const std::string second = text(push(), "id");
  EXPECT_TRUE(repository_->publish(second, wall_.now_s()).ok());
  EXPECT_EQ(text(send("GET", "/v1/approvals/" + first, "", admin_), "state"), "open");
  stop();
  start();
  EXPECT_EQ(text(send("GET", "/v1/approvals/" + first, "", admin_), "state"), "superseded");
  // Who brings only what still follows goes on waiting.
  EXPECT_EQ(text(send("GET", "/v1/approvals/" + second, "", admin_), "state"), "open");
}

// --- Aliases -------------------------------------------------------------------------------------

TEST_F(Publications, AChampionNeedsTwoOtherAliasesOne) {
  add_release("people", "1.0.0");
  publish();
  const auto set = [&](const std::string& alias, const std::string& version) {
    return send("PUT", "/v1/models/people/aliases/" + alias, R"({"version":")" + version + "\"}",
                releaser_);
  };
  const auto aliases = [&] {
    return json(send("GET", "/v1/models/people", "", admin_)).find("aliases")->compact();
  };
  const Response unknown = set("newest", "2.0.0");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_NE(unknown.body.find("'polder hub models'"), std::string::npos) << unknown.body;
  EXPECT_EQ(set("champion", "2.0.0").status, 404);
  EXPECT_EQ(set("a b", "1.0.0").status, 400);
  EXPECT_EQ(set("newest", "1.0.0").status, 200);
  const Response asked = set("champion", "1.0.0");
  EXPECT_EQ(asked.status, 202) << asked.body;
  EXPECT_EQ(aliases(), R"({"newest":"1.0.0"})");
  const std::string id = text(asked, "approval");
  EXPECT_EQ(text(set("champion", "1.0.0"), "approval"), id);
  EXPECT_EQ(send("POST", "/v1/approvals/" + id + "/approve", "", releaser_).status, 403);
  const Response approved = decide(id);
  EXPECT_EQ(approved.status, 200) << approved.body;
  EXPECT_EQ(aliases(), R"({"champion":"1.0.0","newest":"1.0.0"})");
}

TEST_F(Publications, ReleasesAndModelsComeInPagesTheNewestVersionsFirst) {
  const auto add = [&](const std::string& model, const std::string& version) {
    return writer_->write([&](Database& database) {
      return database.run(
          "INSERT INTO model_release (model, version, manifest, state, added_s, added_by, "
          "publication, is_runtime, details) VALUES (?, ?, '', 'published', 1, 'anna', '', 0, "
          "'{}')",
          {model, version});
    });
  };
  for (const char* version : {"1.2.0", "1.10.0", "1.10.0-rc.1", "1.9.0"})
    ASSERT_TRUE(add("people", version).ok());
  ASSERT_TRUE(add("cats", "1.0.0").ok());
  const auto pages = [&](std::string target, const std::string& member, const std::string& name) {
    std::string all;
    while (!target.empty()) {
      const trust::Json page = json(send("GET", target, "", admin_));
      for (const trust::Json& one : *page.find(member)->array())
        all += *one.find(name)->string() + " ";
      all += "| ";
      target = page.find("next") ? *page.find("next")->string() : "";
    }
    return all;
  };
  EXPECT_EQ(pages("/v1/releases?limit=2&model=people", "releases", "version"),
            "1.10.0 1.10.0-rc.1 | 1.9.0 1.2.0 | ");
  EXPECT_EQ(pages("/v1/releases?limit=3", "releases", "model"),
            "cats people people | people people | ");
  EXPECT_EQ(pages("/v1/models?limit=1", "models", "name"), "cats | people | ");
  EXPECT_EQ(send("GET", "/v1/releases?after=people", "", admin_).status, 404);
}

TEST_F(Publications, AreRefusedWhereTooManyWait) {
  add_release("people", "1.0.0");
  ASSERT_TRUE(writer_
                  ->write([](Database& database) -> Status {
                    for (std::int64_t i = 0; i < kMaxOpenApprovals; ++i)
                      TRY(
                          database.run("INSERT INTO approval (id, kind, what, digest, details, "
                                       "asked_by, asked_s, state) VALUES (?, 'alias', 'x', ?, "
                                       "'{}', 'anna', 1, 'open')",
                                       {std::to_string(i), std::to_string(i)}));
                    return {};
                  })
                  .ok());
  const Response pushed = push();
  EXPECT_EQ(pushed.status, 409);
  EXPECT_NE(text(pushed, "detail").find("approve or reject some first"), std::string::npos)
      << pushed.body;
}

}  // namespace
}  // namespace polder::hub
