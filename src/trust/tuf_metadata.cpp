// The four kinds of metadata, between their JSON and what they mean.
#include "trust/tuf_metadata.h"

#include <algorithm>
#include <chrono>

#include "base/fail.h"
#include "base/text.h"
#include "trust/digest.h"

namespace polder::trust::tuf {

namespace {

Status check_name(std::string_view name, std::string_view where) {
  if (!name.empty() && name.size() <= kMaxNameBytes) return {};
  return fail(Code::kCorrupt, "{}: a name of 1 to {} bytes expected, {} found", where,
              kMaxNameBytes, name.size());
}

bool is_lower_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string lower(std::string text) {
  for (char& letter : text) {
    if (letter >= 'A' && letter <= 'Z') letter = char(letter - 'A' + 'a');
  }
  return text;
}

// Absent for a scheme that is not known or a value that is not of it.
std::optional<PublicKey> usable_key(const std::string& type, const std::string& scheme,
                                    const std::string& value) {
  if (type == "ed25519" && scheme == "ed25519") {
    const auto bytes = from_hex(value);
    if (!bytes) return {};
    auto key = PublicKey::from_ed25519(*bytes);
    return key ? std::optional<PublicKey>(std::move(key).value()) : std::nullopt;
  }
  if ((type == "ecdsa" && scheme == "ecdsa-sha2-nistp256") ||
      (type == "rsa" && scheme == "rsassa-pss-sha256")) {
    auto key = PublicKey::from_pem(value);
    if (key && scheme_name(key->scheme()) == scheme) return std::move(key).value();
  }
  return {};
}

Result<Key> read_key(const Json& json, std::string where) {
  TRY_VALUE(const Object object, Object::of(json, std::move(where)));
  TRY_VALUE(const std::string type, object.text("keytype", kMaxNameBytes));
  TRY_VALUE(const std::string scheme, object.text("scheme", kMaxNameBytes));
  TRY_VALUE(const Object value, object.object("keyval"));
  // A scheme that is not known may hold something else than text.
  const Json* text = value.members().count("public") != 0 ? *value.get("public") : nullptr;
  if (text == nullptr || text->string() == nullptr) return Key{json, std::nullopt};
  if (text->string()->size() > kMaxFieldBytes) {
    return fail(Code::kCorrupt, "{}: a key of {} bytes; {} at most", value.place("public"),
                text->string()->size(), kMaxFieldBytes);
  }
  return Key{json, usable_key(type, scheme, *text->string())};
}

Result<Keys> read_keys(const Object& parent) {
  TRY_VALUE(const Object object, parent.object("keys"));
  if (object.members().size() > kMaxKeys) {
    return fail(Code::kExhausted, "{}: {} keys; {} at most", object.where(),
                object.members().size(), kMaxKeys);
  }
  Keys keys;
  for (const auto& [id, json] : object.members()) {
    const std::string where = object.place(clipped(id));
    TRY(check_name(id, where));
    TRY_VALUE(Key key, read_key(json, where));
    keys.emplace(id, std::move(key));
  }
  return keys;
}

Json json_of(const Keys& keys) {
  Json::Members members;
  for (const auto& [id, key] : keys) members.emplace(id, key.json);
  return members;
}

// Key ids and threshold.
Status read_role_keys(const Object& object, RoleKeys& role) {
  TRY_VALUE(role.key_ids, object.texts("keyids", kMaxRoleKeys, kMaxNameBytes));
  std::vector<std::string> sorted = role.key_ids;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    return fail(Code::kCorrupt, "{}: key '{}' is there twice", object.place("keyids"),
                clipped(*twice));
  }
  TRY_VALUE(role.threshold, object.integer("threshold", 1, kMaxInteger));
  return {};
}

Json::Members json_of(const RoleKeys& role) {
  Json::Members members = role.other;
  Json::Array ids(role.key_ids.begin(), role.key_ids.end());
  members["keyids"] = std::move(ids);
  members["threshold"] = role.threshold;
  return members;
}

Result<Hashes> read_hashes(const Object& parent) {
  TRY_VALUE(const Object object, parent.object("hashes"));
  if (object.members().empty() || object.members().size() > kMaxHashes) {
    return fail(Code::kCorrupt, "{}: 1 to {} hashes expected, {} found", object.where(), kMaxHashes,
                object.members().size());
  }
  Hashes hashes;
  for (const auto& [name, json] : object.members()) {
    TRY(check_name(name, object.where()));
    TRY_VALUE(std::string digits, object.text(name, kMaxNameBytes));
    digits = lower(std::move(digits));
    if (digits.empty() || !is_lower_hex(digits)) {
      return fail(Code::kCorrupt, "{}: hexadecimal digits expected", object.place(clipped(name)));
    }
    hashes.emplace(name, std::move(digits));
  }
  return hashes;
}

Json json_of(const Hashes& hashes) {
  Json::Members members;
  for (const auto& [name, digits] : hashes) members.emplace(name, digits);
  return members;
}

Result<MetaFile> read_meta_file(const Object& parent, std::string_view name) {
  TRY_VALUE(const Object object, parent.object(name));
  MetaFile file;
  TRY_VALUE(file.version, object.integer("version", 1, kMaxInteger));
  if (object.has("length")) {
    TRY_VALUE(file.length, object.integer("length", 0, kMaxInteger));
  }
  if (object.has("hashes")) {
    TRY_VALUE(file.hashes, read_hashes(object));
  }
  file.other = object.except({"version", "length", "hashes"});
  return file;
}

Json json_of(const MetaFile& file) {
  Json::Members members = file.other;
  members["version"] = file.version;
  if (file.length) members["length"] = *file.length;
  if (!file.hashes.empty()) members["hashes"] = json_of(file.hashes);
  return members;
}

Result<TargetFile> read_target_file(const Object& parent, std::string_view path) {
  TRY_VALUE(const Object object, parent.object(path));
  TargetFile file;
  TRY_VALUE(file.length, object.integer("length", 0, kMaxInteger));
  TRY_VALUE(file.hashes, read_hashes(object));
  if (object.has("custom")) {
    TRY_VALUE(const Object custom, object.object("custom"));
    file.custom = Json(custom.members());
  }
  file.other = object.except({"length", "hashes", "custom"});
  return file;
}

Json json_of(const TargetFile& file) {
  Json::Members members = file.other;
  members["length"] = file.length;
  members["hashes"] = json_of(file.hashes);
  if (file.custom) members["custom"] = *file.custom;
  return members;
}

Result<DelegatedRole> read_delegated_role(const Json& json, std::string where) {
  TRY_VALUE(const Object object, Object::of(json, std::move(where)));
  DelegatedRole role;
  TRY(read_role_keys(object, role));
  TRY_VALUE(role.name, object.text("name", kMaxNameBytes));
  TRY(check_name(role.name, object.place("name")));
  if (std::find(std::begin(kTopLevel), std::end(kTopLevel), role.name) != std::end(kTopLevel)) {
    return fail(Code::kCorrupt, "{}: '{}' is the name of a top-level role", object.place("name"),
                role.name);
  }
  // Section 4.5 shows a delegation without it.
  if (object.has("terminating")) {
    TRY_VALUE(role.terminating, object.boolean("terminating"));
  }
  if (object.has("paths") && object.has("path_hash_prefixes")) {
    return fail(Code::kCorrupt, "{}: paths or path_hash_prefixes expected, both found",
                object.where());
  }
  if (object.has("paths")) {
    TRY_VALUE(role.paths, object.texts("paths", kMaxPaths, kMaxNameBytes));
  }
  if (object.has("path_hash_prefixes")) {
    TRY_VALUE(role.path_hash_prefixes, object.texts("path_hash_prefixes", kMaxPaths, 64));
    for (std::string& prefix : *role.path_hash_prefixes) {
      prefix = lower(std::move(prefix));
      if (is_lower_hex(prefix)) continue;
      return fail(Code::kCorrupt, "{}: hexadecimal digits expected",
                  object.place("path_hash_prefixes"));
    }
  }
  role.other =
      object.except({"keyids", "threshold", "name", "terminating", "paths", "path_hash_prefixes"});
  return role;
}

Json json_of(const DelegatedRole& role) {
  const auto list = [](const std::vector<std::string>& texts) {
    return Json::Array(texts.begin(), texts.end());
  };
  Json::Members members = json_of(static_cast<const RoleKeys&>(role));
  members["name"] = role.name;
  members["terminating"] = role.terminating;
  if (role.paths) members["paths"] = list(*role.paths);
  if (role.path_hash_prefixes) members["path_hash_prefixes"] = list(*role.path_hash_prefixes);
  return members;
}

Result<SuccinctRoles> read_succinct_roles(const Object& parent) {
  TRY_VALUE(const Object object, parent.object("succinct_roles"));
  SuccinctRoles roles;
  TRY(read_role_keys(object, roles));
  TRY_VALUE(const std::int64_t bits, object.integer("bit_length", 1, kMaxSuccinctBits));
  roles.bit_length = int(bits);
  TRY_VALUE(roles.name_prefix, object.text("name_prefix", kMaxNameBytes - 16));
  TRY(check_name(roles.name_prefix, object.place("name_prefix")));
  roles.other = object.except({"keyids", "threshold", "bit_length", "name_prefix"});
  return roles;
}

Json json_of(const SuccinctRoles& roles) {
  Json::Members members = json_of(static_cast<const RoleKeys&>(roles));
  members["bit_length"] = roles.bit_length;
  members["name_prefix"] = roles.name_prefix;
  return members;
}

Result<Delegations> read_delegations(const Object& parent) {
  TRY_VALUE(const Object object, parent.object("delegations"));
  Delegations delegations;
  TRY_VALUE(delegations.keys, read_keys(object));
  if (object.has("roles") == object.has("succinct_roles")) {
    return fail(Code::kCorrupt, "{}: roles or succinct_roles expected, {} found", object.where(),
                object.has("roles") ? "both" : "neither");
  }
  if (object.has("roles")) {
    TRY_VALUE(const Json::Array* roles, object.array("roles", kMaxRoles));
    std::map<std::string_view, std::size_t> names;
    delegations.roles.reserve(roles->size());
    for (const Json& json : *roles) {
      const std::size_t index = delegations.roles.size();
      TRY_VALUE(DelegatedRole role,
                read_delegated_role(json, fmt::format("{}.roles[{}]", object.where(), index)));
      delegations.roles.push_back(std::move(role));
      // The vector does not grow beyond what was reserved, so views of its names stay valid.
      const auto [before, is_new] = names.emplace(delegations.roles.back().name, index);
      if (is_new) continue;
      return fail(Code::kCorrupt, "{}.roles[{}]: '{}' is the name of roles[{}] already",
                  object.where(), index, clipped(before->first), before->second);
    }
  } else {
    TRY_VALUE(delegations.succinct, read_succinct_roles(object));
  }
  delegations.other = object.except({"keys", "roles", "succinct_roles"});
  return delegations;
}

Json json_of(const Delegations& delegations) {
  Json::Members members = delegations.other;
  members["keys"] = json_of(delegations.keys);
  if (delegations.succinct) {
    members["succinct_roles"] = json_of(*delegations.succinct);
  } else {
    Json::Array roles;
    for (const DelegatedRole& role : delegations.roles) roles.push_back(json_of(role));
    members["roles"] = std::move(roles);
  }
  return members;
}

// What all four have, except for what is not known.
Status read_common(const Object& object, std::string_view type, Common& common) {
  TRY_VALUE(const std::string found, object.text("_type", kMaxNameBytes));
  if (found != type) {
    return fail(Code::kCorrupt, "{}: '{}' expected, '{}' found", object.place("_type"), type,
                clipped(found));
  }
  TRY_VALUE(common.spec_version, object.text("spec_version", kMaxNameBytes));
  if (!common.spec_version.starts_with("1.") ||
      common.spec_version.find_first_not_of("0123456789.") != std::string::npos) {
    return fail(Code::kUnsupported, "{}: 1.* expected, '{}' found", object.place("spec_version"),
                clipped(common.spec_version));
  }
  TRY_VALUE(common.version, object.integer("version", 1, kMaxInteger));
  TRY_VALUE(const std::string expires, object.text("expires", kMaxNameBytes));
  TRY_VALUE(common.expires_s, parse_time(expires, object.place("expires")));
  return {};
}

Json::Members json_of(const Common& common, std::string_view type) {
  Json::Members members = common.other;
  members["_type"] = type;
  members["spec_version"] = common.spec_version;
  members["version"] = common.version;
  members["expires"] = time_text(common.expires_s);
  return members;
}

Status read_body(const Object& object, Root& root) {
  if (object.has("consistent_snapshot")) {
    TRY_VALUE(root.consistent_snapshot, object.boolean("consistent_snapshot"));
  }
  TRY_VALUE(root.keys, read_keys(object));
  TRY_VALUE(const Object roles, object.object("roles"));
  if (roles.members().size() > kMaxRoles) {
    return fail(Code::kExhausted, "{}: {} roles; {} at most", roles.where(), roles.members().size(),
                kMaxRoles);
  }
  for (const auto& [name, json] : roles.members()) {
    TRY_VALUE(const Object entry, roles.object(name));
    RoleKeys role;
    TRY(read_role_keys(entry, role));
    role.other = entry.except({"keyids", "threshold"});
    root.roles.emplace(name, std::move(role));
  }
  for (const std::string_view name : kTopLevel) {
    TRY_VALUE([[maybe_unused]] const Json* role, roles.get(name));
  }
  root.other = object.except(
      {"_type", "spec_version", "version", "expires", "consistent_snapshot", "keys", "roles"});
  return {};
}

Status read_body(const Object& object, Timestamp& timestamp) {
  TRY_VALUE(const Object meta, object.object("meta"));
  TRY(meta.only({"snapshot.json"}));
  TRY_VALUE(timestamp.snapshot, read_meta_file(meta, "snapshot.json"));
  timestamp.other = object.except({"_type", "spec_version", "version", "expires", "meta"});
  return {};
}

Status read_body(const Object& object, Snapshot& snapshot) {
  TRY_VALUE(const Object meta, object.object("meta"));
  if (meta.members().size() > kMaxMetaFiles) {
    return fail(Code::kExhausted, "{}: {} files; {} at most", meta.where(), meta.members().size(),
                kMaxMetaFiles);
  }
  for (const auto& [name, json] : meta.members()) {
    TRY(check_name(name, meta.where()));
    TRY_VALUE(MetaFile file, read_meta_file(meta, name));
    snapshot.meta.emplace(name, std::move(file));
  }
  snapshot.other = object.except({"_type", "spec_version", "version", "expires", "meta"});
  return {};
}

Status read_body(const Object& object, Targets& targets) {
  TRY_VALUE(const Object files, object.object("targets"));
  if (files.members().size() > kMaxTargets) {
    return fail(Code::kExhausted, "{}: {} targets; {} at most", files.where(),
                files.members().size(), kMaxTargets);
  }
  for (const auto& [path, json] : files.members()) {
    TRY(check_name(path, files.where()));
    TRY_VALUE(TargetFile file, read_target_file(files, path));
    targets.targets.emplace(path, std::move(file));
  }
  if (object.has("delegations")) {
    TRY_VALUE(targets.delegations, read_delegations(object));
  }
  targets.other =
      object.except({"_type", "spec_version", "version", "expires", "targets", "delegations"});
  return {};
}

}  // namespace

