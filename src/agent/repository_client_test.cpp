// What a device takes from a repository, and what it refuses: clocks, choosers and releases that
// lie.
#include "agent/clock_floor.h"
#include "agent/testing_client.h"

namespace polder::agent {
namespace {

// --- The root ---

constexpr const char* kRootFiles[] = {"metadata/root.json", "metadata/root.copy",
                                      "metadata/root.version"};

class TrustedRoot : public Client {
 protected:
  TrustedRoot() : thief_(repository_), first_(repository_.files.files.at("1.root.json")) {
    for (const char* name : {"targets", "timestamp", "snapshot"}) repository_.rotate(name);
    repository_.publish_root();
    add("people", "1.0.0");
    EXPECT_EQ(texts()[0], "people 1.0.0");
  }
  void turn_a_bit(const std::string& name) {
    std::string bytes = read_stored(disk_, name, trust::tuf::kMaxRootBytes).value();
    bytes[bytes.size() / 2] ^= 1;
    ASSERT_TRUE(replace_stored(disk_, name, bytes).ok());
  }
  StoredMetadata metadata() { return StoredMetadata(disk_); }

  TestRepository thief_;  // has all keys of root 1
  std::string first_;
};

TEST_F(TrustedRoot, OneTurnedBitBringsNoReplacedKeyBack) {
  thief_.add_target("people", manifest_target("people", version("9.0.0")),
                    manifest_of("people", "9.0.0").bytes());
  for (int i = 0; i < 9; ++i) thief_.bump();
  thief_.publish();
  // Who still trusts root 1 takes it.
  FakeStorage old;
  ASSERT_TRUE(StoredMetadata(old).start(first_).ok());
  BlobStore old_blobs = BlobStore::open(old).value();
  const auto taken =
      RepositoryClient(config_, device_, thief_.files, old_blobs).check(state_, kTestNowS);
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(taken->offers.at(0).release.text(), "people 9.0.0");
  std::swap(repository_, thief_);
  for (const char* name : kRootFiles) {
    SCOPED_TRACE(name);
    const std::string whole = read_stored(disk_, name, trust::tuf::kMaxRootBytes).value();
    turn_a_bit(name);
    EXPECT_EQ(metadata().root().value().version, 2);
    EXPECT_EQ(texts(), Texts{"denied"});
    ASSERT_TRUE(metadata().start(first_).ok());
    EXPECT_EQ(read_stored(disk_, name, trust::tuf::kMaxRootBytes).value(), whole);
    ASSERT_TRUE(disk_.remove(name).ok());
    EXPECT_EQ(texts(), Texts{"denied"});
    ASSERT_TRUE(metadata().start(first_).ok());
    EXPECT_EQ(read_stored(disk_, name, trust::tuf::kMaxRootBytes).value(), whole);
  }
}

TEST_F(TrustedRoot, WhereAllIsLostOnlyOneThatIsNoLowerBeginsAnew) {
  turn_a_bit(kRootFiles[0]);
  turn_a_bit(kRootFiles[1]);
  const auto lost = metadata().root();
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code, Code::kCorrupt);
  EXPECT_NE(lost.error().message.find("2.root.json"), std::string::npos) << lost.error().message;
  EXPECT_EQ(texts(), Texts{"corrupt"});
  EXPECT_EQ(metadata().start(first_).error().message, lost.error().message);
  EXPECT_EQ(texts(), Texts{"corrupt"});
  ASSERT_TRUE(metadata().start(repository_.files.files.at("2.root.json")).ok());
  EXPECT_EQ(texts()[0], "people 1.0.0");
  // Copies that came back from an old backup are lost as well.
  ASSERT_TRUE(replace_stored(disk_, kRootFiles[0], first_).ok());
  ASSERT_TRUE(replace_stored(disk_, kRootFiles[1], first_).ok());
  EXPECT_EQ(metadata().start(first_).error().code, Code::kCorrupt);
  // Of the version nothing is left either: it is for people to say.
  for (const char* name : kRootFiles) turn_a_bit(name);
  for (const char* root : {"1.root.json", "2.root.json"}) {
    const Status refused = metadata().start(repository_.files.files.at(root));
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message.find("are removed"), std::string::npos);
  }
  for (const char* name : kRootFiles) ASSERT_TRUE(disk_.remove(name).ok());
  const auto none = metadata().root();
  EXPECT_EQ(none.error().code, Code::kNotFound);
  EXPECT_NE(none.error().message.find("set 'root'"), std::string::npos) << none.error().message;
  EXPECT_TRUE(metadata().start(repository_.files.files.at("2.root.json")).ok());
}

