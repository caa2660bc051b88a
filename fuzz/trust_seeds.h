// Seeds of the fuzz targets audit and sealed, under keys that those know.
#pragma once

#include <memory>
#include <string>

#include "trust/key.h"
#include "trust/sealed_file.h"
#include "trust/unwrap.h"

namespace polder::fuzz {

// Signs the checkpoints of the seeds.
std::unique_ptr<trust::Signer> audit_signer();

// Seals the seeds.
trust::ContentKey content_key();
// A recipient of theirs, whose secrets are always the same.
std::unique_ptr<trust::Decrypter> sealed_recipient();

// How many they wrote.
int write_audit_seeds(const std::string& folder);
int write_sealed_seeds(const std::string& folder);

}  // namespace polder::fuzz
