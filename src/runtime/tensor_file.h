// Tensors from and to files: NumPy's .npy.
#pragma once

#include <polder/error.h>
#include <polder/tensor.h>

#include <string>

#include "graph/owned_tensor.h"

namespace polder {

// Reads an .npy file (versions 1 to 3, C order, little endian, numeric types). Errors name the
// file.
Result<OwnedTensor> read_npy(const std::string& path);
// From memory; for fuzzing.
Result<OwnedTensor> parse_npy(std::string_view bytes);
// A file of version 1.0. Errors, which name `path`: kUnsupported.
Result<std::string> npy_bytes(const TensorView& tensor, const std::string& path);

// Bytes that a tensor file may have.
inline constexpr std::size_t kMaxTensorFileBytes = std::size_t(2) << 30;

}  // namespace polder
