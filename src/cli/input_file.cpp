#include "cli/input_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <tuple>

#include "base/fail.h"
#include "cli/model_options.h"
#include "import/bind.h"
#include "pipeline/imaging/decode.h"
#include "pipeline/imaging/fit.h"
#include "pipeline/sources/wav.h"
#include "platform/file.h"
#include "runtime/tensor_file.h"

namespace polder::cli {

namespace {

// --- Options ---

// One number for all channels, or one for each.
Result<std::array<double, 3>> parse_channels(std::string_view option, const std::string& text) {
  std::vector<double> found;
  for (const char* at = text.c_str();;) {
    char* end = nullptr;
    const double value = std::strtod(at, &end);
    if (end == at || !std::isfinite(value) || (*end != ',' && *end != '\0')) {
      found.clear();
      break;
    }
    found.push_back(value);
    if (*end == '\0') break;
    at = end + 1;
  }
  if (found.size() == 1) found.resize(3, found[0]);
  if (found.size() == 3) return std::array<double, 3>{found[0], found[1], found[2]};
  return fail(Code::kInvalid, "{}: one number, or three with commas, expected, '{}' given", option,
              text);
}

Status read_channels(const Args& args, std::string_view option, PictureOptions& picture,
                     std::array<double, 3>& values) {
  if (!args.has(option)) return {};
  picture.given = true;
  TRY_VALUE(values, parse_channels(option, args.text(option)));
  return {};
}

// "W,H"
Result<std::pair<int, int>> parse_size(std::string_view option, const std::string& text) {
  int width = 0, height = 0;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, width);
  if (first.ec == std::errc() && first.ptr != end && *first.ptr == ',') {
    const auto second = std::from_chars(first.ptr + 1, end, height);
    if (second.ec == std::errc() && second.ptr == end && std::min(width, height) >= 1 &&
        std::max(width, height) <= pipeline::kMaxImageSide)
      return std::pair(width, height);
  }
  return fail(Code::kInvalid,
              "{}: width and height with a comma expected, 1 to {} each, '{}' given", option,
              pipeline::kMaxImageSide, text);
}

// --- Pictures ---

// Value of channel `c` of a pixel, 0..255; one channel is luma (ITU-R BT.601).
double channel_of(const std::uint8_t* rgb, std::int64_t c, std::int64_t channels, bool bgr) {
  if (channels == 1) return std::lround(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]);
  return rgb[bgr ? 2 - c : c];
}

template <class T, class Convert>
void fill(const std::vector<std::uint8_t>& rgb, const PictureAxes& axes, const Shape& shape,
          bool bgr, T* out, Convert convert) {
  const std::int64_t channels = shape[axes.channel];
  const bool last = axes.channel == shape.rank() - 1;
  const std::int64_t count = shape[axes.width] * shape[axes.height];
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t i = 0; i < count; ++i) {
      const double pixel = channel_of(rgb.data() + i * 3, c, channels, bgr);
      out[last ? i * channels + c : c * count + i] = T(convert(pixel, std::size_t(c)));
    }
  }
}

// Zeroed, writable through `out`.
Result<OwnedTensor> make_tensor(DataType type, const Shape& shape, std::span<std::byte>* out) {
  OwnedTensor tensor{type, shape, {}};
  const std::size_t bytes = std::size_t(shape.elements()) * size_of(type);
  tensor.data = Bytes::allocate(bytes, out);
  if (!tensor.data) return fail(Code::kExhausted, "out of memory for {} bytes", bytes);
  return tensor;
}

// The extent of a picture along an axis of the port: as the model says, or as is asked for, or the
// picture's own.
Result<std::int64_t> side(const Port& port, int axis, int asked, int own) {
  const std::int64_t fixed = port.shape[axis], most = port.bounds[axis];
  if (fixed >= 0 && asked > 0 && asked != fixed)
    return fail(Code::kInvalid, "--size says {} where input '{}' {} takes {}", asked, port.name,
                port.extents_text(), fixed);
  if (fixed >= 0) return fixed;
  const int wanted = asked > 0 ? asked : own;
  if (wanted <= most) return wanted;
  return fail(
      Code::kInvalid,
      "{} where input '{}' {} takes up to {}: let it be made smaller (--size W,H), or compile "
      "the model for a larger bound (--bound)",
      wanted, port.name, port.extents_text(), most);
}