Result<std::int64_t> parse_time(std::string_view text, std::string_view where) {
  static constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  const auto bad = [&] {
    return fail(Code::kCorrupt, "{}: a time such as 2030-01-01T00:00:00Z expected, '{}' found",
                where, clipped(std::string(text)));
  };
  if (text.size() != kForm.size()) return bad();
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !is_digit : text[i] != kForm[i]) return bad();
  }
  const auto number = [&](std::size_t at, std::size_t digits) {
    int value = 0;
    for (const char digit : text.substr(at, digits)) value = value * 10 + (digit - '0');
    return value;
  };
  const std::chrono::year_month_day date{std::chrono::year(number(0, 4)),
                                         std::chrono::month(unsigned(number(5, 2))),
                                         std::chrono::day(unsigned(number(8, 2)))};
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return bad();
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * kDayS + hour * 3600 + minute * 60 + second;
}

std::string time_text(std::int64_t time_s) {
  constexpr std::int64_t kFirst = -62167219200, kLast = 253402300799;  // years 0 and 9999
  time_s = std::clamp(time_s, kFirst, kLast);
  std::int64_t days = time_s / kDayS, seconds = time_s % kDayS;
  if (seconds < 0) --days, seconds += kDayS;
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", int(date.year()),
                     unsigned(date.month()), unsigned(date.day()), seconds / 3600,
                     seconds / 60 % 60, seconds % 60);
}