TEST_F(TrustedRoot, IsCopiedWhereAnOlderPolderdKeptItOnce) {
  ASSERT_TRUE(disk_.remove(kRootFiles[1]).ok());
  ASSERT_TRUE(disk_.remove(kRootFiles[2]).ok());
  ASSERT_TRUE(metadata().start(first_).ok());
  EXPECT_EQ(disk_.files().at(kRootFiles[1]), disk_.files().at(kRootFiles[0]));
  turn_a_bit(kRootFiles[0]);
  EXPECT_EQ(metadata().root().value().version, 2);
}

TEST_F(TrustedRoot, APowerCutLeavesTheOldOneOrTheNew) {
  repository_.publish_root();
  disk_.settle();
  EXPECT_EQ(texts()[0], "people 1.0.0");
  const std::uint64_t cuts =
      for_each_crash(disk_, 8, 1, [&](FakeStorage& after, std::size_t step, std::uint64_t choice) {
        StoredMetadata left(after);
        const auto root = left.root();
        if (!root.ok() || root->version < 2 || !left.start(first_).ok()) {
          ADD_FAILURE() << "step " << step << ", choice " << choice << ": "
                        << (root.ok() ? "an older root" : root.error().message);
          return false;
        }
        EXPECT_EQ(left.root().value().version, root->version);
        return true;
      });
  EXPECT_GT(cuts, 50u);
  EXPECT_EQ(metadata().root().value().version, 3);
}

// --- What is chosen ---

TEST_F(Client, TakesTheHighestVersionWhereNothingIsAssigned) {
  add("people", "1.9.0");
  const trust::Manifest manifest = add("people", "1.10.0");
  add("people", "1.10.0-rc.1");
  add("vehicles", "2.0.0");
  EXPECT_EQ(texts(), (Texts{"people 1.10.0", "vehicles 2.0.0"}));
  const auto outcome = check();
  EXPECT_EQ(outcome->offers[0].release, release_id(manifest, manifest.bytes()));
  EXPECT_EQ(outcome->time_seen_s, kTestNowS);
  BlobStore blobs = BlobStore::open(disk_).value();
  EXPECT_EQ(read_manifest(blobs, outcome->offers[0].release).value(), manifest);
  // The second time no manifest is fetched.
  repository_.files.asked.clear();
  ASSERT_TRUE(check().ok());
  for (const std::string& name : repository_.files.asked)
    EXPECT_EQ(name.find("manifest.json"), std::string::npos) << name;
  config_.pins.emplace("people", version("1.9.0"));
  EXPECT_EQ(texts(), (Texts{"people 1.9.0", "vehicles 2.0.0"}));
  config_.pins.at("people") = version("1.8.0");
  EXPECT_EQ(texts(), (Texts{"vehicles 2.0.0", "!people 0.0.0"}));
}

TEST_F(Client, PassesOverWhatARoleIsNotTrustedFor) {
  add("people", "1.0.0");
  // By hash prefixes the role may have anything below people/, but not this.
  role("vehicles").paths.reset();
  const bool is_zero = trust::hex(trust::sha256("people/9.0.0/manifest.json"))[0] == '0';
  role("vehicles").path_hash_prefixes = {is_zero ? "1" : "0"};
  add("people", "9.0.0", "vehicles");
  EXPECT_EQ(texts()[0], "people 1.0.0");
}

TEST_F(Client, ARoleHidesNoReleaseBehindVersionsThatAreNotItsOwn) {
  add("people", "1.0.0");
  role("vehicles").paths->push_back("people/0.*/*");
  for (int i = 0; i < 300; ++i)
    repository_.add_target("vehicles", manifest_target("people", version(fmt::format("9.{}.0", i))),
                           "x");
  publish();
  EXPECT_EQ(texts()[0], "people 1.0.0");
}

