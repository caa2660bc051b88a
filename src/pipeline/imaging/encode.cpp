#include "pipeline/imaging/encode.h"

#include <turbojpeg.h>

#include <memory>

#include "base/fail.h"

namespace polder::pipeline {

Result<std::string> encode_jpeg(const Image& image, int quality) {
  const std::unique_ptr<void, decltype(&tjDestroy)> jpeg(tjInitCompress(), tjDestroy);
  if (!jpeg) return fail(Code::kExhausted, "no memory for the JPEG encoder");
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const int code = tjCompress2(jpeg.get(), image.pixels.data(), image.width, image.stride,
                               image.height, TJPF_RGB, &bytes, &size, TJSAMP_420, quality, 0);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owner(bytes, tjFree);
  if (code != 0) return fail(Code::kInvalid, "cannot make a JPEG: {}", tjGetErrorStr2(jpeg.get()));
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    unsigned word = 0;
    for (std::size_t k = 0; k < 3; ++k)
      word = word << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      out += k <= count ? kDigits[word >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

}  // namespace polder::pipeline
