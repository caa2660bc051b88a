// The authorities of a hub in root: what is read, what is refused, and what whoever signs is shown.
#include "trust/hub_authorities.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "trust/certificate.h"
#include "trust/testing.h"
#include "trust/tuf_repository.h"

namespace polder::trust::tuf {
namespace {

constexpr std::int64_t kNowS = 1'900'000'000;

std::string certificate(CertificateUse use) {
  TestSigner key(Scheme::kEcdsaP256);
  const auto authority = issue_certificate(key, "", key.public_key(),
                                           {.use = CertificateUse::kAuthority,
                                            .common_name = "polder-hub",
                                            .from_s = kNowS,
                                            .until_s = kNowS + kDayS})
                             .value();
  if (use == CertificateUse::kAuthority) return authority;
  return issue_certificate(
             key, authority, key.public_key(),
             {.use = use, .common_name = "x", .from_s = kNowS, .until_s = kNowS + kDayS})
      .value();
}

TEST(HubAuthorities, AreReadAsTheyWereSet) {
  Root root;
  EXPECT_TRUE(hub_authorities(root).value().empty());
  const std::vector<std::string> two = {certificate(CertificateUse::kAuthority),
                                        certificate(CertificateUse::kAuthority)};
  ASSERT_TRUE(set_hub_authorities(root, two).ok());
  EXPECT_EQ(hub_authorities(root).value(), two);
  ASSERT_TRUE(set_hub_authorities(root, {}).ok());
  EXPECT_TRUE(root.other.empty());
}

TEST(HubAuthorities, WhatIsNoneIsRefused) {
  const std::string good = certificate(CertificateUse::kAuthority);
  for (const Json& odd : {Json("x"), Json(Json::Array{Json(1)}), Json(Json::Array{Json("no PEM")}),
                          Json(Json::Array{Json(good), Json(certificate(CertificateUse::kClient))}),
                          // What no signer is shown, and a device would believe.
                          Json(Json::Array{Json(good + certificate(CertificateUse::kAuthority))}),
                          Json(Json::Array{Json(good + "\n")}), Json(Json::Array{Json("x" + good)}),
                          Json(Json::Array(kMaxHubAuthorities + 1, Json(good)))}) {
    Root root;
    root.other.emplace(kAuthoritiesMember, odd);
    EXPECT_FALSE(hub_authorities(root).ok()) << odd.compact().substr(0, 80);
  }
  Root root;
  EXPECT_EQ(set_hub_authorities(root, {certificate(CertificateUse::kClient)}).error().code,
            Code::kInvalid);
}

TEST(HubAuthorities, AChangeIsShownToWhoeverSigns) {
  const std::string folder =
      std::filesystem::temp_directory_path() / ("polder-authorities-" + std::to_string(::getpid()));
  TestSigner root("root"), targets("targets"), online("online");
  auto repository = Repository::create(folder,
                                       {.root = {{root.public_key()}, 1},
                                        .targets = {{targets.public_key()}, 1},
                                        .snapshot = {{online.public_key()}, 1},
                                        .timestamp = {{online.public_key()}, 1}},
                                       profile("hub").value(), kNowS)
                        .value();
  EXPECT_TRUE(repository.changes().value().other.empty());
  const std::string pem = certificate(CertificateUse::kAuthority);
  ASSERT_TRUE(repository.trust_hub({pem}, kNowS).ok());
  const auto told = repository.changes().value().other;
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find(shown_fingerprint(read_certificate(pem).value().fingerprint)),
            std::string::npos)
      << told[0];
  // A second one behind one that was named before.
  EXPECT_FALSE(repository.trust_hub({pem + certificate(CertificateUse::kAuthority)}, kNowS).ok());
  // Whoever rotates keys afterwards leaves it as it is.
  ASSERT_TRUE(repository.renew("root", kNowS + 1).ok());
  EXPECT_EQ(repository.changes().value().other, told);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace polder::trust::tuf