TEST_F(Client, FollowsTheAssignment) {
  add("people", "1.0.0");
  add("people", "2.0.0");
  add("vehicles", "1.0.0");
  add_assignments();
  publish();
  EXPECT_EQ(texts(), Texts{});  // nothing is assigned
  EXPECT_TRUE(
      check()->note.starts_with("the repository assigns nothing to 'cam-12': 'polder repo"));
  const Config before = config_;
  config_.hub.url = "https://hub.example", config_.repository = "https://hub.example/repository";
  EXPECT_NE(check()->note.find("a rollout does: 'polder rollout list"), std::string::npos);
  config_ = before;
  assign("default", {{"people", version("1.0.0")}, {"vehicles", version("1.0.0")}});
  EXPECT_EQ(texts(), (Texts{"people 1.0.0", "vehicles 1.0.0"}));
  EXPECT_EQ(check()->note, "");
  trust::Assignment own;
  own.device = "cam-12";
  own.releases = {{"people", version("2.0.0")}};
  own.shadow = true, own.retry = 3;
  assign(own);
  const auto outcome = check();
  ASSERT_EQ(outcome->offers.size(), 1u);
  EXPECT_NE(outcome->note.find("assigns no release of vehicles to 'cam-12'"), std::string::npos);
  EXPECT_TRUE(outcome->offers[0].shadow);
  EXPECT_EQ(outcome->offers[0].retry, 3);
  own.not_before_s = kTestNowS + 10;
  assign(own);
  EXPECT_EQ(texts(), Texts{"!people 2.0.0"});
  EXPECT_EQ(texts(kTestNowS + 10), Texts{"people 2.0.0"});
}

// Whoever serves the repository may leave out any file: then nothing is decided, and it is said.
TEST_F(Client, AFileThatIsHeldBackIsNotOneThatListsNothing) {
  add("people", "1.0.0");
  add("people", "2.0.0");
  add("vehicles", "1.0.0");
  add_assignments();
  auto& bins = repository_.targets["assignments"].delegations.emplace();
  for (const std::string digits : {"01234567", "89abcdef"}) {
    trust::tuf::DelegatedRole& bin = bins.roles.emplace_back();
    bin.name = "assignments.bin-" + digits.substr(0, 1);
    bin.path_hash_prefixes.emplace();
    for (const char digit : digits) bin.path_hash_prefixes->emplace_back(1, digit);
    repository_.targets[bin.name].expires_s = kTestNowS + 30 * kDay;
    repository_.set_keys(bins.keys, bin, bin.name, "assignments");
  }
  for (const auto& [device, text] : {std::pair("cam-12", "1.0.0"), std::pair("default", "2.0.0")}) {
    trust::Assignment assignment;
    assignment.device = device;
    assignment.releases = {{"people", version(text)}};
    const std::string path = trust::assignment_target(device);
    const auto bin =
        std::ranges::find_if(bins.roles, [&](const auto& r) { return r.covers(path); });
    repository_.add_target(bin->name, path, assignment.bytes());
  }
  publish();
  ASSERT_EQ(texts(), Texts{"people 1.0.0"});
  const std::set<std::string> needed = {
      "targets", "people", "assignments",
      trust::hex(trust::sha256(std::string_view("assignments/cam-12.json")))[0] < '8'
          ? "assignments.bin-0"
          : "assignments.bin-8"};
  const auto all = repository_.files.files;
  for (const auto& [role, body] : repository_.targets) {
    SCOPED_TRACE(role);
    for (const auto& [any, unused] : repository_.targets)
      ASSERT_TRUE(StoredMetadata(disk_).remove(trust::tuf::stored_name(any)).ok());
    const std::string file = fmt::format("{}.{}.json", body.version, role);
    ASSERT_EQ(repository_.files.files.erase(file), 1u);
    const auto outcome = check();
    if (role == "people") {
      ASSERT_TRUE(outcome.ok());
      EXPECT_TRUE(outcome->offers.empty());
      ASSERT_EQ(outcome->refusals.size(), 1u);
      EXPECT_NE(outcome->refusals[0].reason.find(file + ": signed metadata list it"),
                std::string::npos);
    } else if (needed.contains(role)) {
      ASSERT_FALSE(outcome.ok());
      EXPECT_EQ(outcome.error().code, Code::kCorrupt);
      EXPECT_NE(outcome.error().message.find(file), std::string::npos) << outcome.error().message;
      EXPECT_NE(outcome.error().message.find("copy it again"), std::string::npos);
    } else {
      EXPECT_EQ(texts(), Texts{"people 1.0.0"});
    }
    repository_.files.files = all;
  }
  EXPECT_EQ(texts(), Texts{"people 1.0.0"});
}

