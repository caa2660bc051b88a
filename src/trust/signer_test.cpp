#include "trust/signer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "platform/file.h"
#include "trust/openssl.h"
#include "trust/unwrap.h"

namespace polder::trust {
namespace {

namespace fs = std::filesystem;

class SignerTest : public testing::Test {
 protected:
  SignerTest() {
    std::string name = testing::TempDir() + "keys.XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~SignerTest() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  // A private file of that text.
  std::string file(const std::string& name, const std::string& text) const {
    EXPECT_TRUE(write_file_atomic(path(name), text).ok());
    ::chmod(path(name).c_str(), 0600);
    return path(name);
  }
  static std::string text_of(const std::string& path) { return read_file(path, 1 << 20).value(); }
  void type(std::initializer_list<const char*> words) {
    input_.typed.assign(words.begin(), words.end());
  }
  // The error of opening; what it names is checked by the caller.
  Error error_of(const std::string& uri) {
    auto signer = open_signer(uri, source_);
    EXPECT_FALSE(signer.ok());
    return signer.ok() ? Error{} : std::move(signer).error();
  }

  FakeSecretInput input_;
  GivenPassphrase source_{input_, {}};
  std::string folder_;
};

TEST_F(SignerTest, KeysOfAllSchemesSignAgainAfterTheyAreOpened) {
  NoPassphrase none;
  for (const Scheme scheme : {Scheme::kEd25519, Scheme::kEcdsaP256, Scheme::kRsaPss}) {
    const std::string name = path(std::string(scheme_name(scheme)));
    const PublicKey made = create_key(name, scheme, none).value();
    EXPECT_EQ(made.scheme(), scheme);
    struct stat info {};
    ASSERT_EQ(::stat(name.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777u, 0600u);
    auto signer = open_signer("file:" + name, none).value();
    EXPECT_EQ(signer->public_key(), made);
    const std::string signature = signer->sign("message").value();
    EXPECT_TRUE(made.verify("message", signature).ok());
    EXPECT_FALSE(made.verify("another", signature).ok());
    EXPECT_TRUE(made.verify("", signer->sign("").value()).ok());
  }
}

TEST_F(SignerTest, PublicHalvesHoldNoPrivateKey) {
  NoPassphrase none;
  const PublicKey made = create_key(path("a.pem"), Scheme::kEcdsaP256, none).value();
  EXPECT_LE(i2d_PrivateKey(KeyAccess::handle(made), nullptr), 0);
  EXPECT_NE(openssl_reason(), "");
}

TEST_F(SignerTest, NothingIsEverOverwritten) {
  NoPassphrase none;
  ASSERT_TRUE(create_key(path("a.pem"), Scheme::kEd25519, none).ok());
  const std::string before = text_of(path("a.pem"));
  const auto again = create_key(path("a.pem"), Scheme::kEd25519, none);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, Code::kDenied);
  EXPECT_NE(again.error().message.find("never overwritten"), std::string::npos);
  EXPECT_EQ(text_of(path("a.pem")), before);
  fs::create_symlink(path("nowhere"), path("link.pem"));
  EXPECT_FALSE(create_key(path("link.pem"), Scheme::kEd25519, none).ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 2);
}

TEST_F(SignerTest, EachPassphraseProblemHasItsError) {
  type({"geheim", "geheim"});
  ASSERT_TRUE(create_key(path("a.pem"), Scheme::kEd25519, source_).ok());
  EXPECT_TRUE(text_of(path("a.pem")).starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
  type({"falsch"});
  Error error = error_of(path("a.pem"));
  EXPECT_EQ(error.code, Code::kDenied);
  EXPECT_EQ(
      error.message,
      path("a.pem") +
          ": wrong passphrase: try again; if it is forgotten, another key has to take its place");
  type({});
  EXPECT_NE(error_of(path("a.pem")).message.find("given up"), std::string::npos);
  input_.terminal = false;
  error = error_of(path("a.pem"));
  EXPECT_EQ(error.code, Code::kDenied);
  EXPECT_NE(error.message.find("--passphrase-fd"), std::string::npos);
  input_.variables["POLDER_PASSPHRASE"] = "geheim";
  EXPECT_TRUE(open_signer(path("a.pem"), source_).ok());
}

TEST_F(SignerTest, ChoosingAPassphraseAsksTwice) {
  type({"one", "two"});
  auto made = create_key(path("a.pem"), Scheme::kEd25519, source_);
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find("differ"), std::string::npos);
  type({""});
  made = create_key(path("a.pem"), Scheme::kEd25519, source_);
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find("--no-passphrase"), std::string::npos);
  EXPECT_FALSE(fs::exists(path("a.pem")));
}

TEST_F(SignerTest, ADescriptorHasALineForEachKey) {
  input_.descriptors[7] = {"first", "second"};
  GivenPassphrase lines(input_, {.descriptor = 7});
  for (const char* word : {"first", "second", "second"})
    EXPECT_EQ(lines.existing("key").value().view(), word);
  GivenPassphrase absent(input_, {.descriptor = 8});
  EXPECT_EQ(absent.existing("key").error().code, Code::kInvalid);
}

TEST_F(SignerTest, FilesThatOthersReadAreRefusedWithTheCommandThatMendsThem) {
  NoPassphrase none;
  ASSERT_TRUE(create_key(path("it's.pem"), Scheme::kEd25519, none).ok());
  for (const unsigned mode : {0640u, 0604u, 0620u, 0601u}) {
    ::chmod(path("it's.pem").c_str(), mode);
    const Error error = error_of(path("it's.pem"));
    EXPECT_EQ(error.code, Code::kDenied);
    EXPECT_NE(error.message.find("chmod 600 '" + folder_ + "/it'\\''s.pem'"), std::string::npos)
        << error.message;
  }
  ::chmod(path("it's.pem").c_str(), 0400);
  EXPECT_TRUE(open_signer(path("it's.pem"), none).ok());
}

TEST_F(SignerTest, AKeyThatThisUserMayNotReadIsStillAKey) {
  if (::geteuid() != 0) GTEST_SKIP() << "becomes another user";
  NoPassphrase none;
  ASSERT_TRUE(create_key(path("key.pem"), Scheme::kEd25519, none).ok());
  ::chmod(folder_.c_str(), 0755);
  ASSERT_EQ(::seteuid(65534), 0);
  const Error error = error_of(path("key.pem"));
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_EQ(error.code, Code::kDenied);
  EXPECT_NE(error.message.find("Permission denied"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("chown 65534 '" + path("key.pem")), std::string::npos)
      << error.message;
}

TEST_F(SignerTest, WhatIsNoPrivateKeyIsNamed) {
  NoPassphrase none;
  const PublicKey key = create_key(path("a.pem"), Scheme::kEcdsaP256, none).value();
  const std::string text = text_of(path("a.pem"));
  const auto expect = [&](const std::string& bytes, Code code, const char* words) {
    const Error error = error_of(file("bad.pem", bytes));
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_NE(error.message.find(words), std::string::npos) << error.message;
    EXPECT_TRUE(error.message.starts_with(path("bad.pem"))) << error.message;
  };
  expect("", Code::kCorrupt, "a private key in PEM is expected");
  expect("hello", Code::kCorrupt, "a private key in PEM is expected");
  expect(text.substr(0, text.size() - 40), Code::kCorrupt, "cut off");
  expect(text.substr(0, 60) + text.substr(80), Code::kCorrupt, "restore the file");
  expect(key.pem(), Code::kInvalid, "a public key, where a private key is expected");
  expect("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", Code::kUnsupported,
         "openssl pkcs8 -topk8");
  expect(std::string(100000, 'A'), Code::kExhausted, "at most");
  EXPECT_EQ(error_of(path("none.pem")).code, Code::kNotFound);
  EXPECT_EQ(error_of(folder_).code, Code::kInvalid);
}

TEST_F(SignerTest, APassphraseIsChangedOrTakenAway) {
  NoPassphrase none;
  const PublicKey key = create_key(path("a.pem"), Scheme::kEd25519, none).value();
  const std::string before = text_of(path("a.pem"));
  type({"three", "four"});
  EXPECT_FALSE(change_passphrase(path("a.pem"), source_, source_).ok());
  EXPECT_EQ(text_of(path("a.pem")), before);
  type({"two", "two"});
  ASSERT_TRUE(change_passphrase(path("a.pem"), source_, source_).ok());
  EXPECT_NE(text_of(path("a.pem")), before);
  type({"two"});
  ASSERT_TRUE(change_passphrase(path("a.pem"), source_, none).ok());
  EXPECT_EQ(open_signer(path("a.pem"), none).value()->public_key(), key);
}

TEST_F(SignerTest, TwoDecryptersAgree) {
  NoPassphrase none;
  const PublicKey a = create_key(path("a.pem"), Scheme::kEcdsaP256, none).value();
  const PublicKey b = create_key(path("b.pem"), Scheme::kEcdsaP256, none).value();
  auto of_a = open_decrypter(path("a.pem"), none).value();
  auto of_b = open_decrypter(path("b.pem"), none).value();
  const Secret shared = of_a->agree(b).value();
  EXPECT_EQ(shared.size(), 32u);
  EXPECT_EQ(shared.view(), of_b->agree(a).value().view());
  EXPECT_EQ(of_a->public_key(), a);
  const PublicKey other = create_key(path("c.pem"), Scheme::kEd25519, none).value();
  EXPECT_EQ(of_a->agree(other).error().code, Code::kInvalid);
  EXPECT_EQ(open_decrypter(path("c.pem"), none).error().code, Code::kUnsupported);
}

// Run by tests/e2e/keys_test.py, which starts a TPM and makes the key.
TEST_F(SignerTest, DISABLED_AgreesInTheTpm) {
  NoPassphrase none;
  auto device = open_decrypter("tpm:0x81000001", none).value();
  const PublicKey ephemeral = create_key(path("e.pem"), Scheme::kEcdsaP256, none).value();
  auto releaser = open_decrypter(path("e.pem"), none).value();
  const Secret shared = device->agree(ephemeral).value();
  EXPECT_EQ(shared.size(), 32u);
  EXPECT_EQ(shared.view(), releaser->agree(device->public_key()).value().view());
}

}  // namespace
}  // namespace polder::trust