Key to_key(const PublicKey& key) { return Key{key_json(key), key}; }

Status check_bytes(std::string_view bytes, std::optional<std::int64_t> length, const Hashes& hashes,
                   std::string_view where) {
  if (length && std::int64_t(bytes.size()) != *length) {
    return fail(Code::kCorrupt, "{}: {} bytes expected, {} found", where, *length, bytes.size());
  }
  bool known = hashes.empty();
  for (const auto& [name, digits] : hashes) {
    std::string found;
    if (name == "sha256") found = hex(sha256(bytes));
    else if (name == "sha512") found = hex(sha512(bytes));
    else continue;
    known = true;
    if (found == digits) continue;
    return fail(Code::kCorrupt, "{}: {} {} expected, {} found", where, name, clipped(digits),
                found);
  }
  if (known) return {};
  return fail(Code::kCorrupt, "{}: a sha256 or sha512 is needed; there is only {}", where,
              clipped(hashes.begin()->first));
}

Json to_json(const Root& root) {
  Json::Members members = json_of(root, Root::kType);
  if (root.consistent_snapshot) members["consistent_snapshot"] = *root.consistent_snapshot;
  members["keys"] = json_of(root.keys);
  Json::Members roles;
  for (const auto& [name, role] : root.roles) roles.emplace(name, json_of(role));
  members["roles"] = std::move(roles);
  return members;
}

