#include "trust/tuf_repository.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <utility>

#include "platform/file.h"
#include "trust/digest.h"
#include "trust/release_folder.h"
#include "trust/testing_release.h"
#include "trust/tuf_folder.h"
#include "trust/tuf_repository_files.h"
#include "trust/tuf_testing.h"

namespace polder::trust::tuf {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNow = 1'800'000'000;

class RepositoryTest : public testing::Test {
 protected:
  void SetUp() override {
    // In memory, where there is such a folder: hundreds of files that are to outlast a power cut.
    scratch_ =
        (::access("/dev/shm", W_OK) == 0 ? fs::path("/dev/shm") : fs::temp_directory_path()) /
        ("tuf_repository_test_" + std::to_string(::getpid()) + "_" +
         testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(scratch_);
    fs::create_directories(scratch_);
    folder_ = scratch_ / "repo";
  }
  void TearDown() override { fs::remove_all(scratch_); }

  TopLevelTrust trust() {
    return {.root = {{root1_.public_key(), root2_.public_key(), root3_.public_key()}, 2},
            .targets = {{targets_.public_key()}, 1},
            .snapshot = {{online_.public_key()}, 1},
            .timestamp = {{online_.public_key()}, 1}};
  }
  Repository make() {
    return Repository::create(folder_, trust(), profile("static").value(), kNow).value();
  }
  Status publish(Repository& repository) {
    Signer* online[] = {&online_};
    return repository.publish(online, kNow);
  }
  // A repository with its first version out.
  Repository published() {
    Repository repository = make();
    EXPECT_TRUE(repository.sign(root1_));
    EXPECT_TRUE(repository.sign(root2_));
    EXPECT_TRUE(repository.sign(targets_));
    auto status = publish(repository);
    EXPECT_TRUE(status) << status.error().message;
    return repository;
  }
  template <class Body>
  Metadata<Body> read(const std::string& name) {
    const std::string path = folder_ + "/metadata/" + name;
    return parse_metadata<Body>(read_file(path, 1u << 24).value(), path).value();
  }

  // More targets of a role than lie in one file, staged by hand: a thousand files would take long.
  // The last, people/1000/manifest.json, is "hello".
  void fill(Repository& repository, const std::string& role) {
    Targets full = read<Targets>("1." + role + ".json").body;
    full.version = 2;
    for (int i = 0; i < int(kTargetsBeforeBins); ++i) {
      full.targets[name(i)] = {.length = 1, .hashes = {{"sha256", hex(sha256("x"))}}};
    }
    ASSERT_TRUE(write_file_atomic(folder_ + "/staged/" + role + ".json",
                                  sign_metadata(to_json(full), {}).value()));
    if (role == "targets") {
      ASSERT_TRUE(repository.add_bytes("floors.json", Floors().bytes(), kNow));
    }
    ASSERT_TRUE(repository.add_bytes(name(1000), "hello", kNow));
  }
  static std::string name(int i) { return "people/" + std::to_string(i) + "/manifest.json"; }
  // That the newest of a role's files trusts one key for all of its bins, and each is signed by it.
  void expect_bins_of(const std::string& role, const std::string& version, const Signer& signer) {
    const auto metadata = read<Targets>(version + "." + role + ".json");
    ASSERT_TRUE(metadata.body.delegations);
    int bins = 0;
    for (const DelegatedRole& bin : metadata.body.delegations->roles) {
      if (!bin.path_hash_prefixes) continue;
      ++bins;
      EXPECT_EQ(bin.key_ids, std::vector<std::string>{signer.public_key().id()}) << bin.name;
      EXPECT_TRUE(read<Targets>("2." + bin.name + ".json")
                      .envelope.check(metadata.body.delegations->keys, bin, bin.name));
    }
    EXPECT_EQ(bins, 256);
  }

  // What a device gets that trusts the first root.
  Result<std::string> install(const std::string& path) {
    MemoryMetadata store;
    TRY_VALUE(store.files["root.json"], read_file(folder_ + "/metadata/1.root.json", 1u << 20));
    FolderFetcher fetcher(folder_ + "/metadata", folder_ + "/targets");
    Updater updater(fetcher, store, kNow);
    TRY(updater.refresh());
    TRY_VALUE(const Target target, updater.find(path));
    std::string bytes;
    TRY(updater.download(target, [&](std::string_view piece) { return bytes += piece, Status(); }));
    return bytes;
  }
  // The third version of a role, with a target, signed by a key; snapshot and timestamp go with it.
  void forge(const std::string& role, const std::string& path, std::string_view content,
             TestSigner& signer) {
    const std::string metadata = folder_ + "/metadata/", digest = hex(sha256(content));
    const auto write = [&](const std::string& name, const auto& body, Signer* by) {
      const std::string bytes = sign_metadata(to_json(body), {&by, 1}).value();
      EXPECT_TRUE(write_file_atomic(metadata + name, bytes));
      return MetaFile{.version = body.version,
                      .length = std::int64_t(bytes.size()),
                      .hashes = {{"sha256", hex(sha256(bytes))}}};
    };
    Targets targets = read<Targets>("2." + role + ".json").body;
    targets.version = 3;
    targets.targets[path] = {.length = std::int64_t(content.size()),
                             .hashes = {{"sha256", digest}}};
    fs::path file = folder_ + "/targets/" + path;
    file.replace_filename(digest + "." + file.filename().string());
    ASSERT_TRUE(write_file_atomic(file.string(), content));
    Timestamp timestamp = read<Timestamp>("timestamp.json").body;
    Snapshot snapshot =
        read<Snapshot>(std::to_string(timestamp.snapshot.version) + ".snapshot.json").body;
    snapshot.meta[role + ".json"] = write("3." + role + ".json", targets, &signer);
    ++snapshot.version;
    timestamp.snapshot =
        write(std::to_string(snapshot.version) + ".snapshot.json", snapshot, &online_);
    ++timestamp.version;
    write("timestamp.json", timestamp, &online_);
  }

  TestSigner root1_{"root 1"}, root2_{"root 2"}, root3_{"root 3"}, root4_{"root 4"};
  TestSigner targets_{"targets"}, online_{"online"}, family_{"family"}, other_{"other"};
  fs::path scratch_;
  std::string folder_;
};

TEST_F(RepositoryTest, PublishesWhatEnoughKeysHaveSigned) {
  Repository repository = make();
  ASSERT_EQ(repository.staged()->size(), 2u);
  EXPECT_EQ(publish(repository).error().code, Code::kDenied);
  EXPECT_EQ(repository.sign(other_).error().code, Code::kDenied);
  EXPECT_EQ(repository.sign(root1_).value(), std::vector<std::string>{"root"});
  EXPECT_EQ(repository.sign(root1_).value(), std::vector<std::string>{"root"});  // counts once
  EXPECT_EQ(repository.sign(targets_).value(), std::vector<std::string>{"targets"});
  const Status refused = publish(repository);
  EXPECT_NE(refused.error().message.find("role 'root' version 1: 1 of 2 signatures"),
            std::string::npos)
      << refused.error().message;
  EXPECT_TRUE(fs::is_empty(folder_ + "/metadata"));
  EXPECT_TRUE(repository.sign(root3_));
  ASSERT_TRUE(publish(repository));
  EXPECT_TRUE(repository.staged()->empty());
  const auto root = read<Root>("1.root.json");
  for (const char* role : {"root", "targets", "snapshot", "timestamp"}) {
    EXPECT_TRUE(root.body.roles.contains(role));
  }
  EXPECT_TRUE(root.envelope.check(root.body.keys, root.body.roles.at("root"), "root"));
  const auto timestamp = read<Timestamp>("timestamp.json");
  EXPECT_TRUE(timestamp.envelope.check(root.body.keys, root.body.roles.at("timestamp"), "t"));
  EXPECT_EQ(timestamp.body.snapshot.version, 1);
  EXPECT_EQ(timestamp.body.expires_s, kNow + 180 * kDayS);
  const std::string snapshot = read_file(folder_ + "/metadata/1.snapshot.json", 1 << 20).value();
  EXPECT_EQ(timestamp.body.snapshot.hashes.at("sha256"), hex(sha256(snapshot)));
}

TEST_F(RepositoryTest, AddsTargetsUnderTheirDigests) {
  Repository repository = published();
  ASSERT_TRUE(repository.add_bytes("people/1.0.0/notes.txt", "hello", kNow));
  EXPECT_EQ(publish(repository).error().code, Code::kDenied);  // not signed
  // Nobody is served it yet.
  const std::string name = "/people/1.0.0/" + hex(sha256("hello")) + ".notes.txt";
  EXPECT_TRUE(fs::is_empty(folder_ + "/targets"));
  EXPECT_TRUE(fs::exists(folder_ + "/staged/targets" + name));
  EXPECT_EQ(repository.read_target("people/1.0.0/notes.txt", 100).value(), "hello");
  ASSERT_TRUE(repository.sign(targets_));
  ASSERT_TRUE(publish(repository));
  EXPECT_TRUE(fs::is_empty(folder_ + "/staged/targets"));
  EXPECT_EQ(read<Targets>("2.targets.json").body.targets.at("people/1.0.0/notes.txt").length, 5);
  EXPECT_TRUE(fs::exists(folder_ + "/targets" + name));
  EXPECT_EQ(repository.read_target("people/1.0.0/notes.txt", 100).value(), "hello");
  // The same again stages nothing; a publication then makes a new timestamp alone.
  ASSERT_TRUE(repository.add_bytes("people/1.0.0/notes.txt", "hello", kNow));
  EXPECT_TRUE(repository.staged()->empty());
  ASSERT_TRUE(publish(repository));
  EXPECT_EQ(read<Timestamp>("timestamp.json").body.version, 3);
  EXPECT_EQ(read<Timestamp>("timestamp.json").body.snapshot.version, 2);
  for (const char* bad : {"", "/a", "a//b", "../a", "a/..", "a/./b", "a\nb", "a\\b", "a/"}) {
    EXPECT_EQ(repository.add_bytes(bad, "x", kNow).error().code, Code::kInvalid) << bad;
  }
}

TEST_F(RepositoryTest, WhatIsDamagedIsReplacedAndWhatIsNotExpectedIsNotTaken) {
  Repository repository = published();
  const std::string file = scratch_ / "weights", blob = blob_place(sha256("w1"));
  ASSERT_TRUE(write_file_atomic(file, "w1"));
  // Changed since its digest was taken.
  EXPECT_EQ(repository.add_blob(file, sha256("w2")).error().code, Code::kCorrupt);
  EXPECT_FALSE(fs::exists(folder_ + "/staged/" + blob_place(sha256("w2"))));
  ASSERT_TRUE(repository.add_blob(file, sha256("w1")));
  // Where it waits, and where it is served.
  for (const std::string& place : {folder_ + "/staged/" + blob, folder_ + "/" + blob}) {
    fs::create_directories(fs::path(place).parent_path());
    for (const char* damaged : {"w2", "", "w1 and more"}) {
      ASSERT_TRUE(write_file_atomic(place, damaged));
      ASSERT_TRUE(repository.add_blob(file, sha256("w1")));
      EXPECT_EQ(read_file(place, 20).value(), "w1");
    }
  }
  ASSERT_TRUE(repository.add_file("people/weights", file, kNow));
  const std::string target = folder_ + "/staged/targets/people/" + hex(sha256("w1")) + ".weights";
  ASSERT_TRUE(write_file_atomic(target, "w2"));
  EXPECT_EQ(repository.staged_problems()->size(), 1u);
  ASSERT_TRUE(repository.add_file("people/weights", file, kNow));
  EXPECT_EQ(read_file(target, 20).value(), "w1");
  EXPECT_TRUE(repository.staged_problems()->empty());
}

TEST_F(RepositoryTest, OneAtATimeChangesIt) {
  auto first = std::make_unique<Repository>(make());
  const auto second = Repository::open(folder_, 0);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  EXPECT_NE(second.error().message.find("another command changes this repository"),
            std::string::npos);
  EXPECT_EQ(Repository::open_to_read(folder_)->staged()->size(), 2u);
  first.reset();
  EXPECT_TRUE(Repository::open(folder_, 0).ok());
}

// Does something when it signs, as somebody may in that moment.
class Meddler final : public Signer {
 public:
  Meddler(Signer& signer, std::function<void()> act) : signer_(signer), act_(std::move(act)) {}
  const PublicKey& public_key() const override { return signer_.public_key(); }
  Result<std::string> sign(std::string_view message) override {
    if (auto act = std::exchange(act_, nullptr)) act();
    return signer_.sign(message);
  }

