// polder seal, polder unseal: encrypts a file for a group of devices.
#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "cli/act_log.h"
#include "cli/commands.h"
#include "cli/output_file.h"
#include "cli/passphrase.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "release/plan_facts.h"
#include "trust/reseal.h"
#include "trust/sealed_file.h"
#include "trust/signer.h"

namespace polder::cli {

namespace {

constexpr std::size_t kMaxKeyBytes = 16 * 1024;

constexpr Option kSealOptions[] = {
    {"--to", "PUB.pem", "a device's public decryption key (P-256), or a folder of *.pem", true},
    {"--output", "FILE",
     "the sealed file, FILE.keys with its keys and FILE.chunks, from which devices see what of it "
     "they have; never ones that are there"},
    {"--add-recipient", "PUB.pem",
     "adds to FILE.keys of a file that is sealed already, with --key; as --to", true},
    {"--key", "KEY", "a recipient's private key, for --add-recipient: FILE or tpm:HANDLE"},
    POLDER_AUDIT_LOG_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints the file id and the number of recipients as JSON"}};

Result<trust::PublicKey> public_key_of(const std::string& path) {
  TRY_VALUE(const std::string pem, read_file(path, kMaxKeyBytes));
  auto key = trust::PublicKey::from_pem(pem);
  if (!key) return std::move(key).error().at(path);
  return key;
}

// Wraps the key for what --to or --add-recipient name.
Status add_recipients(trust::SealedKeys& keys, const trust::ContentKey& key,
                      const std::vector<std::string>& given) {
  for (const std::string& path : given) {
    std::vector<std::string> files = {path};
    if (auto file = open_readable(path); !file.ok() && file.error().code == Code::kInvalid) {
      // A folder.
      TRY_VALUE(files, list_folder(path, 2 * trust::kMaxRecipients));
      std::erase_if(files, [](const std::string& name) { return !name.ends_with(".pem"); });
      if (files.empty()) return fail(Code::kNotFound, "{}: no *.pem in this folder", path);
    }
    for (const std::string& file : files) {
      TRY_VALUE(const trust::PublicKey recipient, public_key_of(file));
      if (Status status = keys.add(key, recipient); !status.ok()) {
        return std::move(status).error().at(file);
      }
    }
  }
  return {};
}

// Before its keys are missed.
Status check_sealed(const std::string& path) {
  TRY_VALUE(const auto file, open_readable(path));
  std::string head(std::min<std::uint64_t>(trust::kSealedHeaderBytes, file->size()), '\0');
  TRY(file->read(0, head));
  const auto header = trust::SealedHeader::parse(head, path);
  return header.ok() ? Status() : Status(header.error());
}

Result<trust::SealedKeys> read_keys(const std::string& sealed_path) {
  const std::string path = trust::sealed_keys_path(sealed_path);
  TRY_VALUE(std::string bytes, read_file(path, trust::SealedKeys::kMaxBytes));
  return trust::SealedKeys::parse(std::move(bytes), path);
}

Result<trust::ContentKey> open_content_key(const Args& args, const std::string& sealed_path,
                                           const trust::SealedKeys& keys) {
  if (args.text("--key").empty()) {
    return fail(Code::kInvalid, "--key is missing: the private key of a recipient");
  }
  TRY_VALUE(CommandPassphrase passphrase, CommandPassphrase::of(args));
  TRY_VALUE(const auto decrypter, trust::open_decrypter(args.text("--key"), passphrase.source()));
  auto key = keys.open(*decrypter);
  if (!key) return std::move(key).error().at(trust::sealed_keys_path(sealed_path));
  return key;
}

void print_sealed(const Args& args, const std::string& path, const trust::SealedKeys& keys) {
  if (args.has("--json")) {
    fmt::print("{}", trust::Json(trust::Json::Members{{"sealed", path},
                                                      {"keys", trust::sealed_keys_path(path)},
                                                      {"file_id", trust::hex(keys.file_id())},
                                                      {"recipients", std::int64_t(keys.count())}})
                         .pretty());
  } else {
    fmt::print("{}: sealed for {} recipient{}\n  file id {}\n", one_line(path), keys.count(),
               keys.count() == 1 ? "" : "s", trust::hex(keys.file_id()));
  }
}

Status record(ActLog& acts, trust::Act act, const std::string& path,
              const trust::SealedKeys& keys) {
  return acts.add(act, path, {},
                  {{"file_id", trust::hex(keys.file_id())},
                   {"recipients", std::int64_t(keys.count())},
                   {"keys_sha256", trust::hex(trust::sha256(keys.bytes()))}});
}

Result<int> add(const Args& args) {
  TRY_VALUE(ActLog acts, ActLog::open(args));
  const std::string& path = args.positional()[0];
  if (args.has("--to") || args.has("--output")) {
    return fail(Code::kInvalid, "--add-recipient changes {} alone: leave out --to and --output",
                trust::sealed_keys_path(path));
  }
  TRY(check_sealed(path));
  TRY_VALUE(trust::SealedKeys keys, read_keys(path));
  TRY_VALUE(const trust::ContentKey key, open_content_key(args, path, keys));
  TRY_VALUE(const auto file, open_readable(path));
  TRY(trust::SealedFile::open(*file, key));
  TRY(add_recipients(keys, key, args.all("--add-recipient")));
  TRY(write_file_atomic(trust::sealed_keys_path(path), keys.bytes()));
  TRY(record(acts, trust::Act::kRecipientAdded, path, keys));
  print_sealed(args, path, keys);
  return 0;
}

// A file sealed anew has another key: whoever could open the old one could not open this.
Status check_new(const std::string& output) {
  for (const std::string& path :
       {output, trust::sealed_keys_path(output), trust::sealed_index_path(output)}) {
    const auto kind = entry_kind(path);
    if (!kind.ok() && kind.error().code == Code::kNotFound) continue;
    if (!kind.ok()) return kind.error();
    return fail(Code::kDenied,
                "{}: is there already, and is not written over; 'polder seal {} --add-recipient "
                "PUB.pem --key KEY' lets more devices open it; to seal anew give another name",
                path, output);
  }
  return {};
}

// Cut where a plan's tensors begin, as the plan itself would be in a release.
Result<std::string> sealed_index(const std::string& path, const trust::ContentKey& key) {
  TRY_VALUE(const MappedFile file, MappedFile::open(path));
  const std::string_view content(reinterpret_cast<const char*>(file.bytes().data()),
                                 file.bytes().size());
  const auto facts = release::plan_facts(path, path);
  const std::vector<std::uint64_t> cuts = facts ? facts->cuts : std::vector<std::uint64_t>();
  return trust::seal_index(key, trust::ChunkIndex::of(content, cuts));
}

Result<int> seal(const Args& args) {
  if (args.has("--add-recipient")) return add(args);
  if (!args.has("--to") || !args.has("--output")) {
    return fail(Code::kInvalid, "--to and --output are needed: for whom, and where to");
  }
  TRY_VALUE(ActLog acts, ActLog::open(args));
  const std::string output = args.text("--output");
  TRY(check_output(args, "--output"));
  TRY(check_new(output));
  TRY_VALUE(const auto plain, open_readable(args.positional()[0]));
  DiskStore disk;
  TRY_VALUE(const auto file, disk.create(output));
  TRY_VALUE(const trust::ContentKey key, trust::seal_file(*plain, *file));
  trust::SealedKeys keys(key);
  TRY(add_recipients(keys, key, args.all("--to")));
  const auto commit = [&]() -> Status {
    if (plain->size() <= trust::kMaxChunkedFileBytes) {
      TRY_VALUE(const std::string index, sealed_index(args.positional()[0], key));
      TRY(write_file_atomic(trust::sealed_index_path(output), index));
    }
    TRY(write_file_atomic(trust::sealed_keys_path(output), keys.bytes()));
    return file->commit();
  };
  if (Status done = commit(); !done.ok()) {
    // All three or none, so that it can be done again.
    for (const std::string& path :
         {trust::sealed_index_path(output), trust::sealed_keys_path(output)}) {
      [[maybe_unused]] const Status gone = remove_file(path);
    }
    return std::move(done).error();
  }
  TRY(record(acts, trust::Act::kArtifactSealed, output, keys));
  print_sealed(args, output, keys);
  return 0;
}

constexpr Option kUnsealOptions[] = {
    {"--key", "KEY", "the private key of a recipient: FILE or tpm:HANDLE"},
    {"--output", "FILE", "where the plaintext goes"},
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints the number of bytes as JSON"}};

Result<int> unseal(const Args& args) {
  const std::string& path = args.positional()[0];
  if (!args.has("--output")) return fail(Code::kInvalid, "--output is needed: where to");
  TRY(check_output(args, "--output"));
  const std::string output = args.text("--output");
  if (const auto kind = entry_kind(output); kind.ok() && *kind != EntryKind::kOther)
    return fail(Code::kDenied,
                "{}: is there already, and is not written over: give another name, or remove it",
                output);
  TRY(check_sealed(path));
  TRY_VALUE(const trust::SealedKeys keys, read_keys(path));
  TRY_VALUE(const trust::ContentKey key, open_content_key(args, path, keys));
  TRY_VALUE(const auto file, open_readable(path));
  TRY_VALUE(trust::SealedFile sealed, trust::SealedFile::open(*file, key));
  DiskStore disk;
  TRY_VALUE(const auto out, disk.create(output));
  TRY(sealed.write_to(*out));
  TRY(out->commit());
  if (args.has("--json")) fmt::print("{{\"bytes\": {}}}\n", sealed.header().plaintext_bytes);
  return 0;
}

}  // namespace

const Command kSeal = {
    .name = "seal",
    .summary =
        "Encrypts a file so that only the devices it is for can open it.\nWith --add-recipient it "
        "lets further devices open a sealed file, which itself stays as it is. Name a key of your "
        "own as a recipient, too: without one nobody can be added.",
    .arguments = "FILE",
    .example =
        "  polder seal detector.plan --to devices/ --to releaser.pub.pem --output "
        "detector.plan.sealed\n"
        "  polder seal detector.plan.sealed --add-recipient new.pub.pem --key releaser.pem",
    .options = kSealOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = seal};

const Command kUnseal = {
    .name = "unseal",
    .summary =
        "Decrypts a sealed file with the key of a recipient: for tests and to look for faults.\n"
        "Devices open sealed plans in memory and write no plaintext.",
    .arguments = "FILE",
    .example = "  polder unseal detector.plan.sealed --key device.pem --output detector.plan",
    .options = kUnsealOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = unseal};

}  // namespace polder::cli
