#include "agent/device_pin.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "base/fail.h"
#include "platform/file_stamp.h"
#include "platform/private_file.h"
#include "trust/digest.h"
#include "trust/key_uri.h"
#include "trust/passphrase_mark.h"
#include "trust/signer.h"

namespace polder::agent {

namespace {

constexpr std::size_t kMaxRecordBytes = 512;

Error with_advice(Error error) {
  if (error.code == Code::kNotFound) error.message += "; 'polderd identity create' makes it";
  return error;
}

// The PIN that a key has refused: a mark of it, and the stamp of its file, which spares the work of
// comparing it. Those who only look write nothing: they may be another user. A key may be used in
// the thread of a TLS handshake: what all share is behind a mutex.
class Refused {
 public:
  Refused(Storage& storage, const std::string& uri)
      : storage_(storage), name_("pin-refused-" + trust::hex(trust::sha256(uri)).substr(0, 16)) {}

  std::string path() const { return storage_.path(name_); }
  bool has_stamp(const std::string& stamp) const { return record().starts_with(stamp + "\n"); }
  bool has(std::string_view pin) const {
    const std::string known = record();
    const std::size_t end = known.find('\n');
    return end != known.npos && trust::fits_mark(pin, known.substr(end + 1));
  }
  void add(const std::string& stamp, std::string_view pin) {
    const auto mark = trust::passphrase_mark(pin);
    keep(stamp + "\n" + (mark.ok() ? *mark : ""));
  }

 private:
  static std::map<std::string, std::string>& in_memory() {
    static std::map<std::string, std::string> all;
    return all;
  }
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  std::string record() const {
    const std::lock_guard lock(mutex());
    const auto unkept = in_memory().find(name_);
    if (unkept != in_memory().end()) return unkept->second;
    const auto kept = read_stored(storage_, name_, kMaxRecordBytes);
    return kept.ok() ? *kept : "";
  }
  // On a full disk this process remembers it, and the next start may try once more.
  void keep(const std::string& record) {
    const std::lock_guard lock(mutex());
    if (replace_stored(storage_, name_, record).ok()) in_memory().erase(name_);
    else in_memory()[name_] = record;
  }
  Storage& storage_;
  std::string name_;
};

// For one key: hands out the PIN unless it was refused, and sees what becomes of it.
class OncePin final : public PinFile {
 public:
  OncePin(const Config& config, Storage& storage, const std::string& uri)
      : PinFile(config.pin_file), refused_(storage, uri) {}

  Result<trust::Secret> existing(std::string_view what) override {
    auto pin = read(what);
    is_handed_out_ = pin.ok();
    // That there is no such file does not say that there is no key.
    if (!pin.ok()) return Error{Code::kUnavailable, std::move(pin).error().message};
    return pin;
  }

  // An error of what was done with the key.
  Error judge(Error error) {
    if (error.code != Code::kDenied) return error;
    if (is_handed_out_) {
      remember();
      error.message += fmt::format("; {}", words());
    }
    return {Code::kUnavailable, std::move(error.message)};
  }
  // Whether what was handed out has been refused since.
  bool is_refused() const { return is_handed_out_ && refused_.has_stamp(stamp_); }
  Error refused(std::string_view what) const {
    return fail(Code::kUnavailable, "{}: {}", what, words());
  }

 private:
  Result<trust::Secret> read(std::string_view what) {
    if (path_.empty()) return PinFile::existing(what);
    TRY_VALUE(stamp_, stamp());
    if (refused_.has_stamp(stamp_)) return refused(what);
    TRY_VALUE(trust::Secret pin, read_as(stamp_, what));
    if (refused_.has(pin.view())) return refused(what);
    return pin;
  }
  Result<trust::Secret> read_as(const std::string& before, std::string_view what) {
    TRY_VALUE(trust::Secret pin, PinFile::existing(what));
    TRY_VALUE(const std::string after, stamp());
    if (after != before) return fail(Code::kUnavailable, "{}: is being changed", path_);
    return pin;
  }
  // It is read again, as nobody has kept it. Where it is another one by now, that has its turn.
  void remember() {
    const auto now = stamp();
    if (!now.ok() || *now != stamp_) return;
    const auto pin = read_as(stamp_, path_);
    if (pin.ok()) refused_.add(stamp_, pin->view());
  }
  Result<std::string> stamp() const {
    auto found = file_stamp(path_);
    if (!found.ok()) return std::move(found).error().at("[identity] pin_file");
    return found;
  }
  std::string words() const {
    return fmt::format(
        "the PIN in {} {}, as a few wrong ones lock a key: put the right one there, or remove {} "
        "once the key takes it",
        path_, kPinRefused, refused_.path());
  }

