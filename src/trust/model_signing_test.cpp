#include "trust/model_signing.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "platform/file.h"
#include "trust/json.h"
#include "trust/testing.h"

namespace polder::trust {
namespace {

class ModelSigningTest : public testing::Test {
 protected:
  ModelSigningTest() {
    std::string pattern = testing::TempDir() + "/model_signing_test.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    model_ = folder_ + "/model";
    put("b/weights", "w");
    put("b.txt", "text");
    put("a", "");
    put(".gitignore", "*.o");
  }
  ~ModelSigningTest() override { std::filesystem::remove_all(folder_); }

  void put(const std::string& path, std::string_view bytes) {
    const std::string whole = model_ + "/" + path;
    ASSERT_TRUE(make_folders(whole.substr(0, whole.find_last_of('/'))));
    ASSERT_TRUE(write_file_atomic(whole, bytes));
  }
  // Signs into model/model.sig; the bundle.
  std::string sign() {
    const std::string bundle = sign_model(model_, model_ + "/model.sig", key_).value();
    put("model.sig", bundle);
    return bundle;
  }
  Result<SignedModel> verify() {
    return verify_model(model_, model_ + "/model.sig", key_.public_key());
  }
  std::string error() {
    const auto result = verify();
    return result.ok() ? "accepted" : result.error().message;
  }

  std::string folder_, model_;
  TestSigner key_{Scheme::kEcdsaP256};
};

bool holds(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

TEST_F(ModelSigningTest, SignsAFolderFileByFile) {
  sign();
  const SignedModel model = verify().value();
  EXPECT_EQ(model.name, "model");
  ASSERT_EQ(model.files.size(), 3u);  // in the order of the paths' parts, not of their bytes
  EXPECT_EQ(model.files[0], (SignedFile{"a", sha256("")}));
  EXPECT_EQ(model.files[1], (SignedFile{"b/weights", sha256("w")}));
  EXPECT_EQ(model.files[2], (SignedFile{"b.txt", sha256("text")}));
}

TEST_F(ModelSigningTest, SignsOneFile) {
  const std::string file = model_ + "/b.txt", signature = folder_ + "/b.sig";
  ASSERT_TRUE(write_file_atomic(signature, sign_model(file, signature, key_).value()));
  const SignedModel model = verify_model(file, signature, key_.public_key()).value();
  EXPECT_EQ(model.name, "b.txt");
  EXPECT_EQ(model.files, (std::vector<SignedFile>{{".", sha256("text")}}));
  put("b.txt", "texts");
  const auto changed = verify_model(file, signature, key_.public_key());
  ASSERT_FALSE(changed.ok());
  EXPECT_TRUE(holds(changed.error().message, "b.txt: changed after signing"));
}

TEST_F(ModelSigningTest, EveryDifferenceIsNamed) {
  sign();
  put("b/weights", "W");
  EXPECT_TRUE(holds(error(), "model/b/weights: changed after signing"));
  put("b/weights", "w");
  put("b/more", "x");
  EXPECT_TRUE(holds(error(), "model/b/more: not signed"));
  std::filesystem::remove(model_ + "/b/more");
  EXPECT_EQ(error(), "accepted");
  std::filesystem::remove(model_ + "/a");
  EXPECT_TRUE(holds(error(), "model/a: signed, but missing"));
  put("z", "");  // the same bytes under another name
  EXPECT_TRUE(holds(error(), "model/a: signed, but missing"));
}

TEST_F(ModelSigningTest, LinksAreRefused) {
  sign();
  std::filesystem::remove(model_ + "/a");
  put("../outside", "");
  ASSERT_EQ(::symlink("../outside", (model_ + "/a").c_str()), 0);
  EXPECT_TRUE(holds(error(), "model/a: a symbolic link"));
  EXPECT_EQ(sign_model(model_, model_ + "/model.sig", key_).error().code, Code::kDenied);
}

TEST_F(ModelSigningTest, AnotherKeyIsRefused) {
  sign();
  TestSigner other(Scheme::kEcdsaP256);
  const auto result = verify_model(model_, model_ + "/model.sig", other.public_key());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kDenied);
  EXPECT_TRUE(holds(result.error().message, "another key"));
  TestSigner ed25519("x");
  EXPECT_EQ(sign_model(model_, model_ + "/model.sig", ed25519).error().code, Code::kUnsupported);
  EXPECT_EQ(verify_bundle("{}", ed25519.public_key(), "x").error().code, Code::kUnsupported);
}

// Whatever byte of a bundle is changed, it is refused or says the same; never something else.
TEST_F(ModelSigningTest, NoChangedByteChangesWhatIsSigned) {
  const std::string bundle = sign();
  const SignedModel model = verify().value();
  int accepted = 0;
  for (std::size_t i = 0; i < bundle.size(); ++i) {
    std::string changed = bundle;
    changed[i] ^= 1;
    const auto result = verify_bundle(changed, key_.public_key(), "x");
    if (!result.ok()) continue;
    ++accepted;
    EXPECT_EQ(result->files, model.files);
  }
  EXPECT_LT(accepted, 40);  // names of members that nobody needs: tlogEntries, keyid
}

// Statements that a holder of the key has signed, but that this build must not follow.
TEST_F(ModelSigningTest, StatementsThatMeanSomethingElseAreRefused) {
  const auto error_of = [&](auto change) {
    SignedModel model = hash_model(model_, {}).value();
    change(model);
    const auto result = verify_bundle(sign_model(model, key_).value(), key_.public_key(), "x.sig");
    return result.ok() ? "accepted" : result.error().message;
  };
  EXPECT_EQ(error_of([](auto&) {}), "accepted");
  EXPECT_TRUE(holds(error_of([](auto& m) { m.files.clear(); }), "signs nothing"));
  EXPECT_TRUE(holds(error_of([](auto& m) { m.files.push_back(m.files[0]); }), "twice"));
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/"}) {
    EXPECT_TRUE(holds(error_of([&](auto& m) { m.files[0].path = path; }), "stay below")) << path;
  }
}

TEST_F(ModelSigningTest, OtherKindsOfBundlesSaySo) {
  const std::string bundle = sign();
  const auto error_of = [&](std::string_view from, std::string_view to) {
    std::string changed = bundle;
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, changed.npos) << from;
    changed.replace(at, from.size(), to);
    const auto result = verify_bundle(changed, key_.public_key(), "x.sig");
    return result.ok() ? "accepted" : result.error().message;
  };
  EXPECT_TRUE(holds(error_of("bundle.v0.3+json", "bundle.v0.1+json"), "mediaType"));
  EXPECT_TRUE(holds(error_of("\"publicKey\"", "\"certificate\""), "certificate"));
  EXPECT_TRUE(holds(error_of("in-toto+json", "in-toto+xml"), "payloadType"));
  EXPECT_TRUE(holds(error_of("\"signatures\":[", "\"signatures\":[{},"), "2 items; 1 at most"));
  EXPECT_EQ(error_of("\"tlogEntries\":[]", "\"other\":1"), "accepted");
}

}  // namespace
}  // namespace polder::trust
