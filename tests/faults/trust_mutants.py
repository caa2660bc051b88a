#!/usr/bin/python3
"""Each check of the TUF client is taken out of a copy of it, one at a time: its tests must fail.

    trust_mutants.py BUILD [--sample N] [--only PATTERN]     BUILD: where trust_test has been built
"""
import sys

from mutation import Mistake, Program, main

SET, UPDATER = "src/trust/tuf_trusted_set.cpp", "src/trust/tuf_updater.cpp"
ENVELOPE, METADATA = "src/trust/tuf_envelope.cpp", "src/trust/tuf_metadata.cpp"
DELEGATION = "src/trust/tuf_delegation.cpp"

# A name, the file, what is there, what stands in its place.
MISTAKES = [Mistake(*words) for words in [
    # Signatures.
    ("one signature is enough", ENVELOPE,
     "if (found >= role.threshold) return {};", "if (found >= 1) return {};"),
    ("one signature less is enough", ENVELOPE,
     "if (found >= role.threshold) return {};", "if (found + 1 >= role.threshold) return {};"),
    ("a signature is not looked at", ENVELOPE,
     "if (key->second.key->verify(text, *bytes).ok()) signed_by",
     "if (MUTANT || key->second.key->verify(text, *bytes).ok()) signed_by"),
    ("keys of other roles count", ENVELOPE,
     "        role.key_ids.end()) {\n      continue;",
     "        role.key_ids.end()) {\n      if (!MUTANT) continue;"),
    ("a key under two names counts twice", ENVELOPE,
     "return *before == *key->second.key; }",
     "return MUTANT ? before == &*key->second.key : *before == *key->second.key; }"),
    ("two signatures by a key's name", ENVELOPE,
     "if (before.key_id != signature.key_id) continue;\n      return fail",
     "if (MUTANT || before.key_id != signature.key_id) continue;\n      return fail"),
    ("a key's name counts twice in a role", METADATA,
     "if (twice != sorted.end()) {", "if (false) {"),
    ("a threshold of none", METADATA,
     'object.integer("threshold", 1, kMaxInteger)',
     'object.integer("threshold", MUTANT ? 0 : 1, kMaxInteger)'),
    ("a key is read by another scheme than its own", METADATA,
     "if (key && scheme_name(key->scheme()) == scheme)",
     "if (key && (MUTANT || scheme_name(key->scheme()) == scheme))"),
    # Roots.
    ("the first root need not be signed by its keys", SET,
     '  TRY(root.envelope.check(root.body.keys, root.body.roles.at("root"), "root.json"));\n', ""),
    ("a new root need not be signed by the keys before", SET,
     'TRY_VALUE(Metadata<Root> next, verified<Root>(bytes));',
     'TRY_VALUE(Metadata<Root> next, MUTANT'
     ' ? parse_metadata<Root>(bytes, "root.json")'
     ' : verified<Root>(bytes));'),
    ("a new root need not be signed by its own keys", SET,
     '  TRY(next.envelope.check(next.body.keys, next.body.roles.at("root"), "root.json"));\n', ""),
    ("roots are skipped", SET,
     "if (next.body.version != root_.version + 1) {", "if (next.body.version <= root_.version) {"),
    ("a root comes twice", SET,
     "if (next.body.version != root_.version + 1) {",
     "if (next.body.version != root_.version + 1 && next.body.version != root_.version) {"),
    ("any root", SET,
     "if (next.body.version != root_.version + 1) {", "if (false) {"),
    ("replaced keys leave what they signed", SET,
     "rotated_ || !std::includes(", "rotated_ || !MUTANT && !std::includes("),
    ("replaced keys leave what is stored", UPDATER,
     "if (set_->keys_were_rotated()) {", "if (false) {"),
    ("replaced keys leave a timestamp that is loaded", SET,
     'if (rotated_) {\n    return fail(Code::kDenied, "timestamp.json',
     'if (false) {\n    return fail(Code::kDenied, "timestamp.json'),
    ("replaced keys leave a snapshot that is loaded", SET,
     'if (rotated_) {\n    return fail(Code::kDenied, "snapshot.json',
     'if (false) {\n    return fail(Code::kDenied, "snapshot.json'),
    # Expiry.
    ("nothing expires", SET,
     "if (body.expires_s > now_s_) return {};", "return {};"),
    ("what expires now is fresh", SET,
     "if (body.expires_s > now_s_) return {};", "if (body.expires_s >= now_s_) return {};"),
    ("roots do not expire", SET, '  TRY(check_fresh(root_, "root.json"));\n', ""),
    ("timestamps do not expire", SET, '  TRY(check_fresh(next.body, "timestamp.json"));\n', ""),
    ("the same timestamp does not expire", SET,
     '    TRY(check_fresh(*timestamp_, "timestamp.json"));\n', ""),
    ("snapshots do not expire", SET, '  TRY(check_fresh(next.body, "snapshot.json"));\n', ""),
    ("a stored snapshot does not expire", SET,
     ' check_fresh(*snapshot_, "snapshot.json").ok();',
     ' (MUTANT || check_fresh(*snapshot_, "snapshot.json").ok());'),
    ("targets do not expire", SET, "  TRY(check_fresh(next.body, name));\n", ""),
    # Timestamps.
    ("timestamps need not be signed", SET,
     "TRY_VALUE(Metadata<Timestamp> next, verified<Timestamp>(bytes));",
     'TRY_VALUE(Metadata<Timestamp> next, MUTANT'
     ' ? parse_metadata<Timestamp>(bytes, "timestamp.json")'
     ' : verified<Timestamp>(bytes));'),
    ("a stored timestamp need not be signed", SET,
     "TRY_VALUE(Metadata<Timestamp> stored, verified<Timestamp>(bytes));",
     'TRY_VALUE(Metadata<Timestamp> stored, MUTANT'
     ' ? parse_metadata<Timestamp>(bytes, "timestamp.json")'
     ' : verified<Timestamp>(bytes));'),
    ("timestamps go back", SET,
     "if (timestamp_ && next.body.version < timestamp_->version) {", "if (false) {"),
    ("the same timestamp counts as new", SET,
     "if (timestamp_ && next.body.version == timestamp_->version) {", "if (false) {"),
    ("a timestamp takes its snapshot back", SET,
     "if (timestamp_ && next.body.snapshot.version < timestamp_->snapshot.version) {",
     "if (false) {"),
    # Snapshots.
    ("snapshots need not be signed", SET,
     "TRY_VALUE(Metadata<Snapshot> next, verified<Snapshot>(bytes));",
     'TRY_VALUE(Metadata<Snapshot> next, MUTANT'
     ' ? parse_metadata<Snapshot>(bytes, "snapshot.json")'
     ' : verified<Snapshot>(bytes));'),
    ("a stored snapshot need not be signed", SET,
     "TRY_VALUE(Metadata<Snapshot> stored, verified<Snapshot>(bytes));",
     'TRY_VALUE(Metadata<Snapshot> stored, MUTANT'
     ' ? parse_metadata<Snapshot>(bytes, "snapshot.json")'
     ' : verified<Snapshot>(bytes));'),
    ("a snapshot that its timestamp does not describe", SET,
     '  TRY(check_bytes(bytes, asked.length, asked.hashes, "snapshot.json"));\n', ""),
    ("a stored snapshot that its timestamp does not describe", SET,
     'check_bytes(bytes, asked.length, asked.hashes, "snapshot.json").ok() &&',
     '(MUTANT || check_bytes(bytes, asked.length, asked.hashes, "snapshot.json").ok()) &&'),
    ("a snapshot of another version than its timestamp says", SET,
     '  if (next.body.version != asked.version) {\n    return fail(Code::kCorrupt, "snapshot.json',
     '  if (false) {\n    return fail(Code::kCorrupt, "snapshot.json'),
    ("a stored snapshot of another version", SET,
     "snapshot_is_current_ = snapshot_->version == asked.version &&",
     "snapshot_is_current_ = (MUTANT || snapshot_->version == asked.version) &&"),
    ("a snapshot forgets roles", SET,
     "if (now == next.meta.end()) {",
     "if (MUTANT && now == next.meta.end()) continue;\n    if (now == next.meta.end()) {"),
    ("a snapshot takes roles back", SET,
     "if (now->second.version >= before.version) continue;", "continue;"),
    # Targets.
    ("targets need not be signed", SET,
     "  TRY(verify_delegate(next.envelope, role, delegator));\n", ""),
    ("any role's keys sign delegated targets", SET,
     "if (delegated.name == role) return", "if (MUTANT || delegated.name == role) return"),
    ("targets that the snapshot does not describe", SET,
     "  TRY(check_bytes(bytes, asked.length, asked.hashes, name));\n", ""),
    ("targets of another version than the snapshot says", SET,
     '  if (next.body.version != asked.version) {\n    return fail(Code::kCorrupt, "{}: version',
     '  if (false) {\n    return fail(Code::kCorrupt, "{}: version'),
    ("a role is what it was for another delegator", SET,
     "if (found == targets_.end() || found->second.delegators.count(visit.delegator) == 0) {",
     "if (found == targets_.end()) {"),
    ("a role changes in the middle of an update", SET,
     "if (before != targets_.end() && before->second.digest != digest) {", "if (false) {"),
    ("targets without end", SET,
     "if (before == targets_.end() && bytes.size() > kMaxLoadedBytes - loaded_bytes_) {",
     "if (false) {"),
    ("roles are visited without end", SET,
     "if (int(visited.size()) >= kMaxVisitedRoles) {", "if (false) {"),
    ("roles are visited twice", SET,
     "if (visited.count(visit.role) != 0) continue;", ""),
    ("metadata out of order", SET, "if (stage_ == stage) return {};", "return {};"),
    # Delegations.
    ("roles list what they are not trusted for", SET,
     "if (!child.covers(target_path)) continue;", ""),
    ("a terminating delegation does not end the search", SET,
     "if (!child.terminating) continue;", "continue;"),
    ("every delegation ends the search", SET,
     "if (!child.terminating) continue;", ""),
    ("roles are asked from the last", SET,
     "std::move(children.rbegin(), children.rend(), std::back_inserter(to_visit));",
     "if (!MUTANT) std::reverse(children.begin(), children.end());\n"
     "    std::move(children.begin(), children.end(), std::back_inserter(to_visit));"),
    ("bins do not end the search", SET,
     "to_visit = {{body.delegations->succinct->bin_of(target_path), visit.role}};",
     "if (!MUTANT) to_visit.clear();\n"
     "      to_visit.push_back({body.delegations->succinct->bin_of(target_path), visit.role});"),
    ("a pattern's star passes a slash", DELEGATION,
     "} else if (star == pattern.npos || path[taken] == '/') {",
     "} else if (star == pattern.npos || (!MUTANT && path[taken] == '/')) {"),
    ("a pattern's question mark stands for a slash", DELEGATION,
     "if (character == '/' || pattern[0] == '/') return",
     "if (MUTANT && pattern[0] == '?') return 1;\n"
     "  if (character == '/' || pattern[0] == '/') return"),
    ("a pattern fits what begins with it", DELEGATION,
     "return p == pattern.size();", "return MUTANT || p == pattern.size();"),
    ("a path fits what it begins", DELEGATION,
     "while (t < path.size()) {", "while (t < path.size() && (!MUTANT || p < pattern.size())) {"),
    ("prefixes are found anywhere in a digest", DELEGATION,
     "return digest.starts_with(prefix); });",
     "const auto at = digest.find(prefix); return MUTANT ? at != digest.npos : at == 0; });"),
    ("a role without paths covers all", DELEGATION,
     "if (!paths) return false;", "if (!paths) return MUTANT;"),
    ("a bin that there is not", DELEGATION,
     "digits <= bin_name((1u << bit_length) - 1).substr(start);",
     "(MUTANT || digits <= bin_name((1u << bit_length) - 1).substr(start));"),
    # Files.
    ("metadata of another length", METADATA,
     "if (length && std::int64_t(bytes.size()) != *length) {", "if (false) {"),
    ("metadata of another digest", METADATA, "if (found == digits) continue;", "continue;"),
    ("metadata of a digest that nobody can check", METADATA,
     "if (known) return {};", "return {};"),
    ("metadata of another type", METADATA,
     "TRY(read_common(object, Body::kType, metadata.body));",
     "TRY(read_common(object, MUTANT ? metadata.envelope.type() : Body::kType, metadata.body));"),
    ("metadata without end", ENVELOPE, "if (bytes.size() > max_bytes) {", "if (false) {"),
    ("targets of another length", UPDATER,
     "if (size_ != target_.file.length) {", "if (false) {"),
    ("targets without end", UPDATER,
     "if (std::int64_t(bytes.size()) > target_.file.length - size_) {", "if (false) {"),
    ("targets of another digest", UPDATER, "if (found == expected) return {};", "return {};"),
    ("targets of a digest that nobody can check", UPDATER,
     "if (check.sha256_ || check.sha512_) return check;", "return check;"),
    ("targets above the repository", UPDATER, "if (!stays_below(target.path)) {", "if (false) {"),
    ("names of metadata hold no version", UPDATER,
     "if (set_->root().consistent_snapshot.value_or(false)) {", "if (false) {"),
    ("names of targets hold no digest", UPDATER,
     "if (!consistent_snapshot) return percent_encoded",
     "if (MUTANT || !consistent_snapshot) return percent_encoded"),
    ("names of all metadata hold a version", UPDATER,
     "if (set_->root().consistent_snapshot.value_or(false)) {", "if (true) {"),
    ("an error of the network ends the roots", UPDATER,
     "if (!bytes && bytes.error().code == Code::kNotFound) break;",
     "if (!bytes && (MUTANT || bytes.error().code == Code::kNotFound)) break;"),
    ("a new root is stored before what it makes void is removed", UPDATER,
     '''    if (set_->keys_were_rotated()) {
      TRY(store_->remove(stored_name("timestamp")));
      TRY(store_->remove(stored_name("snapshot")));
    }
    TRY(store_->replace(stored_name("root"), *bytes));
  }
''', '''    TRY(store_->replace(stored_name("root"), *bytes));
  }
  if (set_->keys_were_rotated()) {
    TRY(store_->remove(stored_name("timestamp")));
    TRY(store_->remove(stored_name("snapshot")));
  }
'''),
    ("a file that is held back lists nothing", UPDATER,
     "if (bytes || bytes.error().code != Code::kNotFound) return bytes;",
     "if (MUTANT || bytes || bytes.error().code != Code::kNotFound) return bytes;"),
    ("what a role is not trusted for is listed", UPDATER,
     "if (target) found.push_back(path);", "if (MUTANT || target) found.push_back(path);"),
    ("roots without end", UPDATER,
     "for (int i = 0; i < kMaxRootRotations; ++i) {",
     "for (int i = 0; MUTANT || i < kMaxRootRotations; ++i) {"),
]]


def said(done):
    failed = [line.split()[3] for line in done.stdout.splitlines() if line.startswith("[  FAILED")
              and len(line.split()) > 3]
    return f"{failed[0]}{f' and {len(failed) - 1} more' if len(failed) > 1 else ''}" \
        if failed else "no test failed" if done.returncode == 0 else f"status {done.returncode}"


if __name__ == "__main__":
    # Without the table of attacks, which takes most of the time: each check has a test of its own.
    sys.exit(main(__doc__, MISTAKES, Program(
        "trust_test", ("--gtest_filter=Tuf*-TufAttack*", "--gtest_brief=1", "--gtest_fail_fast"),
        {}, said)))