  Refused refused_;
  std::string stamp_;
  bool is_handed_out_ = false;
};

// A TPM says what it thinks of a PIN only when the key is used.
class PinnedSigner final : public trust::Signer {
 public:
  PinnedSigner(std::unique_ptr<OncePin> pin, std::unique_ptr<trust::Signer> key)
      : pin_(std::move(pin)), key_(std::move(key)) {}
  const trust::PublicKey& public_key() const override { return key_->public_key(); }
  Result<std::string> sign(std::string_view message) override {
    if (pin_->is_refused()) return pin_->refused("sign");
    return judged(key_->sign(message));
  }
  Result<std::string> sign_digest(const trust::Sha256& digest) override {
    if (pin_->is_refused()) return pin_->refused("sign");
    return judged(key_->sign_digest(digest));
  }

 private:
  Result<std::string> judged(Result<std::string> signature) {
    if (!signature.ok()) return pin_->judge(std::move(signature).error());
    return signature;
  }

  std::unique_ptr<OncePin> pin_;
  std::unique_ptr<trust::Signer> key_;
};

class PinnedDecrypter final : public trust::Decrypter {
 public:
  PinnedDecrypter(std::unique_ptr<OncePin> pin, std::unique_ptr<trust::Decrypter> key)
      : pin_(std::move(pin)), key_(std::move(key)) {}
  const trust::PublicKey& public_key() const override { return key_->public_key(); }
  Result<trust::Secret> agree(const trust::PublicKey& ephemeral) override {
    if (pin_->is_refused()) return pin_->refused("agree on a secret");
    auto secret = key_->agree(ephemeral);
    if (!secret.ok()) return pin_->judge(std::move(secret).error());
    return secret;
  }

 private:
  std::unique_ptr<OncePin> pin_;
  std::unique_ptr<trust::Decrypter> key_;
};

}  // namespace

Result<trust::Secret> PinFile::existing(std::string_view what) {
  if (path_.empty()) {
    return fail(Code::kDenied,
                "{} needs a PIN, and nobody is there to type it: put it into a file and name that "
                "in polderd.toml: [identity] pin_file",
                what);
  }
  trust::Secret pin(trust::kMaxPassphraseBytes);
  auto size = read_private_file(path_, pin.span());
  if (!size.ok()) return std::move(size).error().at("[identity] pin_file");
  pin.shrink(std::min(*size, pin.view().substr(0, *size).find_first_of("\r\n")));
  if (pin.empty()) return fail(Code::kInvalid, "{}: a PIN expected, an empty line found", path_);
  return pin;
}

Result<std::optional<trust::Secret>> PinFile::chosen(std::string_view what) {
  TRY_VALUE(trust::Secret pin, existing(what));
  return std::optional<trust::Secret>(std::move(pin));
}

Result<std::unique_ptr<trust::Signer>> open_device_signer(const Config& config, Storage& storage) {
  auto pin = std::make_unique<OncePin>(config, storage, config.key_uri());
  auto key = trust::open_signer(config.key_uri(), *pin);
  if (!key.ok()) return with_advice(pin->judge(std::move(key).error()));
  return std::unique_ptr<trust::Signer>(
      std::make_unique<PinnedSigner>(std::move(pin), std::move(*key)));
}

Result<std::unique_ptr<trust::Decrypter>> open_device_decrypter(const Config& config,
                                                                Storage& storage) {
  auto pin = std::make_unique<OncePin>(config, storage, config.decryption_uri());
  auto key = trust::open_decrypter(config.decryption_uri(), *pin);
  if (!key.ok()) return with_advice(pin->judge(std::move(key).error()));
  return std::unique_ptr<trust::Decrypter>(
      std::make_unique<PinnedDecrypter>(std::move(pin), std::move(*key)));
}

Result<Identity> create_device_identity(const Config& config, Storage& storage) {
  // A token asks for its PIN before it makes anything: whether it takes it is seen by looking.
  const auto place = trust::KeyUri::parse(config.key_uri());
  if (place.ok() && place->place == trust::KeyPlace::kPkcs11) {
    const auto there = open_device_signer(config, storage);
    if (!there.ok() && there.error().code != Code::kNotFound) return there.error();
  }
  PinFile pin(config.pin_file);
  return create_identity(config, pin);
}

Status check_pin(const Config& config, Storage& storage, const std::string& uri) {
  OncePin pin(config, storage, uri);
  const auto there = pin.existing(uri);
  return there.ok() ? Status() : Status(there.error());
}

}  // namespace polder::agent