// The same where none is assigned, and one role's file has the highest release.
TEST_F(Client, ARoleThatIsHeldBackLeavesNoLowerRelease) {
  add("people", "1.0.0");
  role("vehicles").paths->push_back("people/*/*");
  add("people", "2.0.0", "vehicles");
  ASSERT_EQ(texts()[0], "people 2.0.0");
  ASSERT_TRUE(StoredMetadata(disk_).remove("vehicles.json").ok());
  const std::int64_t newest = repository_.targets["vehicles"].version;
  ASSERT_EQ(repository_.files.files.erase(fmt::format("{}.vehicles.json", newest)), 1u);
  EXPECT_EQ(texts(), (Texts{"!people 0.0.0", "!vehicles 0.0.0"}));
  EXPECT_NE(reasons_.find("vehicles.json: signed metadata list it"), std::string::npos) << reasons_;
}

TEST_F(Client, AChooserOnlyChooses) {
  add("people", "1.0.0");
  add_assignments();
  // What no offline role signs; what is for others; what is not here; the wrong kind.
  assign("cam-12", {{"people", version("7.0.0")},
                    {"faces", version("1.0.0")},
                    {"polderd", version("1.0.0"), true}});
  EXPECT_EQ(texts(), (Texts{"!people 7.0.0", "!faces 1.0.0", "!polderd 1.0.0"}));
  // Another device's assignment under this one's name.
  trust::Assignment foreign;
  foreign.device = "cam-13";
  repository_.add_target("assignments", "assignments/cam-12.json", foreign.bytes());
  publish();
  EXPECT_EQ(texts(), Texts{"denied"});
}

TEST_F(Client, AChooserThatCouldSignReleasesIsRefused) {
  add_assignments({"assignments/*", "*/*/*"});
  add("people", "8.0.0", "assignments");
  assign("cam-12", {{"people", version("8.0.0")}});
  EXPECT_EQ(texts(), Texts{"!people 8.0.0"});
  EXPECT_NE(reasons_.find("only chooses"), std::string::npos) << reasons_;
}

TEST_F(Client, FloorsHoldWhoeverChooses) {
  add("people", "1.0.0");
  add("vehicles", "1.0.0");
  trust::Floors floors;
  floors.floors = {{"people", version("1.1.0")}, {"faces", version("3.0.0")}};
  repository_.add_target("targets", "floors.json", floors.bytes());
  publish();
  EXPECT_EQ(texts(), (Texts{"vehicles 1.0.0", "!people 1.0.0"}));
  EXPECT_EQ(check()->floors, (std::map<std::string, trust::Version>{{"people", version("1.1.0")}}));
  // A floor that is lower than one that was seen changes nothing, nor does one that is gone.
  state_.floors["people"] = version("1.5.0");
  EXPECT_EQ(check()->floors.at("people"), version("1.5.0"));
  repository_.targets["targets"].targets.erase("floors.json");
  // No delegated role may list them.
  role("vehicles").paths->push_back("floors.json");
  floors.floors = {{"vehicles", version("9.0.0")}};
  repository_.add_target("vehicles", "floors.json", floors.bytes());
  publish();
  EXPECT_EQ(check()->floors.at("people"), version("1.5.0"));
  EXPECT_EQ(check()->floors.count("vehicles"), 0u);
  EXPECT_EQ(texts(), (Texts{"vehicles 1.0.0", "!people 1.0.0"}));
}

TEST_F(Client, RefusesReleasesThatAreNotForThisDevice) {
  add("vehicles", "1.0.0");
  const auto refused = [&](const trust::Manifest& manifest, const std::string& bytes,
                           const std::string& reason) {
    repository_.add_target("people", "people/2.0.0/manifest.json",
                           bytes.empty() ? manifest.bytes() : bytes);
    publish();
    reasons_.clear();
    EXPECT_EQ(texts(), (Texts{"vehicles 1.0.0", "!people 2.0.0"}));
    EXPECT_NE(reasons_.find(reason), std::string::npos) << reasons_;
  };
  trust::Manifest manifest = manifest_of("people", "2.0.0");
  refused(manifest_of("people", "3.0.0"), "", "is the manifest of people 3.0.0");
  refused(manifest_of("faces", "2.0.0"), "", "is the manifest of faces 2.0.0");
  refused(manifest, "{}", "manifest.json");
  refused(manifest, std::string(trust::kMaxManifestBytes + 1, ' '), "at most");
  trust::Manifest names = manifest;
  names.pipeline->files["manifest.json"] = trust::sha256("person\n");
  refused(names, "", "needs for itself");
  device_.operators.clear();
  EXPECT_EQ(texts(), (Texts{"!people 2.0.0", "!vehicles 1.0.0"}));
}

