// The JPEG and PNG files of a folder as a stream, in the order of their names.
#include <algorithm>
#include <cctype>

#include "base/fail.h"
#include "pipeline/imaging/decode.h"
#include "pipeline/sources/sources.h"

namespace polder::pipeline {
namespace {

constexpr std::size_t kMaxFiles = 1'000'000;
constexpr std::size_t kMaxProblems = 20;  // told one by one; the others are counted

constexpr Option kOptions[] = {
    {.name = "path",
     .type = OptionType::kString,
     .required = true,
     .doc = "The folder; relative to the pipeline file."},
    {.name = "frame_rate",
     .type = OptionType::kFloat,
     .fallback = "10",
     .unit = "images a second",
     .min = 0.001,
     .max = 1000,
     .doc = "Sets the capture times."},
};

bool is_image(std::string path) {
  std::ranges::transform(path, path.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return path.ends_with(".jpg") || path.ends_with(".jpeg") || path.ends_with(".png");
}

class ImageFolderSource final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings,
                                            const Environment& environment) {
    auto source = std::make_unique<ImageFolderSource>();
    const std::string folder = path_in(environment.input_folder, settings.string("path"));
    auto entries = list_folder(folder, kMaxFiles);
    if (!entries.ok()) return std::move(entries).error().at(settings.place("path"));
    for (const std::string& path : *entries)
      if (is_image(path)) source->files_.push_back(path);
    if (source->files_.empty())
      return fail(Code::kNotFound, "{}: {} holds no .jpg, .jpeg or .png", settings.place("path"),
                  folder);
    source->step_us_ = 1e6 / settings.number("frame_rate");
    return std::unique_ptr<Node>(std::move(source));
  }

  Status process(std::span<const Packet>, Emitter& out) override {
    if (next_ == files_.size()) return out.end(), all_unread();
    // One that is skipped ends the call without a packet: whoever stops the run is heard.
    const std::size_t number = next_++;
    auto& image = out.acquire<Image>();
    if (Status status = read(files_[number], image); !status) {
      if (unread_++ < kMaxProblems) problems_.push_back(std::move(status).error().message);
      return {};
    }
    out.emit(number, std::int64_t(double(number) * step_us_));
    return {};
  }

  std::vector<std::string> problems() const override {
    std::vector<std::string> all = problems_;
    if (unread_ > 0)
      all.push_back(fmt::format("{} of {} pictures could not be read and were left out", unread_,
                                files_.size()));
    return all;
  }

  std::optional<std::uint64_t> expected_packets() const override { return files_.size(); }
  Traffic traffic() const override { return traffic_; }

 private:
  Status read(const std::string& file, Image& image) {
    TRY_VALUE(const std::string bytes, read_file(file, kMaxImageFileBytes));
    TRY(decode_image(bytes, file, image));
    traffic_.encoded_bytes += bytes.size();
    traffic_.decoded_bytes += image.pixels.size();
    return {};
  }

  // No picture at all is no recording.
  Status all_unread() const {
    if (unread_ < files_.size()) return {};
    return fail(Code::kCorrupt, "none of {} pictures could be read; the first: {}", unread_,
                problems_.front());
  }

  std::vector<std::string> files_, problems_;
  std::size_t next_ = 0, unread_ = 0;
  double step_us_ = 0;
  Traffic traffic_;
};

}  // namespace

const NodeType kImageFolder{
    .name = "image_folder",
    .group = "source",
    .doc =
        "The JPEG and PNG files of a folder, in the order of their names. One that cannot be "
        "read is left out and reported; the command ends with status 1 then. When none can be "
        "read the run fails, and no output is written.",
    .options = kOptions,
    .inputs = {},
    .output = PayloadKind::kImage,
    .output_is_raw = true,
    .make = ImageFolderSource::make,
};

}  // namespace polder::pipeline
