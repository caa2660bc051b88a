#include "trust/csr.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "trust/openssl.h"
#include "trust/testing.h"

namespace polder::trust {
namespace {

using OwnedRequest = Owned<X509_REQ, X509_REQ_free>;

OwnedRequest read(const std::string& pem) {
  const OwnedBio bio(BIO_new_mem_buf(pem.data(), int(pem.size())));
  return OwnedRequest(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
}

TEST(Csr, OpensslVerifiesWhatItAsksFor) {
  for (const Scheme scheme : {Scheme::kEd25519, Scheme::kEcdsaP256}) {
    TestSigner signer(scheme);
    const auto pem = certificate_request(signer, "camera-17.example");
    ASSERT_TRUE(pem.ok()) << pem.error().message;
    const OwnedRequest request = read(*pem);
    ASSERT_TRUE(request);
    EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
    EXPECT_EQ(X509_REQ_verify(request.get(), key), 1);
    EXPECT_EQ(EVP_PKEY_eq(key, KeyAccess::handle(signer.public_key())), 1);
    char name[100];
    X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(request.get()), NID_commonName, name,
                              sizeof name);
    EXPECT_STREQ(name, "camera-17.example");
    // Another key's signature is none.
    TestSigner other(scheme);
    const auto pem_of_other = certificate_request(other, "camera-17.example");
    EXPECT_NE(X509_REQ_verify(read(*pem_of_other).get(), key), 1);
  }
}

TEST(Csr, RefusesNamesAndSchemes) {
  TestSigner signer(Scheme::kEcdsaP256);
  for (const std::string& name :
       {std::string(), std::string(65, 'a'), std::string("a\nb"), std::string("caf\xc3\xa9")}) {
    const auto pem = certificate_request(signer, name);
    ASSERT_FALSE(pem.ok());
    EXPECT_EQ(pem.error().code, Code::kInvalid);
  }
  TestSigner rsa(Scheme::kRsaPss);
  const auto pem = certificate_request(rsa, "camera");
  ASSERT_FALSE(pem.ok());
  EXPECT_EQ(pem.error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace polder::trust
