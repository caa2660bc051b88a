#include "trust/key_uri.h"

#include <gtest/gtest.h>

namespace polder::trust {
namespace {

Error error_of(const std::string& uri) {
  auto parsed = KeyUri::parse(uri);
  EXPECT_FALSE(parsed.ok()) << uri;
  return parsed.ok() ? Error{} : std::move(parsed).error();
}

TEST(KeyUri, AFileIsAPathOrAUri) {
  for (const auto& [uri, path] : {std::pair{"root.pem", "root.pem"},
                                  {"file:root.pem", "root.pem"},
                                  {"file:/a/b.pem", "/a/b.pem"},
                                  {"file:///a/b.pem", "/a/b.pem"},
                                  {"c:/root.pem", "c:/root.pem"}}) {
    const KeyUri parsed = KeyUri::parse(uri).value();
    EXPECT_EQ(parsed.place, KeyPlace::kFile);
    EXPECT_EQ(parsed.path, path);
  }
  EXPECT_EQ(error_of("").code, Code::kInvalid);
  EXPECT_EQ(error_of("file:").code, Code::kInvalid);
  EXPECT_EQ(error_of(std::string("a\0b", 3)).code, Code::kInvalid);
}

// The examples of RFC 7512, section 3, as far as they name private keys.
TEST(KeyUri, Pkcs11AttributesAreDecoded) {
  const Pkcs11Uri parsed =
      Pkcs11Uri::parse(
          "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20"
          "Oil,%20Inc.;model=1.0;serial=3;slot-id=327;object=my-certificate;type="
          "private;id=%69%95%3E%5C%F4%BD%EC%91?module-path=/lib%2Fx.so")
          .value();
  EXPECT_EQ(parsed.token, "The Software PKCS#11 Softtoken");
  EXPECT_EQ(parsed.manufacturer, "Snake Oil, Inc.");
  EXPECT_EQ(parsed.model, "1.0");
  EXPECT_EQ(parsed.serial, "3");
  EXPECT_EQ(parsed.slot_id, 327u);
  EXPECT_EQ(parsed.object, "my-certificate");
  EXPECT_EQ(parsed.id, "\x69\x95\x3e\x5c\xf4\xbd\xec\x91");
  EXPECT_EQ(parsed.module_path, "/lib/x.so");
  const Pkcs11Uri empty = Pkcs11Uri::parse("pkcs11:").value();
  EXPECT_FALSE(empty.token.has_value());
  EXPECT_TRUE(empty.module_path.empty());
}

TEST(KeyUri, Pkcs11ErrorsSayWhichPart) {
  for (const auto& [uri, words] : {std::pair{"pkcs11:token=a;token=b", "'token' is given twice"},
                                   {"pkcs11:token=%2", "two hexadecimal digits"},
                                   {"pkcs11:token=%zz", "two hexadecimal digits"},
                                   {"pkcs11:slot-id=x", "a whole number"},
                                   {"pkcs11:label=a", "unknown attribute 'label'"},
                                   {"pkcs11:type=cert", "'type' is private"},
                                   {"pkcs11:object=a?module-name=b", "module-path exists"}}) {
    const Error error = error_of(uri);
    EXPECT_EQ(error.code, Code::kInvalid) << uri;
    EXPECT_NE(error.message.find(words), std::string::npos) << error.message;
  }
  for (const char* uri : {"pkcs11:object=a?pin-value=1", "pkcs11:?pin-source=file:/pin"})
    EXPECT_EQ(error_of(uri).code, Code::kDenied);
  EXPECT_EQ(error_of("pkcs11:token=" + std::string(5000, 'a')).code, Code::kInvalid);
}

TEST(KeyUri, ATpmHandleIsPersistent) {
  const KeyUri parsed = KeyUri::parse("tpm:0x81000001").value();
  EXPECT_EQ(parsed.place, KeyPlace::kTpm);
  EXPECT_EQ(parsed.tpm_handle, 0x81000001u);
  EXPECT_FALSE(parsed.tpm_passphrase);
  EXPECT_TRUE(KeyUri::parse("tpm:0x81FFFFFF?pass").value().tpm_passphrase);
  for (const char* uri : {"tpm:", "tpm:0x", "tpm:81000001", "tpm:0x80ffffff", "tpm:0x82000000",
                          "tpm:0x8100000g", "tpm:0x181000001", "tpm:0x81000001?pin"}) {
    EXPECT_EQ(error_of(uri).code, Code::kInvalid) << uri;
  }
}

}  // namespace
}  // namespace polder::trust