Result<OwnedTensor> picture_input(const pipeline::Image& image, const Port& port,
                                  const PictureOptions& options) {
  TRY_VALUE(const PictureAxes axes, picture_axes(port));
  if (port.type != DataType::kF32 && options.given)
    return fail(Code::kInvalid, "--mean and --scale are for f32, and input '{}' is {}", port.name,
                type_name(port.type));
  Shape shape = port.shape;
  if (shape.rank() == 4) shape[0] = 1;
  TRY_VALUE(shape[axes.width], side(port, axes.width, options.width, image.width));
  TRY_VALUE(shape[axes.height], side(port, axes.height, options.height, image.height));
  if (std::max(shape[axes.width], shape[axes.height]) > pipeline::kMaxImageSide ||
      std::min(shape[axes.width], shape[axes.height]) < 1)
    return fail(Code::kInvalid, "input '{}' {} is no size for a picture", port.name,
                port.extents_text());
  std::vector<std::uint8_t> pixels;
  pipeline::Resizer resizer;
  pipeline::fit_picture(image, int(shape[axes.width]), int(shape[axes.height]), options.fit,
                        pipeline::kBorderGrey, resizer, pixels);
  std::span<std::byte> elements;
  TRY_VALUE(OwnedTensor tensor, make_tensor(port.type, shape, &elements));
  std::byte* out = elements.data();
  switch (port.type) {
    case DataType::kF32:
      fill(pixels, axes, shape, options.bgr, reinterpret_cast<float*>(out),
           [&](double pixel, std::size_t c) {
             return (pixel - options.mean[c]) * options.scale[c];
           });
      return tensor;
    case DataType::kU8:
      fill(pixels, axes, shape, options.bgr, reinterpret_cast<std::uint8_t*>(out),
           [](double pixel, std::size_t) { return pixel; });
      return tensor;
    case DataType::kI8:
      fill(pixels, axes, shape, options.bgr, reinterpret_cast<std::int8_t*>(out),
           [](double pixel, std::size_t) { return pixel - 128; });
      return tensor;
    default:
      return fail(Code::kInvalid,
                  "a picture fits f32, u8 and i8, and input '{}' is {}: give it "
                  "an .npy",
                  port.name, type_name(port.type));
  }
}

// --- Recordings ---

Result<OwnedTensor> wave_input(const pipeline::Wav& wav, const Port& port,
                               const InputOptions& options) {
  const double from_s = options.from_s;
  const int last = port.shape.rank() - 1;
  bool fits = port.type == DataType::kF32 && last >= 0 && port.shape[last] != 1;
  for (int i = 0; i < last; ++i) fits = fits && (port.shape[i] == 1 || port.shape[i] < 0);
  if (!fits)
    return fail(Code::kInvalid,
                "a recording fits f32 [samples] or [1,samples], and input '{}' is {} {}: give it "
                "an .npy",
                port.name, type_name(port.type), port.extents_text());
  if (wav.sample_rate_hz != options.rate_hz)
    return fail(
        Code::kInvalid,
        "it has {} Hz, and {} Hz are expected: resample it, or give the rate that the model "
        "takes (--rate)",
        wav.sample_rate_hz, options.rate_hz);
  const double duration_s = double(wav.frames()) / wav.sample_rate_hz;
  if (from_s >= duration_s)
    return fail(Code::kInvalid, "--from {} s is after its end: it lasts {:.3f} s", from_s,
                duration_s);
  const auto first = std::uint64_t(from_s * wav.sample_rate_hz);
  Shape shape = port.shape;
  for (int i = 0; i < last; ++i) shape[i] = 1;
  const std::int64_t left = std::int64_t(wav.frames() - std::min(first, wav.frames()));
  if (shape[last] < 0) shape[last] = left;
  std::span<std::byte> elements;
  TRY_VALUE(OwnedTensor tensor, make_tensor(port.type, shape, &elements));
  auto* out = reinterpret_cast<float*>(elements.data());
  for (std::int64_t i = 0; i < shape[last]; ++i)
    out[i] = i < left ? wav.mono(first + std::uint64_t(i)) : 0.0F;
  return tensor;
}

