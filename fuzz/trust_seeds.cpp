#include "trust_seeds.h"

#include "base/check.h"
#include "base/fail.h"
#include "platform/file.h"
#include "trust/audit_log.h"
#include "trust/audit_proof.h"
#include "trust/testing.h"

namespace polder::fuzz {

namespace {

// A key whose half that agrees is not needed: every secret is 32 times the letter s.
class FixedRecipient final : public trust::Decrypter {
 public:
  FixedRecipient() : public_(trust::PublicKey::from_pem(kPem).value()) {}
  const trust::PublicKey& public_key() const override { return public_; }
  Result<trust::Secret> agree(const trust::PublicKey&) override {
    return trust::Secret::copy(std::string(32, 's'));
  }

 private:
  static constexpr char kPem[] =
      "-----BEGIN PUBLIC KEY-----\n"
      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3gabladqaXMYqxC4j5WZCHLkaMhw\n"
      "IzLjp0iXIAWUimit0/6j1fRmE0w6jzTsc8Dcejahe3zcRMRxPwaoOgx/hA==\n"
      "-----END PUBLIC KEY-----\n";
  trust::PublicKey public_;
};

int write(const std::string& path, std::string_view bytes) {
  return write_file_atomic(path, bytes).ok() ? 1 : 0;
}

}  // namespace

std::unique_ptr<trust::Signer> audit_signer() {
  return std::make_unique<trust::TestSigner>("fuzz");
}

trust::ContentKey content_key() {
  return trust::ContentKey::from_bytes(trust::Secret::copy(std::string(32, 'k'))).value();
}

std::unique_ptr<trust::Decrypter> sealed_recipient() { return std::make_unique<FixedRecipient>(); }

int write_audit_seeds(const std::string& folder) {
  auto log_file = std::make_unique<MemoryAppendFile>();
  auto checkpoint_file = std::make_unique<MemoryAppendFile>();
  const MemoryAppendFile &log_bytes = *log_file, &checkpoint_bytes = *checkpoint_file;
  auto log = trust::AuditLog::over(std::move(log_file), std::move(checkpoint_file),
                                   {"example.com/fuzz", "anna", 1'800'000'000});
  POLDER_CHECK(log.ok());
  const auto signer = audit_signer();
  const std::string older = log->checkpoint(*signer).value();
  for (const trust::ActInfo& info : trust::acts().subspan(1, 6)) {
    POLDER_CHECK(log->append({1'800'000'001, "key:1", info.act, "people 1.2", {{"n", 1}}}).ok());
  }
  const std::string newer = log->checkpoint(*signer).value();
  const auto inclusion = trust::prove_entry(log_bytes, 4, newer);
  const auto growth = trust::prove_growth(log_bytes, older, newer);
  auto next_file = std::make_unique<MemoryAppendFile>();
  const MemoryAppendFile& next_bytes = *next_file;
  auto next = trust::AuditLog::over(std::move(next_file), std::make_unique<MemoryAppendFile>(),
                                    {"example.com/fuzz/2", "anna", 1'800'000'002, log->end()});
  POLDER_CHECK(next.ok());
  const ReadableFile* const segments[] = {&log_bytes, &next_bytes};
  const auto across = trust::prove_entry(segments, 4, next->checkpoint(*signer).value());
  return write(folder + "/log", log_bytes.bytes) + write(folder + "/log2", next_bytes.bytes) +
         write(folder + "/checkpoints", checkpoint_bytes.bytes) + write(folder + "/note", newer) +
         write(folder + "/inclusion", inclusion->compact()) +
         write(folder + "/inclusion2", across->compact()) +
         write(folder + "/consistency", growth->compact());
}

int write_sealed_seeds(const std::string& folder) {
  int written = 0;
  const trust::ContentKey key = content_key();
  for (const std::size_t size : {std::size_t(0), std::size_t(100)}) {
    auto sealer = trust::SegmentSealer::create(key, size);
    std::string sealed(size + trust::kGcmTagBytes, '\0');
    POLDER_CHECK(sealer->seal(0, std::string(size, 'x'), sealed).ok());
    written += write(fmt::format("{}/sealed{}", folder, size), sealer->header().bytes() + sealed);
  }
  trust::SealedKeys keys(key);
  written += write(folder + "/keys0", keys.bytes());
  POLDER_CHECK(keys.add(key, sealed_recipient()->public_key()).ok());
  written += write(folder + "/keys1", keys.bytes());
  POLDER_CHECK(keys.add(key, trust::TestSigner(trust::Scheme::kEcdsaP256).public_key()).ok());
  return written + write(folder + "/keys2", keys.bytes());
}

}  // namespace polder::fuzz
