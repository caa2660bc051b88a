#include "trust/tuf_metadata.h"

#include <gtest/gtest.h>

#include "trust/digest.h"
#include "trust/testing.h"

namespace polder::trust::tuf {
namespace {

constexpr std::int64_t k2030 = 1893456000;

Root small_root(std::initializer_list<const Signer*> keys, std::int64_t threshold) {
  Root root;
  root.expires_s = k2030;
  root.consistent_snapshot = true;
  for (const char* name : {"root", "timestamp", "snapshot", "targets"}) {
    RoleKeys role;
    role.threshold = threshold;
    for (const Signer* signer : keys) {
      const PublicKey& key = signer->public_key();
      root.keys.emplace(key.id(), to_key(key));
      role.key_ids.push_back(key.id());
    }
    root.roles.emplace(name, role);
  }
  return root;
}

template <class Body>
std::string error_of(const Json& signed_part) {
  Envelope envelope;
  envelope.signed_part = signed_part;
  const auto metadata = parse_metadata<Body>(envelope.bytes(), "x.json");
  return metadata.ok() ? "" : metadata.error().message;
}

// The document with a member of another value; nullptr: without it.
Json with(Json json, std::initializer_list<std::string_view> path, Json value) {
  Json* place = &json;
  for (const std::string_view name : path) place = &(*place->members())[std::string(name)];
  *place = std::move(value);
  return json;
}
Json without(Json json, std::string_view name) {
  json.members()->erase(std::string(name));
  return json;
}

TEST(TufTime, IsOfOneForm) {
  EXPECT_EQ(parse_time("1970-01-01T00:00:00Z", "").value(), 0);
  EXPECT_EQ(parse_time("1985-10-21T01:21:00Z", "").value(), 498705660);
  EXPECT_EQ(parse_time("2024-02-29T23:59:59Z", "").value(), 1709251199);
  for (const std::int64_t time_s : {std::int64_t(0), k2030, std::int64_t(-86401)}) {
    EXPECT_EQ(parse_time(time_text(time_s), "").value(), time_s);
  }
  EXPECT_EQ(time_text(INT64_MAX), "9999-12-31T23:59:59Z");
  EXPECT_EQ(time_text(INT64_MIN), "0000-01-01T00:00:00Z");
  for (const char* bad :
       {"", "2030-01-01", "2030-01-01T00:00:00", "2030-01-01 00:00:00Z", "2030-01-01T00:00:00+0100",
        "2030-13-01T00:00:00Z", "2030-02-30T00:00:00Z", "2030-01-01T24:00:00Z",
        "2030-01-01T00:60:00Z", "2030-01-01T00:00:60Z", "2030-01-01T00:00:00.5Z",
        "-030-01-01T00:00:00Z", "2030-01-01T00:00:00z"}) {
    EXPECT_EQ(parse_time(bad, "t").error().code, Code::kCorrupt) << bad;
  }
}

TEST(TufMetadata, AllKindsSurviveWritingAndReading) {
  TestSigner signer("a");
  Signer* const signers[] = {&signer};
  Root root = small_root({&signer}, 1);
  root.other["x-note"] = Json::Members{{"a", 1}};
  root.roles.at("targets").other["x-more"] = true;
  const std::string bytes = sign_metadata(to_json(root), signers).value();
  const auto again = parse_metadata<Root>(bytes, "root.json").value();
  EXPECT_EQ(to_json(again.body), to_json(root));
  EXPECT_EQ(again.envelope.bytes(), bytes);
  EXPECT_EQ(again.envelope.type(), "root");
  EXPECT_TRUE(again.envelope.check(again.body.keys, again.body.roles.at("root"), "root.json"));

  Timestamp timestamp;
  timestamp.expires_s = k2030;
  timestamp.version = 7;
  timestamp.snapshot = {.version = 3, .length = 10, .hashes = {{"sha256", "ab"}}};
  Snapshot snapshot;
  snapshot.meta["targets.json"] = {.version = 4};
  snapshot.meta["people.json"] = {.version = 5, .hashes = {{"sha512", "cd"}}};
  Targets targets;
  targets.targets["a/b.plan"] = {
      .length = 5, .hashes = {{"sha256", "ef"}}, .custom = Json(Json::Members{{"k", "v"}})};
  Delegations& delegations = targets.delegations.emplace();
  delegations.keys.emplace("k1", to_key(signer.public_key()));
  DelegatedRole role;
  role.name = "people";
  role.key_ids = {"k1"};
  role.terminating = true;
  role.paths = {"people/*"};
  delegations.roles.push_back(role);
  role.name = "bins";
  role.paths.reset();
  role.path_hash_prefixes = {"0", "1f"};
  delegations.roles.push_back(role);
  const auto same = [&](const auto& body) {
    using Body = std::decay_t<decltype(body)>;
    const std::string file = sign_metadata(to_json(body), signers).value();
    return to_json(parse_metadata<Body>(file, "x.json").value().body) == to_json(body);
  };
  EXPECT_TRUE(same(timestamp));
  EXPECT_TRUE(same(snapshot));
  EXPECT_TRUE(same(targets));
  delegations.roles.clear();
  SuccinctRoles& succinct = delegations.succinct.emplace();
  succinct.key_ids = {"k1"};
  succinct.bit_length = 8;
  succinct.name_prefix = "bin";
  EXPECT_TRUE(same(targets));
}

TEST(TufMetadata, BadMembersAreNamed) {
  TestSigner signer("a");
  const Json root = to_json(small_root({&signer}, 1));
  ASSERT_EQ(error_of<Root>(root), "");
  EXPECT_EQ(error_of<Root>(without(root, "version")), "x.json.signed.version: missing");
  EXPECT_EQ(error_of<Root>(with(root, {"version"}, 0)),
            "x.json.signed.version: an integer from 1 to 9007199254740991 expected, 0 found");
  EXPECT_EQ(error_of<Root>(with(root, {"version"}, 1.5)),
            "x.json.signed.version: an integer expected, a number found");
  EXPECT_EQ(error_of<Root>(with(root, {"_type"}, "targets")),
            "x.json.signed._type: 'root' expected, 'targets' found");
  EXPECT_EQ(error_of<Root>(with(root, {"spec_version"}, "2.0.0")),
            "x.json.signed.spec_version: 1.* expected, '2.0.0' found");
  EXPECT_EQ(error_of<Root>(with(root, {"expires"}, "soon")),
            "x.json.signed.expires: a time such as 2030-01-01T00:00:00Z expected, 'soon' found");
  EXPECT_EQ(error_of<Root>(with(root, {"consistent_snapshot"}, 1)),
            "x.json.signed.consistent_snapshot: true or false expected, an integer found");
  EXPECT_EQ(error_of<Root>(with(root, {"roles"}, Json::Members())),
            "x.json.signed.roles.root: missing");
  EXPECT_EQ(error_of<Root>(with(root, {"roles", "root", "threshold"}, 0)),
            "x.json.signed.roles.root.threshold: an integer from 1 to 9007199254740991 expected, "
            "0 found");
  EXPECT_EQ(error_of<Root>(with(root, {"roles", "root", "keyids"}, Json::Array{"a", "b", "a"})),
            "x.json.signed.roles.root.keyids: key 'a' is there twice");

  Timestamp timestamp;
  EXPECT_EQ(error_of<Timestamp>(with(to_json(timestamp), {"meta", "other.json"}, 1)),
            "x.json.signed.meta.other.json: unknown member");
  Targets targets;
  targets.targets["a"] = {.length = 1, .hashes = {{"sha256", "xyz"}}};
  EXPECT_EQ(error_of<Targets>(to_json(targets)),
            "x.json.signed.targets.a.hashes.sha256: hexadecimal digits expected");
  targets.targets["a"].hashes.clear();
  EXPECT_EQ(error_of<Targets>(to_json(targets)),
            "x.json.signed.targets.a.hashes: 1 to 8 hashes expected, 0 found");
  targets.targets.clear();
  DelegatedRole role;
  role.name = "a";
  targets.delegations.emplace().roles = {role, role};
  EXPECT_EQ(error_of<Targets>(to_json(targets)),
            "x.json.signed.delegations.roles[1]: 'a' is the name of roles[0] already");
  targets.delegations->roles.pop_back();
  targets.delegations->roles[0].name = "snapshot";
  EXPECT_EQ(error_of<Targets>(to_json(targets)),
            "x.json.signed.delegations.roles[0].name: 'snapshot' is the name of a top-level role");
  targets.delegations->roles[0].name = "a";
  targets.delegations->roles[0].paths.emplace();
  targets.delegations->roles[0].path_hash_prefixes.emplace();
  EXPECT_EQ(error_of<Targets>(to_json(targets)),
            "x.json.signed.delegations.roles[0]: paths or path_hash_prefixes expected, both found");
}

TEST(TufMetadata, SignaturesAreCounted) {
  TestSigner a("a"), b("b"), c("c");
  Root root = small_root({&a, &b}, 2);
  const RoleKeys role = root.roles.at("root");
  Envelope envelope;
  envelope.signed_part = to_json(root);
  EXPECT_EQ(envelope.count(root.keys, role).value(), 0);
  ASSERT_TRUE(envelope.add_signature(a));
  ASSERT_TRUE(envelope.add_signature(a));  // replaces
  ASSERT_TRUE(envelope.add_signature(c));  // not of this role
  EXPECT_EQ(envelope.signatures.size(), 2u);
  EXPECT_EQ(envelope.count(root.keys, role).value(), 1);
  const Status below = envelope.check(root.keys, role, "1.root.json");
  EXPECT_EQ(below.error().code, Code::kDenied);
  EXPECT_EQ(below.error().message,
            "1.root.json: signatures of 2 of its role's 2 keys expected, 1 found");
  ASSERT_TRUE(envelope.add_signature(b));
  EXPECT_TRUE(envelope.check(root.keys, role, ""));
  // What was signed is no longer what is there.
  Envelope changed = parse_envelope(envelope.bytes(), 1 << 20, "").value();
  EXPECT_TRUE(changed.check(root.keys, role, ""));
  (*changed.signed_part.members())["version"] = 2;
  EXPECT_EQ(changed.count(root.keys, role).value(), 0);
}

TEST(TufMetadata, OneKeyUnderTwoIdsCountsOnce) {
  TestSigner a("a");
  Root root = small_root({&a}, 2);
  root.keys.emplace("alias", to_key(a.public_key()));
  root.roles.at("root").key_ids.push_back("alias");
  Envelope envelope;
  envelope.signed_part = to_json(root);
  ASSERT_TRUE(envelope.add_signature(a));
  ASSERT_TRUE(envelope.add_signature(a, "alias"));
  EXPECT_EQ(envelope.signatures.size(), 2u);
  EXPECT_EQ(envelope.count(root.keys, root.roles.at("root")).value(), 1);
}

TEST(TufMetadata, ASecondSignatureOfAKeyIdIsRefused) {
  TestSigner a("a");
  Envelope envelope;
  envelope.signed_part = to_json(Targets());
  ASSERT_TRUE(envelope.add_signature(a));
  envelope.signatures.push_back(envelope.signatures[0]);
  const auto read = parse_envelope(envelope.bytes(), 1 << 20, "x.json");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, Code::kCorrupt);
}

TEST(TufMetadata, KeysOfUnknownSchemesHarmNothing) {
  TestSigner a("a");
  Root root = small_root({&a}, 1);
  root.keys.emplace("new", Key{Json(Json::Members{{"keytype", "sphincs"},
                                                  {"scheme", "sphincs-shake-128s"},
                                                  {"keyval", Json::Members{{"public", "00"}}}}),
                               {}});
  root.keys.emplace("bad", Key{with(key_json(a.public_key()), {"keyval", "public"}, "00"), {}});
  for (const char* id : {"new", "bad"}) root.roles.at("root").key_ids.push_back(id);
  Envelope envelope;
  envelope.signed_part = to_json(root);
  ASSERT_TRUE(envelope.add_signature(a));
  ASSERT_TRUE(envelope.add_signature(a, "new"));
  ASSERT_TRUE(envelope.add_signature(a, "bad"));
  const auto read = parse_metadata<Root>(envelope.bytes(), "root.json").value();
  EXPECT_FALSE(read.body.keys.at("new").key);
  EXPECT_FALSE(read.body.keys.at("bad").key);
  EXPECT_EQ(read.envelope.count(read.body.keys, read.body.roles.at("root")).value(), 1);
}

TEST(TufMetadata, AllSchemesSign) {
  for (const Scheme scheme : {Scheme::kEd25519, Scheme::kEcdsaP256, Scheme::kRsaPss}) {
    TestSigner signer(scheme);
    Signer* const signers[] = {&signer};
    const Root root = small_root({&signer}, 1);
    const auto read =
        parse_metadata<Root>(sign_metadata(to_json(root), signers).value(), "root.json").value();
    EXPECT_TRUE(read.envelope.check(read.body.keys, read.body.roles.at("root"), "root.json"));
  }
}

TEST(TufMetadata, FilesAboveTheirCapAreRefused) {
  EXPECT_EQ(parse_metadata<Timestamp>(std::string(kMaxTimestampBytes + 1, ' '), "").error().code,
            Code::kExhausted);
  EXPECT_EQ(parse_metadata<Timestamp>(std::string(kMaxTimestampBytes, ' '), "").error().code,
            Code::kCorrupt);
}

TEST(TufBytes, AreHeldAgainstLengthAndHashes) {
  const Hashes good = {{"sha256", hex(sha256("abc"))}, {"sha512", hex(sha512("abc"))}};
  EXPECT_TRUE(check_bytes("abc", 3, good, "x"));
  EXPECT_TRUE(check_bytes("abc", {}, {}, "x"));
  EXPECT_EQ(check_bytes("abc", 4, good, "x").error().message, "x: 4 bytes expected, 3 found");
  Hashes bad = good;
  bad["sha512"][0] ^= 1;
  EXPECT_EQ(check_bytes("abc", 3, bad, "x").error().code, Code::kCorrupt);
  EXPECT_TRUE(check_bytes("abc", 3, {{"sha256", good.at("sha256")}, {"md9", "00"}}, "x"));
  EXPECT_EQ(check_bytes("abc", 3, {{"md9", "00"}}, "x").error().message,
            "x: a sha256 or sha512 is needed; there is only md9");
}

TEST(TufDelegation, PatternsMatchAsShellsDo) {
  const auto covers = [](const char* pattern, std::string_view path) {
    DelegatedRole role;
    role.paths = {pattern};
    return role.covers(path);
  };
  EXPECT_TRUE(covers("targets/*.tgz", "targets/foo.tgz"));
  EXPECT_FALSE(covers("targets/*.tgz", "targets/foo.txt"));
  EXPECT_TRUE(covers("foo-version-?.tgz", "foo-version-2.tgz"));
  EXPECT_FALSE(covers("foo-version-?.tgz", "foo-version-alpha.tgz"));
  EXPECT_TRUE(covers("*.tgz", "foo.tgz"));
  EXPECT_FALSE(covers("*.tgz", "targets/foo.tgz"));
  EXPECT_TRUE(covers("foo.tgz", "foo.tgz"));
  EXPECT_FALSE(covers("foo.tgz", "foo.tgz2"));
  EXPECT_TRUE(covers("*", "a"));
  EXPECT_TRUE(covers("*", ""));
  EXPECT_FALSE(covers("*", "a/b"));
  EXPECT_FALSE(covers("a?b", "a/b"));
  EXPECT_FALSE(covers("a[!x]b", "a/b"));
  EXPECT_FALSE(covers("a[.-0]b", "a/b"));
  EXPECT_TRUE(covers("*/*", "a/b"));
  EXPECT_FALSE(covers("*/*", "a/b/c"));
  EXPECT_TRUE(covers("*a*b*c", "xxaybbzc"));
  EXPECT_FALSE(covers("*a*b*c", "xxaybbz"));
  EXPECT_FALSE(covers("*a/*b", "xa/ya/zb"));
  EXPECT_TRUE(covers("[a-c]x[!0-9]", "bxz"));
  EXPECT_FALSE(covers("[a-c]x[!0-9]", "bx3"));
  EXPECT_TRUE(covers("[]]", "]"));
  EXPECT_TRUE(covers("[ab", "[ab"));
  EXPECT_TRUE(covers("[a/b]", "[a/b]"));
  EXPECT_FALSE(covers("[a/b]", "a"));
  EXPECT_TRUE(covers("?.plan", "\xc3\xa9.plan"));
  EXPECT_TRUE(covers("[\xc3\xa0-\xc3\xb6].plan", "\xc3\xa9.plan"));
  EXPECT_FALSE(covers("README.md", "README.MD"));
  EXPECT_FALSE(covers("", "a"));
  // Quadratic, not exponential.
  EXPECT_FALSE(
      covers("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*ab", std::string(1000, 'a')));
  EXPECT_FALSE(DelegatedRole().covers("a"));
}

TEST(TufDelegation, PrefixesAreOfThePathsDigest) {
  DelegatedRole role;
  const std::string digest = hex(sha256("a.plan"));
  role.path_hash_prefixes = {digest.substr(0, 2)};
  EXPECT_TRUE(role.covers("a.plan"));
  role.path_hash_prefixes = {digest.substr(0, 1) == "0" ? "1" : "0"};
  EXPECT_FALSE(role.covers("a.plan"));
  role.path_hash_prefixes->clear();
  EXPECT_FALSE(role.covers("a.plan"));
}

// The values are those of python-tuf's tests of succinct roles.
TEST(TufDelegation, SuccinctBins) {
  SuccinctRoles roles;
  roles.name_prefix = "bin";
  roles.bit_length = 5;
  EXPECT_EQ(roles.bin_name(0), "bin-00");
  EXPECT_EQ(roles.bin_name(31), "bin-1f");
  EXPECT_TRUE(roles.has_bin("bin-1f"));
  for (const char* name : {"bin-20", "bin-1", "bin-1F", "bin-0g", "bun-00", "bin-000", ""}) {
    EXPECT_FALSE(roles.has_bin(name)) << name;
  }
  const Sha256 digest = sha256("a.plan");
  EXPECT_EQ(roles.bin_of("a.plan"), roles.bin_name(digest[0] >> 3));
  roles.bit_length = 1;
  EXPECT_EQ(roles.bin_of("a.plan"), digest[0] < 128 ? "bin-0" : "bin-1");
  roles.bit_length = 14;
  EXPECT_EQ(roles.bin_of("a.plan"), roles.bin_name(unsigned(digest[0]) << 6 | digest[1] >> 2));
}

}  // namespace
}  // namespace polder::trust::tuf
