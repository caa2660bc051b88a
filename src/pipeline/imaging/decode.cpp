#include "pipeline/imaging/decode.h"

#include <spng.h>
#include <turbojpeg.h>

#include <memory>

#include "base/fail.h"

namespace polder::pipeline {
namespace {

Status check_size(std::string_view name, std::int64_t width, std::int64_t height) {
  if (width >= 1 && height >= 1 && width <= kMaxImageSide && height <= kMaxImageSide &&
      width * height <= kMaxImagePixels)
    return {};
  return fail(Code::kExhausted,
              "{}: a picture of {}x{}; at most {} a side and {} pixels are accepted", name, width,
              height, kMaxImageSide, kMaxImagePixels);
}

Status decode_jpeg(std::string_view bytes, std::string_view name, Image& image) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  const std::unique_ptr<void, decltype(&tjDestroy)> jpeg(tjInitDecompress(), tjDestroy);
  if (!jpeg) return fail(Code::kExhausted, "{}: no memory for the JPEG decoder", name);
  int width = 0, height = 0, subsampling = 0, colours = 0;
  if (tjDecompressHeader3(jpeg.get(), data, bytes.size(), &width, &height, &subsampling,
                          &colours) != 0)
    return fail(Code::kCorrupt, "{}: {}", name, tjGetErrorStr2(jpeg.get()));
  if (width == 0 && height == 0)
    return fail(Code::kCorrupt, "{}: damaged JPEG: it ends before its picture", name);
  TRY(check_size(name, width, height));
  image.resize(width, height);
  if (tjDecompress2(jpeg.get(), data, bytes.size(), image.pixels.data(), width, image.stride,
                    height, TJPF_RGB, 0) != 0)
    return fail(Code::kCorrupt, "{}: {}", name, tjGetErrorStr2(jpeg.get()));
  return {};
}

Status decode_png(std::string_view bytes, std::string_view name, Image& image) {
  const std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)> png(spng_ctx_new(0), spng_ctx_free);
  if (!png) return fail(Code::kExhausted, "{}: no memory for the PNG decoder", name);
  spng_set_image_limits(png.get(), kMaxImageSide, kMaxImageSide);
  spng_set_chunk_limits(png.get(), 1 << 20, 1 << 24);
  spng_set_png_buffer(png.get(), bytes.data(), bytes.size());
  spng_ihdr header{};
  const auto damaged = [&](int code) {
    return fail(Code::kCorrupt, "{}: damaged PNG: {}", name,
                code == SPNG_IO_EOF ? "it ends too early" : spng_strerror(code));
  };
  int code = spng_get_ihdr(png.get(), &header);
  if (code) return damaged(code);
  TRY(check_size(name, header.width, header.height));
  image.resize(int(header.width), int(header.height));
  code = spng_decode_image(png.get(), image.pixels.data(), image.pixels.size(), SPNG_FMT_RGB8, 0);
  if (code) return damaged(code);
  return {};
}

}  // namespace

Status decode_image(std::string_view bytes, std::string_view name, Image& image) {
  if (bytes.starts_with("\xff\xd8\xff")) return decode_jpeg(bytes, name, image);
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return decode_png(bytes, name, image);
  return fail(Code::kUnsupported, "{}: neither JPEG nor PNG", name);
}

}  // namespace polder::pipeline
