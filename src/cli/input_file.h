// A model's input from a file: .npy as it is, a picture or a recording made to fit.
#pragma once

#include <polder/port.h>

#include <array>

#include "cli/args.h"
#include "import/options.h"
#include "pipeline/imaging/fit.h"

namespace polder::cli {

// How pictures become tensors.
struct PictureOptions {
  pipeline::Fit fit = pipeline::Fit::kStretch;
  bool given = false;  // a mean or a scale was: only float inputs take one
  std::array<double, 3> mean{0, 0, 0};
  std::array<double, 3> scale{1.0 / 255, 1.0 / 255, 1.0 / 255};
  bool bgr = false;
  int width = 0, height = 0;  // where the input leaves them free; 0: the picture's own
};

struct InputOptions {
  PictureOptions picture;
  double from_s = 0;  // where a recording starts
  std::int64_t rate_hz = 16000;
};

// Of the values of these options, before any file is read.
inline constexpr std::string_view kFits[] = {"stretch", "crop", "letterbox"};
inline constexpr std::string_view kColours[] = {"rgb", "bgr"};
Status check_channels(std::string_view option, const std::string& value);
Status check_size(std::string_view option, const std::string& value);

#define POLDER_INPUT_OPTIONS                                                                      \
  {"--fit", "HOW", "a picture to the input's size: stretch, crop or letterbox (default stretch)", \
   false, one_of<kFits>},                                                                         \
      {"--mean", "M[,M,M]", "subtracted from a pixel of 0..255, for float inputs (default 0)",    \
       false, check_channels},                                                                    \
      {"--scale", "S[,S,S]", "multiplied after that, for float inputs (default 1/255)", false,    \
       check_channels},                                                                           \
      {"--colours", "ORDER", "rgb or bgr (default rgb)", false, one_of<kColours>},                \
      {"--size", "W,H", "of a picture for an input of free width and height (default: its own)",  \
       false, check_size},                                                                        \
      {"--from", "SECONDS", "where to start in a .wav (default 0)", false, real<0, 1'000'000>}, { \
    "--rate", "HZ", "what the model takes; a .wav of another rate is refused (default 16000)",    \
        false, whole<1, 768'000>                                                                  \
  }

Result<InputOptions> input_options(const Args& args);

// Reads `path` for `port`, by the file's first bytes:
// - .npy: as it is;
// - JPEG, PNG: for [1,H,W,C], [1,C,H,W], [H,W,C] or [C,H,W], with C of 1 or 3; a free H or W takes
//   that of --size, or the picture's. f32: (pixel - mean) * scale; u8: the pixel; i8: the pixel -
//   128;
// - WAVE: mono samples in -1..1 for f32 whose last dimension is not 1 and whose others are; silence
//   after the end; of the rate that is asked for.
// Errors name the file, what the port wants and what was found. `is_picture`: whether it was one.
Result<OwnedTensor> read_input(const std::string& path, const Port& port,
                               const InputOptions& options, bool* is_picture = nullptr);

// Where a port holds the dimensions of a picture. kInvalid when it takes none.
struct PictureAxes {
  int height = 0, width = 0, channel = 0;
};
Result<PictureAxes> picture_axes(const Port& port);

// The input that `text` writes out, such as 16000, where the port is a scalar or a vector.
Result<OwnedTensor> written_input(const std::string& text, const Port& port);

// Zeros as `port` wants them; a free dimension is 1.
Result<OwnedTensor> zeros(const Port& port);

}  // namespace polder::cli
