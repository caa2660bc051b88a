// Which authorities root names for its hub: any JSON, or texts that NUL parts. What is taken is a
// certificate of an authority and no byte more, which a signer is shown, and stays the same when it
// is written.
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "trust/certificate.h"
#include "trust/hub_authorities.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polder::trust;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  tuf::Root root;
  if (auto json = Json::parse(text, "root"); json.ok()) {
    root.other.emplace(tuf::kAuthoritiesMember, *std::move(json));
  } else {
    Json::Array list;
    while (!text.empty()) {
      const std::string_view part = text.substr(0, text.find('\0'));
      list.emplace_back(part);
      text.remove_prefix(std::min(text.size(), part.size() + 1));
    }
    root.other.emplace(tuf::kAuthoritiesMember, std::move(list));
  }
  const auto read = tuf::hub_authorities(root);
  if (!read.ok()) return 0;
  if (read->size() > tuf::kMaxHubAuthorities) std::abort();
  for (const std::string& pem : *read) {
    const auto facts = read_certificate(pem);
    const auto only = only_certificate(pem);
    if (!facts.ok() || !facts->is_authority || !only.ok() || *only != pem) std::abort();
  }
  tuf::Root again;
  if (!tuf::set_hub_authorities(again, *read).ok()) std::abort();
  if (tuf::hub_authorities(again).value() != *read) std::abort();
  return 0;
}
