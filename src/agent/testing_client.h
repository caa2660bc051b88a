// For tests of what a device takes from a repository: one in memory, signed, and a device.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/repository_client.h"
#include "agent/repository_releases.h"
#include "agent/testing.h"
#include "platform/http_fake.h"
#include "platform/storage_fake.h"
#include "trust/testing_release.h"
#include "trust/tuf_testing.h"

namespace polder::agent {

using trust::tuf::kTestNowS;
using trust::tuf::TestRepository;

inline constexpr char kUrl[] = "http://repository.example";
inline const char* const kBlobs[] = {"plan for x86-64-v3",
                                     "plan for x86-64-v4",
                                     "plan for arm64",
                                     "plan for generic",
                                     "tflite",
                                     "polderd",
                                     "[pipeline]",
                                     "person\n",
                                     "in.npy",
                                     "out.npy"};

inline trust::Version version(const std::string& text) {
  return trust::Version::parse(text, "test").value();
}

inline trust::Manifest manifest_of(const std::string& model, const std::string& text) {
  trust::Manifest manifest = trust::test_manifest();
  // Its index is of other bytes; the blob comes whole.
  manifest.model = model;
  manifest.version = version(text);
  manifest.artifacts[2].sealed.reset();  // its keys would be a target too: agent_test.py has that
  return manifest;
}

// A device of the models `people` and `vehicles`.
class Client : public testing::Test {
 protected:
  Client() {
    config_.device = "cam-12";
    config_.models = {"people", "vehicles"};
    config_.worker.memory_bytes = 1 << 30;
    device_ = {{"x86-64-v3", "generic"}, {"native"}, 1, {{"conv", 1}, {"softmax", 2}}};
    role("people").paths = {"people/*/*"};
    role("vehicles").paths = {"vehicles/*/*"};
    for (const std::string blob : kBlobs)
      http_.files[std::string(kUrl) + "/" + blob_place(trust::sha256(blob))] = blob;
    EXPECT_TRUE(StoredMetadata(disk_).start(repository_.files.files.at("1.root.json")).ok());
    state_ = with_units({}, config_.models, config_.runtime).value();
  }

  trust::tuf::DelegatedRole& role(const std::string& name) {
    return static_cast<trust::tuf::DelegatedRole&>(repository_.keys_of(name));
  }
  void publish() {
    repository_.bump();
    repository_.publish();
  }
  trust::Manifest add(const std::string& model, const std::string& text,
                      const std::string& signer = "") {
    const trust::Manifest manifest = manifest_of(model, text);
    repository_.add_target(signer.empty() ? model : signer,
                           manifest_target(model, manifest.version), manifest.bytes());
    publish();
    return manifest;
  }
  void add_assignments(std::vector<std::string> paths = {"assignments/*"}) {
    auto& delegations = *repository_.targets["targets"].delegations;
    auto& online = delegations.roles.emplace_back();
    online.name = "assignments";
    online.terminating = true;
    online.paths = std::move(paths);
    repository_.targets["assignments"].expires_s = kTestNowS + 30 * kDay;
    repository_.set_keys(delegations.keys, online, "assignments", "assignments");
  }
  void assign(const std::string& device, std::vector<trust::AssignedRelease> releases) {
    trust::Assignment assignment;
    assignment.device = device;
    assignment.releases = std::move(releases);
    assign(assignment);
  }
  void assign(const trust::Assignment& assignment) {
    repository_.add_target("assignments", trust::assignment_target(assignment.device),
                           assignment.bytes());
    publish();
  }
  Result<CheckOutcome> check(std::int64_t now_s = kTestNowS) {
    auto blobs = BlobStore::open(disk_);
    if (!blobs.ok()) return std::move(blobs).error();
    return RepositoryClient(config_, device_, repository_.files, *blobs).check(state_, now_s);
  }
  // "people 1.2.0" of each offer, "!people 1.3.0" of each refusal.
  std::vector<std::string> texts(std::int64_t now_s = kTestNowS) {
    const auto outcome = check(now_s);
    if (!outcome.ok()) return {std::string(code_name(outcome.error().code))};
    std::vector<std::string> all;
    for (const Offer& offer : outcome->offers) all.push_back(offer.release.text());
    for (const Refusal& refusal : outcome->refusals) {
      all.push_back("!" + refusal.release.text());
      reasons_ += refusal.reason + "\n";
    }
    return all;
  }

  using Texts = std::vector<std::string>;
  TestRepository repository_;
  FakeStorage disk_;
  FakeHttp http_;
  Config config_;
  trust::Device device_;
  AgentState state_;
  std::string reasons_;
};

}  // namespace polder::agent
