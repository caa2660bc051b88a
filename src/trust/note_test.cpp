#include "trust/note.h"

#include <gtest/gtest.h>

#include "trust/checkpoint.h"
#include "trust/digest.h"
#include "trust/testing.h"

namespace polder::trust {
namespace {

// The example in the documentation of Go's golang.org/x/mod/sumdb/note.
constexpr char kGoKey[] = "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr char kGoNote[] =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\xe2\x80\x94 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqd"
    "ngotpRZb6KE6RyyBwJnAM=\n";

TEST(Note, OpensGosExample) {
  const PublicKey key = PublicKey::from_ed25519(from_base64(kGoKey).value().substr(1)).value();
  EXPECT_EQ(hex({bytes_of(note_key_id("PeterNeumann", key)), 4}), "c74f20a3");
  const Note note = Note::parse(kGoNote, "go").value();
  EXPECT_EQ(note.text.size(), 99u);
  EXPECT_TRUE(note.verify("PeterNeumann", {&key, 1}));
  EXPECT_FALSE(note.verify("EnochRoot", {&key, 1}).ok());
}

TEST(Note, EverySchemeSigns) {
  for (const Scheme scheme : {Scheme::kEd25519, Scheme::kEcdsaP256, Scheme::kRsaPss}) {
    TestSigner signer(scheme), other(scheme);
    const std::string bytes = sign_note("text\n\nmore\n", "example.com/log", signer).value();
    const Note note = Note::parse(bytes, "test").value();
    EXPECT_EQ(note.text, "text\n\nmore\n");
    EXPECT_TRUE(note.verify("example.com/log", {&signer.public_key(), 1}));
    EXPECT_EQ(note.verify("example.com/log", {&other.public_key(), 1}).error().code, Code::kDenied);
    EXPECT_EQ(note.verify("example.com/b", {&signer.public_key(), 1}).error().code, Code::kDenied);
    EXPECT_EQ(note.verify("example.com/log", {}).error().code, Code::kDenied);
  }
}

TEST(Note, OthersSignaturesMeanNothingOnesOwnBadOneEverything) {
  TestSigner signer("a"), other("b");
  const std::string mine = sign_note("text\n", "x", signer).value();
  const std::string theirs = sign_note("other\n", "x", other).value();
  const std::string line = theirs.substr(theirs.rfind("\n\n") + 2);
  EXPECT_TRUE(Note::parse(mine + line, "t").value().verify("x", {&signer.public_key(), 1}));
  const std::vector<PublicKey> both = {signer.public_key(), other.public_key()};
  EXPECT_EQ(Note::parse(mine + line, "t").value().verify("x", both).error().code, Code::kDenied);
}

TEST(Note, RefusesWhatIsNone) {
  TestSigner signer("a");
  EXPECT_EQ(sign_note("no newline", "x", signer).error().code, Code::kInvalid);
  EXPECT_EQ(sign_note("a\ttab\n", "x", signer).error().code, Code::kInvalid);
  EXPECT_EQ(sign_note("text\n", "two words", signer).error().code, Code::kInvalid);
  EXPECT_EQ(sign_note("text\n", "a+b", signer).error().code, Code::kInvalid);
  const std::string good = sign_note("text\n", "x", signer).value();
  for (const std::string& bad :
       {std::string(), std::string("text\n"), std::string("text\n\n"),
        good.substr(0, good.size() - 1), "\r" + good, "\xff" + good, good + "x\n", good + "\n",
        good + "\xe2\x80\x94 x AAAA\n", good + "\xe2\x80\x94  AAAAAAAA\n"}) {
    EXPECT_EQ(Note::parse(bad, "t").error().code, Code::kCorrupt) << bad;
  }
  EXPECT_EQ(Note::parse(std::string(kMaxNoteBytes + 1, 'x'), "t").error().code, Code::kExhausted);
  std::string many = good;
  for (std::size_t i = 0; i < kMaxNoteSignatures; ++i) many += "\xe2\x80\x94 y AAAAAAAA\n";
  EXPECT_EQ(Note::parse(many, "t").error().code, Code::kExhausted);
}

// The example of c2sp.org/tlog-checkpoint.
TEST(Checkpoint, ReadsTheSpecificationsExample) {
  constexpr std::string_view kText =
      "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
  const Checkpoint checkpoint = Checkpoint::parse(kText, "t").value();
  EXPECT_EQ(checkpoint.origin, "example.com/behind-the-sofa");
  EXPECT_EQ(checkpoint.size, 20852163u);
  EXPECT_EQ(checkpoint.text(), kText);
}

TEST(Checkpoint, IsSignedAndRefusedByName) {
  TestSigner signer("a"), other("b");
  const Checkpoint checkpoint{"example.com/log", 3, sha256("x")};
  const std::string note = sign_checkpoint(checkpoint, signer).value();
  EXPECT_EQ(open_checkpoint(note, {&signer.public_key(), 1}, "t").value(), checkpoint);
  EXPECT_EQ(open_checkpoint(note, {&other.public_key(), 1}, "t").error().code, Code::kDenied);
  // Signed, but under another name than the log's.
  const std::string stray = sign_note(checkpoint.text(), "example.com/b", signer).value();
  EXPECT_EQ(open_checkpoint(stray, {&signer.public_key(), 1}, "t").error().code, Code::kDenied);
  for (std::string text :
       {"example.com/log\n03\n" + base64(std::string(32, 'x')) + "\n",
        "example.com/log\n-3\n" + base64(std::string(32, 'x')) + "\n",
        "example.com/log\n99999999999999999999\n" + base64(std::string(32, 'x')) + "\n",
        "example.com/log\n3\n" + base64(std::string(31, 'x')) + "\n",
        "two words\n3\n" + base64(std::string(32, 'x')) + "\n", checkpoint.text() + "extension\n",
        std::string("example.com/log\n3\n")}) {
    EXPECT_EQ(Checkpoint::parse(text, "t").error().code, Code::kCorrupt) << text;
  }
}

}  // namespace
}  // namespace polder::trust