TEST_F(Client, ARunningPipelineIsNotReplacedByNone) {
  const auto add_bare = [&](const char* text) {
    trust::Manifest bare = manifest_of("people", text);
    bare.pipeline.reset();
    std::erase_if(bare.blobs, [](const auto& blob) {
      return blob.first == trust::sha256("[pipeline]") || blob.first == trust::sha256("person\n");
    });
    repository_.add_target("people", manifest_target("people", bare.version), bare.bytes());
    publish();
  };
  config_.models = {"people"};
  add_bare("1.0.0");
  EXPECT_EQ(texts(), (Texts{"people 1.0.0"}));  // nothing runs that it would end
  const trust::Manifest manifest = add("people", "1.1.0");
  ASSERT_EQ(texts(), (Texts{"people 1.1.0"}));
  state_ = with_units({}, config_.models, config_.runtime).value();
  Unit& unit = state_.units.at("people");
  unit.active = Slot::kA;
  unit.slots[0] = release_id(manifest, manifest.bytes());
  add_bare("1.2.0");
  EXPECT_EQ(texts(), (Texts{"!people 1.2.0"}));
  EXPECT_NE(reasons_.find("has no pipeline, and people 1.1.0 runs one"), std::string::npos)
      << reasons_;
  config_.without_pipeline = {"people"};
  EXPECT_EQ(texts(), (Texts{"people 1.2.0"}));
}

TEST_F(Client, ARepositoryThatIsHalfCopiedIsSaidToBe) {
  add("people", "1.0.0");
  add("vehicles", "1.0.0");
  std::erase_if(repository_.files.files, [](const auto& file) {
    return file.first.find("targets/people") == 0 && file.first.ends_with("manifest.json");
  });
  EXPECT_EQ(texts(), (Texts{"vehicles 1.0.0", "!people 1.0.0"}));
  repository_.files.files.erase("timestamp.json");
  EXPECT_EQ(texts(), Texts{"not_found"});
}

// Expired metadata are never accepted, and no clock keeps a device from updates for good.
TEST_F(Client, ClocksThatAreWrong) {
  add("people", "1.0.0");
  const std::int64_t expires_s = repository_.timestamp.expires_s;
  // None, 20 years behind: the first check is at whatever the clock says, as nothing is known yet.
  for (const std::int64_t clock : {std::int64_t(0), kTestNowS - 20 * kYear})
    EXPECT_EQ(texts(believed_time_s(clock, state_.time_seen_s))[0], "people 1.0.0");
  state_.time_seen_s = check(kTestNowS)->time_seen_s;
  EXPECT_EQ(state_.time_seen_s, kTestNowS);
  // 20 years ahead: refused, and nothing is learned.
  EXPECT_EQ(texts(believed_time_s(kTestNowS + 20 * kYear, state_.time_seen_s)), Texts{"timeout"});
  // Right again.
  EXPECT_EQ(texts(believed_time_s(kTestNowS + kDay, state_.time_seen_s))[0], "people 1.0.0");
  // Just before expiry, then set back: what expires meanwhile is refused, whatever the clock says.
  state_.time_seen_s = check(expires_s - 1)->time_seen_s;
  repository_.expire_at(expires_s - 2);
  publish();
  for (const std::int64_t clock : {kTestNowS, std::int64_t(0), kTestNowS - 20 * kYear})
    EXPECT_EQ(texts(believed_time_s(clock, state_.time_seen_s)), Texts{"timeout"});
  // New metadata end it, with the same wrong clock.
  repository_.expire_at(expires_s + 30 * kDay);
  publish();
  EXPECT_EQ(texts(believed_time_s(0, state_.time_seen_s))[0], "people 1.0.0");
}

