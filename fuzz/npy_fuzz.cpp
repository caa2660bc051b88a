// .npy files of any bytes: a tensor whose every element is there, or an error; never a crash.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "runtime/tensor_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tensor = polder::parse_npy({reinterpret_cast<const char*>(data), size});
  if (!tensor.ok()) return 0;
  const std::size_t bytes = std::size_t(tensor->shape.elements()) * size_of(tensor->type);
  if (tensor->data.view.size() != bytes) std::abort();
  volatile unsigned sum = 0;
  for (const std::byte b : tensor->data.view) sum = sum + unsigned(b);
  return 0;
}
