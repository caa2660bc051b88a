#include "trust/certificate.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "trust/csr.h"
#include "trust/openssl.h"
#include "trust/testing.h"

namespace polder::trust {
namespace {

using OwnedCertificate = Owned<X509, X509_free>;

constexpr std::int64_t kNow = 1'900'000'000, kDay = 86'400;

OwnedCertificate parse(const std::string& pem) {
  const OwnedBio bio(BIO_new_mem_buf(pem.data(), int(pem.size())));
  return OwnedCertificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

// What OpenSSL says of a chain at a time; "ok".
std::string judged(const std::string& authority, const std::string& leaf, int purpose,
                   std::int64_t at_s = kNow) {
  const Owned<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  const OwnedCertificate root = parse(authority), certificate = parse(leaf);
  X509_STORE_add_cert(store.get(), root.get());
  const Owned<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), certificate.get(), nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, std::time_t{at_s});
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
  X509_verify_cert(context.get());
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

class Certificates : public testing::TestWithParam<Scheme> {
 protected:
  Certificates() : key_(GetParam()) {
    const auto made = issue_certificate(key_, "", key_.public_key(),
                                        {.use = CertificateUse::kAuthority,
                                         .common_name = "hub",
                                         .from_s = kNow - kDay,
                                         .until_s = kNow + 3650 * kDay});
    EXPECT_TRUE(made.ok()) << made.error().message;
    if (made.ok()) authority_ = *made;
  }
  Result<std::string> issue(const PublicKey& key, CertificateTerms terms) {
    terms.from_s = kNow - kDay;
    terms.until_s = kNow + 30 * kDay;
    return issue_certificate(key_, authority_, key, terms);
  }

