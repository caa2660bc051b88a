// Model signatures: bundles, which nobody can forge here, and the statements in them, which whoever
// holds a key could make.
#include <cstdlib>

#include "trust/model_signing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polder::trust;
  static const PublicKey key =
      PublicKey::from_pem(
          "-----BEGIN PUBLIC KEY-----\n"
          "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+YhUKpIftPIbi9U17H29wC4JdMZu\n"
          "qyH/mON52iSVP/udk3P8+w7+Xb65wGdT2hhRIK+7WcUgpSor9I1e4+QLPA==\n"
          "-----END PUBLIC KEY-----\n")
          .value();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (verify_bundle(bytes, key, "fuzz").ok()) std::abort();
  const auto model = parse_statement(bytes, "fuzz");
  if (!model) return 0;
  for (const SignedFile& file : model->files) {
    if (file.path.empty() || file.path[0] == '/' || file.path.starts_with("../")) std::abort();
  }
  return 0;
}
