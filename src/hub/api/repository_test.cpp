// Files of the repository, as anybody may ask for them.
#include <filesystem>

#include "hub/repository/testing_releaser.h"

namespace polder::hub {
namespace {

class RepositoryFiles : public ReleasingTest {
 protected:
  void SetUp() override {
    ReleasingTest::SetUp();
    add_release("people", "1.0.0");
    publish();
    digest_ = trust::hex(trust::sha256("a model"));
    blob_ = "/repository/blobs/sha256/" + digest_.substr(0, 2) + "/" + digest_;
  }
  Response get(const std::string& target, const std::string& range = "",
               const std::string& if_none_match = "") const {
    return router_->answer({.id = "r1",
                            .method = "GET",
                            .target = target,
                            .authorization = "",
                            .content_type = "",
                            .if_none_match = if_none_match,
                            .range = range,
                            .body = "",
                            .certificate = ""});
  }
  static std::string header(const Response& response, std::string_view name) {
    for (const auto& [each, value] : response.headers)
      if (each == name) return value;
    return "";
  }
  static std::string content(const Response& response) {
    std::string bytes(response.file_bytes, '\0');
    EXPECT_TRUE(response.file && response.file->read(response.file_from, bytes).ok());
    return bytes;
  }

  std::string digest_, blob_;
};

TEST_F(RepositoryFiles, WhatNeverChangesMayBeKept) {
  for (const std::string& target : {blob_, std::string("/repository/metadata/1.root.json")}) {
    const Response response = get(target);
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(header(response, "Cache-Control"), "public, max-age=31536000, immutable");
    const Response again = get(target, "", header(response, "ETag"));
    EXPECT_EQ(again.status, 304);
    EXPECT_FALSE(again.file);
  }
  EXPECT_EQ(get(blob_).content_type, "application/octet-stream");
  EXPECT_EQ(get("/repository/metadata/1.root.json").content_type, "application/json");
  EXPECT_EQ(content(get(blob_)), "a model");
  const Response timestamp = get("/repository/metadata/timestamp.json");
  EXPECT_EQ(header(timestamp, "Cache-Control"), "no-cache");
  EXPECT_EQ(get("/repository/metadata/timestamp.json", "", header(timestamp, "ETag")).status, 304);
}

TEST_F(RepositoryFiles, PartsAreThoseThatAreAskedFor) {
  struct Case {
    std::string range, content, content_range;
    int status = 206;
  };
  const std::vector<Case> all = {
      {"bytes=0-0", "a", "bytes 0-0/7"},
      {"bytes=2-4", "mod", "bytes 2-4/7"},
      {"bytes=2-", "model", "bytes 2-6/7"},
      {"bytes=2-99", "model", "bytes 2-6/7"},
      {"bytes=-3", "del", "bytes 4-6/7"},
      {"bytes=-99", "a model", "bytes 0-6/7"},
      {"bytes=7-", "", "bytes */7", 416},
      {"bytes=99-100", "", "bytes */7", 416},
      {"bytes=-0", "", "bytes */7", 416},
      // Whatever else is no range, and the whole is the answer (RFC 9110, section 14.2).
      {"bytes=4-2", "a model", "", 200},
      {"bytes=0-1,3-4", "a model", "", 200},
      {"bytes=a-b", "a model", "", 200},
      {"bytes=", "a model", "", 200},
      {"bytes=99999999999999999999-", "a model", "", 200},
      {"lines=1-2", "a model", "", 200},
  };
  for (const Case& each : all) {
    const Response response = get(blob_, each.range);
    EXPECT_EQ(response.status, each.status) << each.range;
    EXPECT_EQ(header(response, "Content-Range"), each.content_range) << each.range;
    if (each.status == 416) continue;
    EXPECT_EQ(content(response), each.content) << each.range;
  }
}

TEST_F(RepositoryFiles, NothingElseIsServed) {
  namespace fs = std::filesystem;
  const fs::path served = folder_ / "repository";
  ASSERT_TRUE(write_file_atomic((served / "staged/1.root.json").string(), "secret").ok());
  fs::create_symlink(folder_ / "hub.db", served / "metadata" / "9.root.json");
  fs::create_symlink(folder_, served / "targets" / "out");
  const std::string named = std::string(64, 'a') + ".x";
  ASSERT_TRUE(write_file_atomic((folder_ / named).string(), "secret").ok());
  const std::vector<std::string> all = {
      "/repository",
      "/repository/repository.toml",
      "/repository/staged/1.root.json",
      "/repository/metadata",
      "/repository/metadata/2.root.json",
      "/repository/metadata/9.root.json",
      "/repository/metadata/..%2frepository.toml",
      "/repository/metadata/1.x%2f..%2f..%2frepository.toml",
      "/repository/metadata/..",
      "/repository/metadata/1.root.json/x",
      "/repository/targets/out/" + named,
      "/repository/targets/%2e%2e/%2e%2e/" + named,
      "/repository/targets/..%2f..%2f" + named,
      "/repository/targets/people",
      "/repository/targets/people/1.0.0",
      "/repository/targets/people/1.0.0/manifest.json",
      "/repository/blobs/sha256/" + digest_.substr(0, 2),
      "/repository/blobs/sha256/00/" + digest_,
      "/repository/blobs/sha256/" + digest_ + "/" + digest_,
      "/repository/blobs/sha256/../" + digest_,
  };
  for (const std::string& target : all) {
    const Response response = get(target);
    EXPECT_EQ(response.status, 404) << target << response.body;
    EXPECT_FALSE(response.file);
  }
  EXPECT_EQ(get("/repository/targets//x").status, 400);
  EXPECT_TRUE(log_.empty()) << log_[0];
}

}  // namespace
}  // namespace polder::hub