  TestSigner key_;
  std::string authority_;
};

INSTANTIATE_TEST_SUITE_P(, Certificates, testing::Values(Scheme::kEcdsaP256, Scheme::kEd25519),
                         [](const auto& one) {
                           return one.param == Scheme::kEd25519 ? "Ed25519" : "P256";
                         });

TEST_P(Certificates, OpensslAcceptsThemForTheirUseAndTimeAlone) {
  TestSigner device(Scheme::kEcdsaP256), server(Scheme::kEcdsaP256);
  const auto client = issue(device.public_key(), {.common_name = "cam-7"});
  ASSERT_TRUE(client.ok()) << client.error().message;
  const auto host = issue(server.public_key(), {.use = CertificateUse::kServer,
                                                .common_name = "hub",
                                                .hosts = {"hub.example", "127.0.0.1", "::1"}});
  ASSERT_TRUE(host.ok()) << host.error().message;
  EXPECT_EQ(judged(authority_, *client, X509_PURPOSE_SSL_CLIENT), "ok");
  EXPECT_EQ(judged(authority_, *host, X509_PURPOSE_SSL_SERVER), "ok");
  EXPECT_NE(judged(authority_, *client, X509_PURPOSE_SSL_SERVER), "ok");
  EXPECT_NE(judged(authority_, *host, X509_PURPOSE_SSL_CLIENT), "ok");
  EXPECT_NE(judged(authority_, *client, X509_PURPOSE_SSL_CLIENT, kNow + 31 * kDay), "ok");
  EXPECT_NE(judged(authority_, *client, X509_PURPOSE_SSL_CLIENT, kNow - 2 * kDay), "ok");
  const OwnedCertificate parsed = parse(*host);
  EXPECT_EQ(X509_check_host(parsed.get(), "hub.example", 0, 0, nullptr), 1);
  EXPECT_NE(X509_check_host(parsed.get(), "other.example", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_ip_asc(parsed.get(), "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(parsed.get(), "::1", 0), 1);
}

TEST_P(Certificates, AreCheckedAsAPeerWould) {
  TestSigner device(Scheme::kEcdsaP256), other(GetParam());
  const auto client = issue(device.public_key(), {.common_name = "cam-7"});
  ASSERT_TRUE(client.ok()) << client.error().message;
  const auto why = [&](std::string_view pem, CertificateUse use, std::int64_t now_s) {
    const Status status = check_certificate(pem, authority_, use, now_s);
    return status.ok() ? "ok" : status.error().message;
  };
  EXPECT_EQ(why(*client, CertificateUse::kClient, kNow), "ok");
  EXPECT_NE(why(*client, CertificateUse::kServer, kNow), "ok");
  EXPECT_EQ(why(*client, CertificateUse::kClient, kNow + 31 * kDay),
            "certificate: certificate has expired");
  EXPECT_EQ(why(*client, CertificateUse::kClient, kNow - 2 * kDay),
            "certificate: certificate is not yet valid");
  // The same name, signed by another key.
  const auto foreign =
      issue_certificate(other, "", other.public_key(),
                        {.common_name = "cam-7", .from_s = kNow - kDay, .until_s = kNow + kDay});
  ASSERT_TRUE(foreign.ok());
  EXPECT_NE(why(*foreign, CertificateUse::kClient, kNow), "ok");
  EXPECT_FALSE(check_certificate("x", authority_, CertificateUse::kClient, kNow).ok());
  const auto facts = read_certificate(*client);
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->fingerprint.size(), 64u);
}

TEST_P(Certificates, AnothersAreNone) {
  TestSigner other(GetParam()), device(Scheme::kEcdsaP256);
  const auto foreign = issue_certificate(other, "", other.public_key(),
                                         {.use = CertificateUse::kAuthority,
                                          .common_name = "hub",
                                          .from_s = kNow - kDay,
                                          .until_s = kNow + kDay});
  ASSERT_TRUE(foreign.ok());
  const auto client = issue(device.public_key(), {.common_name = "cam-7"});
  ASSERT_TRUE(client.ok());
  EXPECT_NE(judged(*foreign, *client, X509_PURPOSE_SSL_CLIENT), "ok");
  // Nothing below a device's.
  const auto below = issue_certificate(device, *client, other.public_key(),
                                       {.common_name = "x", .from_s = kNow, .until_s = kNow + 1});
  ASSERT_FALSE(below.ok());
  EXPECT_EQ(below.error().message, "certificate of 'cam-7': is no authority");
  EXPECT_FALSE(issue_certificate(other, authority_, device.public_key(),
                                 {.common_name = "x", .from_s = kNow, .until_s = kNow + 1})
                   .ok());
  EXPECT_FALSE(issue_certificate(other, "", device.public_key(),
                                 {.common_name = "x", .from_s = kNow, .until_s = kNow + 1})
                   .ok());
}

TEST_P(Certificates, SayWhatTheyAre) {
  TestSigner device(Scheme::kEd25519);
  const auto first = issue(device.public_key(), {.common_name = "cam-7"});
  const auto second = issue(device.public_key(), {.common_name = "cam-7"});
  ASSERT_TRUE(first.ok() && second.ok());
  const auto facts = read_certificate(*first);
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_EQ(facts->common_name, "cam-7");
  EXPECT_EQ(facts->key_id, device.public_key().id());
  EXPECT_EQ(facts->from_s, kNow - kDay);
  EXPECT_EQ(facts->until_s, kNow + 30 * kDay);
  EXPECT_FALSE(facts->is_authority);
  EXPECT_EQ(facts->serial.size(), 32u);
  EXPECT_NE(facts->serial, read_certificate(*second)->serial);
  EXPECT_TRUE(read_certificate(authority_)->is_authority);
}

TEST_P(Certificates, TermsAreChecked) {
  TestSigner device(Scheme::kEcdsaP256);
  const auto refused = [&](CertificateTerms terms) {
    const auto made = issue_certificate(key_, authority_, device.public_key(), terms);
    EXPECT_FALSE(made.ok());
    return made.ok() ? "" : made.error().message;
  };
  EXPECT_NE(refused({.common_name = "", .from_s = kNow, .until_s = kNow + 1}), "");
  EXPECT_NE(refused({.common_name = "a\nb", .from_s = kNow, .until_s = kNow + 1}), "");
  EXPECT_NE(refused({.common_name = "a", .from_s = kNow, .until_s = kNow}), "");
  EXPECT_EQ(refused({.common_name = "a", .from_s = kNow, .until_s = kNow + 4000 * kDay}),
            "certificate of 'hub': does not hold for all of the time");
  for (const char* host : {"", "a,DNS:b", "a b", "*.a", ".a", "email:x"}) {
    EXPECT_NE(refused({.use = CertificateUse::kServer,
                       .common_name = "a",
                       .hosts = {host},
                       .from_s = kNow,
                       .until_s = kNow + 1})
                  .find("neither a host's name nor an address"),
              std::string::npos)
        << host;
  }
  EXPECT_NE(refused({.use = CertificateUse::kServer,
                     .common_name = "a",
                     .from_s = kNow,
                     .until_s = kNow + 1}),
            "");
}

TEST(CertificateRequests, AreReadAndHeldToTheirKey) {
  TestSigner device(Scheme::kEcdsaP256);
  const auto pem = certificate_request(device, "cam-7");
  ASSERT_TRUE(pem.ok());
  const auto asked = read_certificate_request(*pem);
  ASSERT_TRUE(asked.ok()) << asked.error().message;
  EXPECT_EQ(asked->common_name, "cam-7");
  EXPECT_EQ(asked->key.id(), device.public_key().id());
  for (const std::string& text : {std::string(), std::string("x"), pem->substr(0, 200)}) {
    const auto bad = read_certificate_request(text);
    ASSERT_FALSE(bad.ok());
    EXPECT_EQ(bad.error().code, Code::kCorrupt);
  }
  // Every other bit of the DER is either refused or says the same.
  const OwnedBio bio(BIO_new_mem_buf(pem->data(), int(pem->size())));
  const Owned<X509_REQ, X509_REQ_free> request(
      PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request.get(), &der);
  const std::string bytes(reinterpret_cast<char*>(der), std::size_t(size));
  OPENSSL_free(der);
  const auto armoured = [](std::string_view of) {
    std::string text = base64(of);
    for (std::size_t i = 64; i < text.size(); i += 65) text.insert(i, "\n");
    return "-----BEGIN CERTIFICATE REQUEST-----\n" + text + "\n-----END CERTIFICATE REQUEST-----\n";
  };
  ASSERT_TRUE(read_certificate_request(armoured(bytes)).ok());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = char(changed[i] ^ 0x10);
    const auto read = read_certificate_request(armoured(changed));
    if (!read.ok()) continue;
    EXPECT_EQ(read->key.id(), asked->key.id()) << i;
    EXPECT_EQ(read->common_name, "cam-7") << i;
  }
}

}  // namespace
}  // namespace polder::trust
