#include "trust/tuf_verify.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "platform/file.h"
#include "trust/tuf_testing.h"

namespace polder::trust::tuf {
namespace {

namespace fs = std::filesystem;

class TufVerify : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/polder_verify_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  // What is wrong with the repository as it is served.
  std::vector<std::string> problems() {
    for (const auto& [name, bytes] : repository_.files.files) {
      const std::string path = folder_ + (name.starts_with("targets/") ? "/" : "/metadata/") + name;
      EXPECT_TRUE(make_folders(path.substr(0, path.rfind('/'))));
      std::ofstream(path, std::ios::binary) << bytes;
    }
    const auto done =
        verify_repository(folder_, repository_.files.files.at("1.root.json"), kTestNowS);
    EXPECT_TRUE(done.ok());
    targets_ = done->targets;
    roles_.clear();
    for (const VerifiedRole& role : done->roles) roles_.push_back(role.role);
    return done->problems;
  }
  void publish() {
    repository_.bump();
    repository_.publish();
  }
  Delegations& delegations_of(const std::string& role) {
    auto& delegations = repository_.targets[role].delegations;
    return delegations ? *delegations : delegations.emplace();
  }
  DelegatedRole& delegate(const std::string& from, const std::string& to, const std::string& seed) {
    DelegatedRole& role = delegations_of(from).roles.emplace_back();
    role.name = to;
    role.paths = {to + "/*"};
    repository_.set_keys(delegations_of(from).keys, role, to, seed);
    return role;
  }

  using Texts = std::vector<std::string>;
  TestRepository repository_;
  std::string folder_;
  std::size_t targets_ = 0;
  Texts roles_;
};

TEST_F(TufVerify, EachRoleOnceWhereDelegationsLeadInCircles) {
  delegate("people", "people", "people");
  delegate("people", "vehicles", "vehicles");
  delegate("vehicles", "people", "people");
  publish();
  EXPECT_EQ(problems(), Texts{});
  EXPECT_EQ(roles_, (Texts{"root", "timestamp", "snapshot", "targets", "people", "vehicles"}));
  EXPECT_EQ(targets_, 3u);
  // Devices take it, too.
  TestClient client(repository_);
  EXPECT_TRUE(client.install(repository_.files, "people/model.plan").ok());
}

TEST_F(TufVerify, ARoleIsHeldToEachThatDelegatesToIt) {
  delegate("people", "vehicles", "other keys");
  repository_.set_keys(delegations_of("targets").keys, repository_.keys_of("vehicles"), "vehicles",
                       "vehicles");
  publish();
  const Texts found = problems();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("vehicles.json"), std::string::npos) << found[0];
}

TEST_F(TufVerify, WhatNoneOfThemTrustsARoleWithIsToldOf) {
  repository_.add_target("vehicles", "boats/a", "x");
  publish();
  ASSERT_EQ(problems().size(), 1u);
  EXPECT_NE(problems()[0].find("'boats/a'"), std::string::npos);
  delegate("people", "vehicles", "vehicles").paths = {"boats/*"};
  publish();
  EXPECT_EQ(problems(), Texts{});
}

TEST_F(TufVerify, BinsAreWalked) {
  Delegations& delegations = delegations_of("people");
  SuccinctRoles& bins = delegations.succinct.emplace();
  bins.bit_length = 3;
  bins.name_prefix = "bin";
  for (unsigned i = 0; i < 8; ++i) {
    repository_.targets[bins.bin_name(i)].expires_s = kTestNowS + kDayS;
    repository_.set_keys(delegations.keys, bins, bins.bin_name(i), "bins");
  }
  const std::string path = "people/in-a-bin.plan", bin = bins.bin_of(path);
  repository_.add_target(bin, path, "plan");
  publish();
  EXPECT_EQ(problems(), Texts{});
  EXPECT_EQ(roles_.size(), 6u + 8u);
  EXPECT_EQ(targets_, 4u);
  // A bin that is missing, one that lists what is another's, a target that is damaged.
  auto& files = repository_.files.files;
  const std::string name = fmt::format("{}.{}.json", repository_.targets[bin].version, bin);
  const std::string whole = files.at(name);
  files.at(name) = whole.substr(1);
  ASSERT_EQ(problems().size(), 1u);
  EXPECT_NE(problems()[0].find(bin + ".json"), std::string::npos);
  files.at(name) = whole;
  const std::string target = "targets/people/" + hex(sha256("plan")) + ".in-a-bin.plan";
  files.at(target) = "plam";
  ASSERT_EQ(problems().size(), 1u);
  files.at(target) = "plan";
  for (unsigned i = 0; i < 8; ++i) {
    if (bins.bin_name(i) != bin) repository_.add_target(bins.bin_name(i), path, "plan");
  }
  publish();
  EXPECT_EQ(problems().size(), 7u);
}

}  // namespace
}  // namespace polder::trust::tuf
