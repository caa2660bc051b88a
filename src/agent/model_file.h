// Opens the model files that an agent names to its worker. Inside this room.
#pragma once

#include <polder/error.h>

#include <memory>

#include "proto/worker.h"
#include "runtime/session.h"

namespace polder::agent {

// A plan is mapped; a sealed one is decrypted, piece by piece, into memory of this process that
// goes to no disk. Errors: those of Session::open() and SealedFile::open_all().
Result<std::unique_ptr<Session>> open_model_file(const proto::ModelFile& model, int threads);

}  // namespace polder::agent