bool holds_picture(std::string_view bytes) {
  return bytes.starts_with("\xFF\xD8\xFF") || bytes.starts_with("\x89PNG");
}

}  // namespace

Result<PictureAxes> picture_axes(const Port& port) {
  const Shape& s = port.shape;
  const int rank = s.rank();
  const bool one = rank == 3 || (rank == 4 && (s[0] == 1 || s[0] < 0));
  const auto is_colour = [&](int axis) { return s[axis] == 1 || s[axis] == 3; };
  if (one && is_colour(rank - 1)) return PictureAxes{rank - 3, rank - 2, rank - 1};
  if (one && is_colour(rank - 3)) return PictureAxes{rank - 2, rank - 1, rank - 3};
  return fail(Code::kInvalid,
              "a picture fits [1,H,W,C] or [1,C,H,W] with C of 1 or 3, and input '{}' is {}: give "
              "it an .npy",
              port.name, port.extents_text());
}

Status check_channels(std::string_view option, const std::string& value) {
  const auto channels = parse_channels(option, value);
  return channels ? Status() : Status(channels.error());
}

Status check_size(std::string_view option, const std::string& value) {
  const auto size = parse_size(option, value);
  return size ? Status() : Status(size.error());
}

Result<InputOptions> input_options(const Args& args) {
  InputOptions options;
  PictureOptions& picture = options.picture;
  const std::string fit = args.text("--fit");
  if (fit == "crop") picture.fit = pipeline::Fit::kCrop;
  if (fit == "letterbox") picture.fit = pipeline::Fit::kLetterbox;
  picture.bgr = args.text("--colours") == "bgr";
  TRY(read_channels(args, "--mean", picture, picture.mean));
  TRY(read_channels(args, "--scale", picture, picture.scale));
  if (args.has("--size")) {
    TRY_VALUE(const auto size, parse_size("--size", args.text("--size")));
    std::tie(picture.width, picture.height) = size;
  }
  options.from_s = args.real("--from", 0);
  options.rate_hz = args.integer("--rate", options.rate_hz);
  return options;
}

Result<OwnedTensor> zeros(const Port& port) {
  Shape shape = port.shape;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] < 0) shape[i] = 1;
  }
  std::span<std::byte> elements;
  return make_tensor(port.type, shape, &elements);
}

Result<OwnedTensor> written_input(const std::string& text, const Port& port) {
  TRY_VALUE(const OwnedTensor numbers, parse_numbers("--input", text));
  Dims dims;
  for (int axis = 0; axis < port.shape.rank(); ++axis)
    dims.push_back(port.shape[axis] < 0 ? Dim(port.bounds[axis], axis + 1) : Dim(port.shape[axis]));
  auto fitted = fit_binding(numbers, port.type, dims);
  if (!fitted) return std::move(fitted).error().at(fmt::format("input '{}'", port.name));
  return fitted;
}

Result<OwnedTensor> read_input(const std::string& path, const Port& port,
                               const InputOptions& options, bool* is_picture) {
  TRY_VALUE(const std::string bytes, read_file(path, kMaxTensorFileBytes));
  const auto named = [&](Result<OwnedTensor> tensor) -> Result<OwnedTensor> {
    if (!tensor) return std::move(tensor).error().at(path);
    return tensor;
  };
  const bool picture = holds_picture(bytes);
  if (is_picture) *is_picture = picture;
  if (picture) {
    pipeline::Image image;
    TRY(pipeline::decode_image(bytes, path, image));
    return named(picture_input(image, port, options.picture));
  }
  if (bytes.starts_with("RIFF")) {
    TRY_VALUE(const pipeline::Wav wav, pipeline::parse_wav(std::as_bytes(std::span(bytes)), path));
    return named(wave_input(wav, port, options));
  }
  if (bytes.starts_with("\x93NUMPY")) return named(parse_npy(bytes));
  return fail(Code::kUnsupported, "{}: not an .npy, JPEG, PNG or WAVE file", path);
}

}  // namespace polder::cli