TEST_F(Client, AFaultyDiskEndsACheckAndTheNextIsWell) {
  add("people", "1.0.0");
  using enum StorageFault;
  for (const StorageFault fault : {kFull, kIo, kShort}) {
    for (std::uint64_t call = 0;; ++call) {
      disk_.fault_of = nullptr;
      auto before = disk_.after_crash(0, 0);
      ASSERT_TRUE(StoredMetadata(*before).start(repository_.files.files.at("1.root.json")).ok());
      before->fail_at(call, fault, true);
      const std::uint64_t calls = before->calls();
      const auto run = [&] {
        auto blobs = BlobStore::open(*before);
        if (!blobs.ok()) return;
        const auto outcome =
            RepositoryClient(config_, device_, repository_.files, *blobs).check(state_, kTestNowS);
        if (!outcome.ok()) return;
        for (const Offer& offer : outcome->offers)
          EXPECT_TRUE(read_manifest(*blobs, offer.release).ok()) << "call " << call;
      };
      run();
      if (before->calls() <= calls + call) break;
      before->fault_of = nullptr;
      BlobStore blobs = BlobStore::open(*before).value();
      const auto again =
          RepositoryClient(config_, device_, repository_.files, blobs).check(state_, kTestNowS);
      ASSERT_TRUE(again.ok()) << "call " << call << ": " << again.error().message;
      EXPECT_EQ(again->offers.size(), 1u);
    }
  }
}

// From the check to the slot, as the driver does it.
TEST_F(Client, BringsAReleaseIntoASlot) {
  config_.runtime = "polderd";
  device_.targets = {"arm64", "generic"};
  state_ = with_units({}, config_.models, config_.runtime).value();
  repository_.add_target("targets", "polderd/1.0.0/manifest.json",
                         manifest_of("polderd", "1.0.0").bytes());
  add("people", "1.0.0");
  BlobStore blobs = BlobStore::open(disk_).value();
  HttpBlobs fetcher(http_, kUrl);
  RepositoryReleases releases(config_, device_, repository_.files, fetcher, blobs);
  for (const std::size_t i : {0, 1}) {
    // Tidying up has taken what was offered and not taken: the next check brings it again.
    const auto outcome = releases.check(state_, kTestNowS);
    ASSERT_TRUE(outcome.ok()) << outcome.error().message;
    ASSERT_EQ(outcome->offers.size(), 2u);
    const Offer& offer = outcome->offers[i];
    state_.update = Update{.unit = offer.unit, .release = offer.release};
    state_.phase = Phase::kDownload;
    int alive = 0;
    const Status got = releases.download(state_, [&] { return ++alive, Status(); });
    ASSERT_TRUE(got.ok()) << got.error().message;
    EXPECT_GT(alive, 0);
    ASSERT_TRUE(releases.verify(state_, {}).ok());
    ASSERT_TRUE(releases.stage(state_, {}).ok());
    ASSERT_TRUE(releases.slots().verify(offer.unit, Slot::kA, offer.release).ok());
    state_.units[offer.unit].in(Slot::kA) = offer.release;
    state_.update.reset();
    ASSERT_TRUE(releases.tidy(state_).ok());
  }
  const auto people =
      releases.slots().open("people", Slot::kA, *state_.units["people"].in(Slot::kA));
  EXPECT_EQ(people->models[0].artifact.kind, trust::ArtifactKind::kPlan);
  EXPECT_EQ(people->models[0].artifact.target, "arm64");
  const auto runtime =
      releases.slots().open("polderd", Slot::kA, *state_.units["polderd"].in(Slot::kA));
  EXPECT_EQ(runtime->models[0].artifact.kind, trust::ArtifactKind::kRuntime);
  // Nothing needs the blobs of an empty device.
  ASSERT_TRUE(releases.tidy(AgentState()).ok());
  for (const auto& [name, bytes] : disk_.files()) EXPECT_FALSE(name.starts_with("blobs/")) << name;
}

TEST_F(Client, ADiskThatIsTooSmallIsSaidBeforeTheDownload) {
  add("people", "1.0.0");
  BlobStore blobs = BlobStore::open(disk_).value();
  HttpBlobs fetcher(http_, kUrl);
  RepositoryReleases releases(config_, device_, repository_.files, fetcher, blobs);
  const Offer offer = releases.check(state_, kTestNowS)->offers.at(0);
  state_.update = Update{.unit = "people", .release = offer.release};
  http_.requests.clear();  // a check has asked for the pipeline
  disk_.set_capacity(kRoomMarginBytes);
  const Status full = releases.download(state_, nullptr);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, Code::kExhausted);
  EXPECT_TRUE(http_.requests.empty());
}

}  // namespace
}  // namespace polder::agent
