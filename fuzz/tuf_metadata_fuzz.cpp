// TUF metadata of any bytes: read, and fed to a device's verifier. Each line of an input is a
// document: a signed file as it is, or the "signed" part alone, which is then signed with the key
// that the first root trusts, so that the search goes behind the signatures.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "trust/testing.h"
#include "trust/tuf_trusted_set.h"
#include "trust/tuf_updater.h"

namespace {

using namespace polder::trust::tuf;
using polder::trust::Json;
using polder::trust::Signer;
using polder::trust::TestSigner;

constexpr std::int64_t kNowS = 1893456000;  // 2030-01-01
constexpr std::size_t kMaxDocuments = 16;

Signer& signer() {
  static TestSigner key(std::string_view("fuzz"));
  return key;
}

const std::string& first_root() {
  static const std::string bytes = [] {
    Root root;
    root.expires_s = kNowS + kDayS;
    root.consistent_snapshot = true;
    root.keys.emplace("k", to_key(signer().public_key()));
    for (const char* role : {"root", "timestamp", "snapshot", "targets"}) {
      root.roles[role].key_ids = {"k"};
    }
    Envelope envelope;
    envelope.signed_part = to_json(root);
    POLDER_CHECK(envelope.add_signature(signer(), "k").ok());
    return envelope.bytes();
  }();
  return bytes;
}

// What was read is written and read again as the same.
template <class Body>
void check_form(std::string_view bytes) {
  const auto first = parse_metadata<Body>(bytes, "fuzz.json");
  if (!first.ok()) return;
  Envelope envelope;
  envelope.signed_part = to_json(first->body);
  const auto second = parse_metadata<Body>(envelope.bytes(), "fuzz.json");
  POLDER_CHECK(second.ok());
  POLDER_CHECK(to_json(second->body) == to_json(first->body));
}

std::string document_of(std::string_view line) {
  auto json = Json::parse(line, "fuzz.json");
  if (!json.ok() || json->members() == nullptr || json->find("signed") != nullptr) {
    return std::string(line);
  }
  Envelope envelope;
  envelope.signed_part = std::move(*json);
  if (!envelope.add_signature(signer(), "k").ok()) return std::string(line);  // a fraction
  return envelope.bytes();
}

// The role that lists a target is trusted for it.
void check_lookup(const TrustedSet& set, const Lookup& lookup, std::string_view path) {
  POLDER_CHECK(set.targets(lookup.role)->targets.count(path) == 1);
  if (lookup.role == "targets") return;
  bool covered = false;
  for (const auto& [file, meta] : set.snapshot()->meta) {
    const Targets* body =
        set.targets(file.substr(0, file.size() - std::min<std::size_t>(5, file.size())));
    if (body == nullptr || !body->delegations) continue;
    const Delegations& delegations = *body->delegations;
    for (const DelegatedRole& child : delegations.roles) {
      covered = covered || (child.name == lookup.role && child.covers(path));
    }
    covered =
        covered || (delegations.succinct && delegations.succinct->bin_of(path) == lookup.role);
  }
  POLDER_CHECK(covered);
}

// As an updater would: every document to the role that is due, first as what was stored.
void update(const std::vector<std::string>& documents) {
  auto set = TrustedSet::start(first_root(), kNowS);
  POLDER_CHECK(set.ok());
  std::size_t next = 0;
  while (next < documents.size() && set->update_root(documents[next]).ok()) ++next;
  if (!set->end_roots().ok()) return;
  bool updated = false;
  for (; next < documents.size() && !updated; ++next) {
    const std::int64_t before = set->timestamp() != nullptr ? set->timestamp()->version : 0;
    if (set->timestamp() == nullptr && set->load_timestamp(documents[next]).ok()) continue;
    updated = set->update_timestamp(documents[next]).ok();
    POLDER_CHECK(!updated || set->timestamp()->version >= before);
    POLDER_CHECK(!updated || set->timestamp()->expires_s > kNowS);
  }
  if (!updated) return;
  for (; next < documents.size() && !set->has_snapshot(); ++next) {
    if (set->load_snapshot(documents[next]).ok() || set->has_snapshot()) continue;
    (void)set->update_snapshot(documents[next]);
  }
  // A stored snapshot is taken once; what does not fit is tried as the new one.
  for (std::size_t i = 0; i < documents.size() && !set->has_snapshot(); ++i) {
    (void)set->update_snapshot(documents[i]);
  }
  if (!set->has_snapshot()) return;
  POLDER_CHECK(set->snapshot()->version == set->timestamp()->snapshot.version);
  for (const std::string_view path : {"a/x.plan", "b/y", "x"}) {
    for (int steps = 0; steps < 64; ++steps) {
      const auto lookup = set->find(path);
      if (!lookup.ok()) break;
      if (lookup->file != nullptr) check_lookup(*set, *lookup, path);
      if (!lookup->needs_more()) break;
      bool loaded = false;
      for (const std::string& document : documents) {
        loaded = set->update_targets(lookup->missing_role, lookup->delegator, document).ok();
        if (loaded) break;
      }
      if (!loaded) break;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> documents;
  while (!text.empty() && documents.size() < kMaxDocuments) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    documents.push_back(document_of(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  for (const std::string& document : documents) {
    const auto envelope = parse_envelope(document, kMaxTargetsBytes, "fuzz.json");
    if (!envelope.ok()) continue;
    const std::string_view type = envelope->type();
    if (type == Root::kType) check_form<Root>(document);
    else if (type == Timestamp::kType) check_form<Timestamp>(document);
    else if (type == Snapshot::kType) check_form<Snapshot>(document);
    else check_form<Targets>(document);
  }
  update(documents);
  for (const std::string& document : documents) {
    (void)target_name(Target{document.substr(0, 64), "a", {}}, false);
    (void)stored_name(document.substr(0, 300));
  }
  return 0;
}