std::int64_t life_days(const Json::Members& signed_part) {
  constexpr std::int64_t kMaxDays = 100 * 365;
  const auto said = signed_part.find(kLifeMember);
  const std::int64_t* days = said == signed_part.end() ? nullptr : said->second.integer();
  return days ? std::clamp<std::int64_t>(*days, 0, kMaxDays) : 0;
}

Json to_json(const Timestamp& timestamp) {
  Json::Members members = json_of(timestamp, Timestamp::kType);
  members["meta"] = Json::Members{{"snapshot.json", json_of(timestamp.snapshot)}};
  return members;
}

Json to_json(const Snapshot& snapshot) {
  Json::Members members = json_of(snapshot, Snapshot::kType);
  Json::Members meta;
  for (const auto& [name, file] : snapshot.meta) meta.emplace(name, json_of(file));
  members["meta"] = std::move(meta);
  return members;
}

Json to_json(const Targets& targets) {
  Json::Members members = json_of(targets, Targets::kType);
  Json::Members files;
  for (const auto& [path, file] : targets.targets) files.emplace(path, json_of(file));
  members["targets"] = std::move(files);
  if (targets.delegations) members["delegations"] = json_of(*targets.delegations);
  return members;
}

template <class Body>
Result<Metadata<Body>> parse_metadata(std::string_view bytes, std::string_view where) {
  Metadata<Body> metadata;
  TRY_VALUE(metadata.envelope, parse_envelope(bytes, Body::kMaxBytes, where));
  TRY_VALUE(const Object object,
            Object::of(metadata.envelope.signed_part, std::string(where) + ".signed"));
  TRY(read_common(object, Body::kType, metadata.body));
  TRY(read_body(object, metadata.body));
  return metadata;
}
template Result<Metadata<Root>> parse_metadata<Root>(std::string_view, std::string_view);
template Result<Metadata<Timestamp>> parse_metadata<Timestamp>(std::string_view, std::string_view);
template Result<Metadata<Snapshot>> parse_metadata<Snapshot>(std::string_view, std::string_view);
template Result<Metadata<Targets>> parse_metadata<Targets>(std::string_view, std::string_view);

}  // namespace polder::trust::tuf
