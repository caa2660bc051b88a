// A release as a folder: its manifest and every blob that it names, as 'polder release create'
// makes it and 'polder repo add' takes it.
//
//   TRY_VALUE(const ReleaseFolder release, open_release("people-1.2.0"));
//   TRY_VALUE(const auto problems, check_release(release));
//
//   manifest.json
//   blobs/sha256/ab/abcdef...   content-addressed, as in a repository
//   sealed/FILE-ID.keys         who may open a sealed blob (trust/sealed_file.h); may grow later
//   model.sig                   an OpenSSF signature of the folder (trust/model_signing.h), if any
#pragma once

#include <polder/error.h>

#include <string>
#include <vector>

#include "trust/digest.h"
#include "trust/manifest.h"

namespace polder::trust {

struct ReleaseFolder {
  std::string folder;
  std::string manifest_bytes;
  Manifest manifest;

  // Of the manifest's bytes: names the release.
  Sha256 digest() const { return sha256(manifest_bytes); }
  std::string blob_path(const Sha256& blob) const;
  // The name of its manifest in a repository: "people/1.2.0/manifest.json".
  std::string target() const;
};

// "sealed/FILE-ID.keys": in the folder. "people/1.2.0/FILE-ID.keys": the target of a repository.
std::string sealed_keys_place(const Sha256& file_id);
std::string sealed_keys_target(const Manifest& manifest, const Sha256& file_id);

// "blobs/sha256/ab/abcdef..."
std::string blob_place(const Sha256& blob);

// Reads and checks the manifest, and that each of its blobs is there with its size; their content
// is for check_release(). Errors: kNotFound, kCorrupt, kIncompatible, kExhausted, kIo; each names
// the file.
Result<ReleaseFolder> open_release(const std::string& folder);

// Hashes every blob and holds chunk indices against the files that they are of. What is wrong, one
// line each: damaged, not as its index has it, a link, a file that the manifest does not name.
// Empty: all is good. Errors: kIo, kDenied.
Result<std::vector<std::string>> check_release(const ReleaseFolder& release);

}  // namespace polder::trust