 private:
  Signer& signer_;
  std::function<void()> act_;
};

// No lock keeps people from copying what they have signed into staged/.
TEST_F(RepositoryTest, PublishesAndForgetsWhatItHasChecked) {
  Repository repository = published();
  const std::string staged = folder_ + "/staged/";
  ASSERT_TRUE(repository.add_bytes("a", "1", kNow));
  const std::string other = read_file(staged + "targets.json", 1 << 20).value();
  ASSERT_TRUE(repository.sign(targets_));
  Meddler changes(online_, [&] { ASSERT_TRUE(write_file_atomic(staged + "targets.json", other)); });
  Signer* signers[] = {&changes};
  const Status refused = repository.publish(signers, kNow);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_EQ(read<Timestamp>("timestamp.json").body.version, 1);
  ASSERT_TRUE(repository.sign(targets_));
  Meddler adds(online_, [&] { ASSERT_TRUE(write_file_atomic(staged + "people.json", other)); });
  signers[0] = &adds;
  ASSERT_TRUE(repository.publish(signers, kNow));
  EXPECT_EQ(read<Timestamp>("timestamp.json").body.version, 2);
  EXPECT_FALSE(fs::exists(staged + "targets.json"));
  EXPECT_EQ(read_file(staged + "people.json", 1 << 20).value(), other);
}

TEST_F(RepositoryTest, WhoOnlyLooksSeesWhatOthersPublishMeanwhile) {
  Repository repository = published();
  const Repository looking = Repository::open_to_read(folder_).value();
  EXPECT_EQ(looking.read_target("notes", 9).error().code, Code::kNotFound);
  for (const char* bytes : {"1", "2"}) {
    ASSERT_TRUE(repository.add_bytes("notes", bytes, kNow));
    ASSERT_TRUE(repository.sign(targets_).ok());
    ASSERT_TRUE(publish(repository));
    EXPECT_EQ(looking.read_target("notes", 9).value(), bytes);
  }
  // Also where only the bytes of the snapshot are others.
  ASSERT_TRUE(write_file_atomic(folder_ + "/metadata/3.snapshot.json", "{}"));
  EXPECT_EQ(looking.read_target("notes", 9).error().code, Code::kCorrupt);
}

TEST_F(RepositoryTest, RolesSignForTheirPathsAlone) {
  Repository repository = published();
  const Trust trust{{family_.public_key()}, 1};
  ASSERT_TRUE(repository.delegate("people", trust, {"people/*/*"}, true, kNow));
  ASSERT_TRUE(repository.add_bytes("people/1.0.0/notes.txt", "hello", kNow));
  EXPECT_EQ(repository.targets()->at("people/1.0.0/notes.txt"), "people");
  EXPECT_EQ(repository.add_bytes("cars/1/m", "x", kNow, "people").error().code, Code::kInvalid);
  EXPECT_EQ(repository.add_bytes("cars/1/m", "x", kNow, "cars").error().code, Code::kNotFound);
  ASSERT_TRUE(repository.add_bytes("cars/1/m", "x", kNow));
  EXPECT_EQ(repository.targets()->at("cars/1/m"), "targets");
  EXPECT_EQ(repository.sign(family_).value(), std::vector<std::string>{"people"});
  EXPECT_EQ(repository.sign(targets_).value(), std::vector<std::string>{"targets"});
  ASSERT_TRUE(publish(repository));
  EXPECT_EQ(read<Snapshot>("2.snapshot.json").body.meta.at("people.json").version, 1);
  EXPECT_FALSE(repository.delegate("people", trust, {}, true, kNow));
  EXPECT_FALSE(repository.delegate("root", trust, {"*"}, true, kNow));
  EXPECT_FALSE(repository.delegate("../x", trust, {"*"}, true, kNow));
  EXPECT_FALSE(repository.delegate("people", {{family_.public_key()}, 2}, {"*"}, true, kNow));
}

TEST_F(RepositoryTest, FindsTargetsWhereClientsFindThem) {
  Repository repository = published();
  const Trust trust{{family_.public_key()}, 1};
  const std::string early = "people/1/m", late = "people/2/m";
  ASSERT_TRUE(repository.add_bytes(early, "1", kNow));
  ASSERT_TRUE(repository.delegate("people", trust, {"people/*/*"}, true, kNow));
  ASSERT_TRUE(repository.delegate("later", trust, {"people/*/*"}, true, kNow));
  EXPECT_EQ(repository.read_target(early, 10).value(), "1");
  // Another content is found only where the first was.
  EXPECT_EQ(repository.add_bytes(early, "2", kNow, "people").error().code, Code::kDenied);
  ASSERT_TRUE(repository.add_bytes(early, "2", kNow));
  EXPECT_EQ(repository.read_target(early, 10).value(), "2");
  ASSERT_TRUE(repository.add_bytes(late, "3", kNow));
  const std::map<std::string, std::string> expected = {{early, "targets"}, {late, "people"}};
  EXPECT_EQ(repository.targets().value(), expected);
  // No client looks behind a role that ends the search.
  ASSERT_TRUE(repository.remove_target(late, kNow));
  EXPECT_EQ(repository.add_bytes(late, "4", kNow, "later").ok(), true);
  EXPECT_EQ(repository.read_target(late, 10).error().code, Code::kNotFound);
  // What is removed is in no role that a client could come to.
  ASSERT_TRUE(repository.add_bytes(late, "5", kNow));
  EXPECT_EQ(repository.targets()->at(late), "people");
  ASSERT_TRUE(repository.remove_target(late, kNow));
  EXPECT_FALSE(repository.targets()->contains(late));
  std::size_t count = 0;
  ASSERT_TRUE(repository.read_targets("people/", 10, [&](const std::string& path, const auto&) {
    count += path == early;
    return Status();
  }));
  EXPECT_EQ(count, 1u);
}

TEST_F(RepositoryTest, WhatIsForgottenLeavesNoFiles) {
  Repository repository = published();
  const auto place = [&](const std::string& bytes) {
    return "/targets/people/" + hex(sha256(bytes)) + ".notes";
  };
  ASSERT_TRUE(repository.add_bytes("people/notes", "1", kNow));
  ASSERT_TRUE(repository.sign(targets_).ok());
  ASSERT_TRUE(publish(repository));
  ASSERT_TRUE(repository.add_bytes("people/notes", "2", kNow));
  EXPECT_TRUE(fs::exists(folder_ + "/staged" + place("2")));
  ASSERT_TRUE(repository.discard());
  EXPECT_FALSE(fs::exists(folder_ + "/staged" + place("2")));
  EXPECT_TRUE(fs::exists(folder_ + place("1")));
  EXPECT_TRUE(repository.staged()->empty());
  // As it was before there was a folder for what waits.
  ASSERT_TRUE(write_file_atomic(folder_ + place("3"), "3"));
  ASSERT_TRUE(repository.add_bytes("people/notes", "3", kNow));
  EXPECT_FALSE(fs::exists(folder_ + "/staged" + place("3")));
  EXPECT_EQ(repository.read_target("people/notes", 9).value(), "3");
  ASSERT_TRUE(repository.discard());
  EXPECT_FALSE(fs::exists(folder_ + place("3")));
  // What was replaced before it was published goes with the rest.
  ASSERT_TRUE(repository.add_bytes("people/notes", "4", kNow));
  ASSERT_TRUE(repository.add_bytes("people/notes", "5", kNow));
  ASSERT_TRUE(repository.sign(targets_).ok());
  ASSERT_TRUE(publish(repository));
  EXPECT_FALSE(fs::exists(folder_ + place("4")));
  EXPECT_TRUE(fs::is_empty(folder_ + "/staged/targets"));
  EXPECT_EQ(install("people/notes").value(), "5");
  // A key is not taken in at all.
  const std::string key = scratch_ / "key.pem";
  ASSERT_TRUE(write_file_atomic(key, "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n"));
  EXPECT_EQ(repository.add_file("people/key", key, kNow).error().code, Code::kDenied);
  EXPECT_TRUE(repository.staged()->empty());
}

TEST_F(RepositoryTest, ANewRootNeedsTheOldKeysAndTheNew) {
  const std::vector<std::string> root_role = {"root"};
  Repository repository = published();
  const PublicKey add[] = {root4_.public_key()};
  const std::string remove[] = {root1_.public_key().id(), root2_.public_key().id()};
  ASSERT_TRUE(repository.rotate(root_role, add, remove, std::nullopt, kNow));
  ASSERT_TRUE(repository.sign(root3_));
  ASSERT_TRUE(repository.sign(root4_));
  EXPECT_EQ(publish(repository).error().code, Code::kDenied);  // one of the old keys
  ASSERT_TRUE(repository.sign(root1_));
  ASSERT_TRUE(publish(repository));
  EXPECT_EQ(read<Root>("2.root.json").body.keys.size(), 4u);
  EXPECT_EQ(repository.rotate(root_role, {}, std::vector<std::string>{"ab"}, std::nullopt, kNow)
                .error()
                .code,
            Code::kNotFound);
  EXPECT_EQ(repository.rotate(root_role, {}, {}, 3, kNow).error().code, Code::kInvalid);
  ASSERT_TRUE(repository.discard());
}

TEST_F(RepositoryTest, AKeyOfSeveralRolesIsReplacedInAllOrNone) {
  Repository repository = published();
  const PublicKey add[] = {other_.public_key()};
  const std::string remove[] = {online_.public_key().id()};
  const std::vector<std::string> both = {"snapshot", "timestamp"};
  EXPECT_EQ(repository.roles_of_key(remove[0]).value(), both);
  // Targets has another key: nothing is staged.
  const std::vector<std::string> too_many = {"timestamp", "targets"};
  EXPECT_EQ(repository.rotate(too_many, add, remove, std::nullopt, kNow).error().code,
            Code::kNotFound);
  EXPECT_TRUE(repository.staged()->empty());
  ASSERT_TRUE(repository.rotate(both, add, remove, std::nullopt, kNow));
  EXPECT_TRUE(repository.roles_of_key(remove[0])->empty());
  EXPECT_EQ(repository.roles_of_key(add[0].id()).value(), both);
  ASSERT_TRUE(repository.sign(root1_));
  ASSERT_TRUE(repository.sign(root2_));
  EXPECT_EQ(publish(repository).error().code, Code::kDenied);  // the old key signs nothing more
  Signer* const signers[] = {&other_};
  ASSERT_TRUE(repository.publish(signers, kNow));
  // Nothing else has changed, and yet the snapshot is made anew.
  const auto root = read<Root>("2.root.json");
  EXPECT_TRUE(read<Snapshot>("2.snapshot.json")
                  .envelope.check(root.body.keys, root.body.roles.at("snapshot"), "snapshot"));
}

TEST_F(RepositoryTest, AKeySignsOnlineOrOffline) {
  Repository repository = published();
  const PublicKey online[] = {online_.public_key()}, targets[] = {targets_.public_key()},
                  root[] = {root1_.public_key()};
  const auto rotate = [&](const char* role, std::span<const PublicKey> add, bool force) {
    const std::vector<std::string> roles = {role};
    const Status done = repository.rotate(roles, add, {}, std::nullopt, kNow, force);
    return done.ok() ? "" : done.error().message;
  };
  const auto delegate = [&](const char* role, const PublicKey& key, bool force) {
    const std::string path = std::string(role) + "/*";
    return repository.delegate(role, {{key}, 1}, {path}, true, kNow, force).ok();
  };
  EXPECT_NE(rotate("targets", online, false).find(online[0].id()), std::string::npos);
  EXPECT_NE(rotate("timestamp", targets, false).find("--force"), std::string::npos);
  EXPECT_FALSE(delegate("people", online[0], false));
  EXPECT_FALSE(delegate("assignments", targets[0], false));
  // Of root there is no exception.
  for (const bool force : {false, true}) {
    EXPECT_NE(rotate("root", online, force), "");
    EXPECT_NE(rotate("snapshot", root, force), "");
    EXPECT_FALSE(delegate("assignments", root[0], force));
  }
  EXPECT_EQ(rotate("root", online, true).find("--force"), std::string::npos);
  const PublicKey other[] = {other_.public_key()};
  const std::vector<std::string> both = {"targets", "timestamp"};
  EXPECT_FALSE(repository.rotate(both, other, {}, std::nullopt, kNow));
  EXPECT_TRUE(repository.staged()->empty());
  // Those of a kind share theirs, and others where that is wanted.
  EXPECT_TRUE(delegate("assignments", online[0], false));
  EXPECT_TRUE(delegate("people", targets[0], false));
  EXPECT_EQ(rotate("timestamp", targets, true), "");
}

// Its files were there before it was added again, and devices may still be at the version with it.
TEST_F(RepositoryTest, WhatWasPublishedOnceOutlastsDiscard) {
  Repository repository = published();
  const std::string blob = "{}", file = scratch_ / "blob";
  ASSERT_TRUE(write_file_atomic(file, blob));
  const std::string path = "people-counter/1.4.0-rc.1/manifest.json";
  const std::string bytes = test_manifest().bytes();
  const std::string places[] = {folder_ + "/" + target_name(path, hex(sha256(bytes))),
                                folder_ + "/" + blob_place(sha256(blob))};
  const auto add = [&] {
    ASSERT_TRUE(repository.add_blob(file, sha256(blob)));
    ASSERT_TRUE(repository.add_bytes(path, bytes, kNow));
  };
  add();
  ASSERT_TRUE(repository.sign(targets_));
  ASSERT_TRUE(publish(repository));
  ASSERT_TRUE(repository.remove_target(path, kNow));
  ASSERT_TRUE(repository.sign(targets_));
  ASSERT_TRUE(publish(repository));
  add();
  ASSERT_TRUE(repository.discard());
  for (const std::string& place : places) EXPECT_TRUE(fs::exists(place)) << place;
}

TEST_F(RepositoryTest, AThousandTargetsAndMoreLieInBins) {
  Repository repository = published();
  fill(repository, "targets");
  const auto all = repository.targets().value();
  EXPECT_EQ(all.size(), 1002u);
  EXPECT_EQ(all.at("floors.json"), "targets");
  EXPECT_EQ(all.at(name(1000)), "targets.bin-" + hex(sha256(name(1000))).substr(0, 2));
  EXPECT_EQ(repository.staged()->size(), 257u);
  ASSERT_TRUE(repository.sign(targets_));
  ASSERT_TRUE(publish(repository));
  EXPECT_EQ(repository.read_target(name(1000), 100).value(), "hello");
  // The next goes to its bin without touching the rest.
  ASSERT_TRUE(repository.add_bytes(name(1001), "there", kNow));
  ASSERT_EQ(repository.staged()->size(), 1u);
  // Devices look for floors in the top level alone.
  ASSERT_TRUE(repository.remove_target("floors.json", kNow));
  ASSERT_TRUE(repository.add_bytes("floors.json", Floors().bytes(), kNow));
  EXPECT_EQ(repository.targets()->at("floors.json"), "targets");
  // A family that is delegated later comes before the bins.
  ASSERT_TRUE(repository.delegate("cars", {{family_.public_key()}, 1}, {"cars/*/*"}, true, kNow));
  ASSERT_TRUE(repository.add_bytes("cars/1/manifest.json", "car", kNow));
  EXPECT_EQ(repository.targets()->at("cars/1/manifest.json"), "cars");
}

TEST_F(RepositoryTest, BinsAreSignedByTheNewKeysOfTheirRole) {
  Repository repository = published();
  fill(repository, "targets");
  ASSERT_TRUE(repository.sign(targets_));
  ASSERT_TRUE(publish(repository));
  const std::vector<std::string> role = {"targets"};
  const PublicKey add[] = {other_.public_key()};
  const std::string remove[] = {targets_.public_key().id()};
  ASSERT_TRUE(repository.rotate(role, add, remove, std::nullopt, kNow));
  EXPECT_EQ(repository.staged()->size(), 258u);  // root, targets and its bins
  EXPECT_EQ(repository.changes()->trust.size(), 1u);
  EXPECT_TRUE(repository.changes()->other.empty());
  EXPECT_EQ(repository.sign(targets_).error().code, Code::kDenied);
  for (TestSigner* signer : {&root1_, &root2_, &other_}) ASSERT_TRUE(repository.sign(*signer));
  ASSERT_TRUE(publish(repository));
  expect_bins_of("targets", "3", other_);
  EXPECT_EQ(repository.read_target(name(1000), 100).value(), "hello");
  EXPECT_FALSE(read<Targets>("3.targets.json").body.delegations->keys.contains(remove[0]));
  EXPECT_EQ(install(name(1000)).value(), "hello");
  // Whoever has stolen the old key, and the online one too, lists what he likes in vain.
  const std::string bin = repository.targets()->at(name(1000));
  forge(bin, name(1000), "stolen", targets_);
  EXPECT_EQ(install(name(1000)).error().code, Code::kDenied);
  forge(bin, name(1000), "stolen", other_);
  EXPECT_EQ(install(name(1000)).value(), "stolen");
}

TEST_F(RepositoryTest, BinsOfAFamilyFollowItsKeys) {
  Repository repository = published();
  const Trust before{{family_.public_key()}, 1}, after{{other_.public_key()}, 1};
  ASSERT_TRUE(repository.delegate("people", before, {"people/*/*"}, true, kNow));
  for (TestSigner* signer : {&targets_, &family_}) ASSERT_TRUE(repository.sign(*signer));
  ASSERT_TRUE(publish(repository));
  fill(repository, "people");
  ASSERT_TRUE(repository.sign(family_));
  ASSERT_TRUE(publish(repository));
  // Other paths alone are a matter of the top level.
  ASSERT_TRUE(repository.delegate("people", before, {"people/*/*", "faces/*/*"}, true, kNow));
  EXPECT_EQ(repository.staged()->size(), 1u);
  ASSERT_TRUE(repository.delegate("people", after, {"people/*/*"}, true, kNow));
  EXPECT_EQ(repository.staged()->size(), 258u);  // targets, the family and its bins
  EXPECT_EQ(repository.changes()->trust.size(), 1u);
  EXPECT_TRUE(repository.changes()->other.empty());
  EXPECT_EQ(repository.sign(family_).error().code, Code::kDenied);
  for (TestSigner* signer : {&targets_, &other_}) ASSERT_TRUE(repository.sign(*signer));
  ASSERT_TRUE(publish(repository));
  expect_bins_of("people", "3", other_);
}

TEST_F(RepositoryTest, RefusesFoldersThatAreNone) {
  EXPECT_EQ(Repository::open(scratch_ / "nothing").error().code, Code::kNotFound);
  make();
  EXPECT_EQ(Repository::create(folder_, trust(), profile("hub").value(), kNow).error().code,
            Code::kDenied);
  ASSERT_TRUE(write_file_atomic(folder_ + "/repository.toml", "profile = \"hub\"\n"));
  EXPECT_EQ(Repository::open(folder_).error().code, Code::kInvalid);
  EXPECT_FALSE(profile("cloud"));
  // Where it was cut off it begins again; where anything else is, it does not.
  fs::remove(folder_ + "/repository.toml");
  ASSERT_TRUE(write_file_atomic(folder_ + "/targets/notes.txt", "mine"));
  const auto refused = Repository::create(folder_, trust(), profile("hub").value(), kNow);
  EXPECT_EQ(refused.error().code, Code::kDenied);
  EXPECT_NE(refused.error().message.find("'targets/notes.txt' is there"), std::string::npos);
  fs::remove(folder_ + "/targets/notes.txt");
  published();
  TopLevelTrust weak = trust();
  weak.root.threshold = 4;
  EXPECT_EQ(Repository::create(scratch_ / "weak", weak, profile("hub").value(), kNow).error().code,
            Code::kInvalid);
}

TEST_F(RepositoryTest, NamesTheFileThatIsDamaged) {
  Repository repository = published();
  ASSERT_TRUE(write_file_atomic(folder_ + "/metadata/1.targets.json", "{"));
  const Status status = repository.add_bytes("a", "x", kNow);
  EXPECT_EQ(status.error().code, Code::kCorrupt);
  EXPECT_NE(status.error().message.find("1.targets.json"), std::string::npos);
}

}  // namespace
}  // namespace polder::trust::tuf
