#include "agent/device_settings.h"

#include <gtest/gtest.h>

#include "agent/config.h"

namespace polder::agent {
namespace {

constexpr char kHead[] = "device = \"a\"\nmodels = [\"door\", \"voice\"]\n";
constexpr char kPipeline[] = R"([pipeline]
name = "door"
[[node]]
name = "camera"
type = "image_folder"
path = "pictures"
[[node]]
name = "letterbox"
type = "letterbox"
inputs = ["camera"]
size = [300, 300]
[[node]]
name = "normalise"
type = "normalise"
inputs = ["letterbox"]
[[node]]
name = "infer"
type = "infer"
inputs = ["normalise"]
model = "detector"
[[node]]
name = "decode"
type = "ssd_decode"
inputs = ["infer"]
[[node]]
name = "track"
type = "track"
inputs = ["decode"]
[[node]]
name = "entrance"
type = "line"
inputs = ["track"]
from = [0, 0]
to = [0, 10]
[[node]]
name = "events"
type = "json_lines"
inputs = ["entrance"]
[[node]]
name = "tracks"
type = "json_lines"
inputs = ["track"]
path = "tracks.jsonl"
)";

Result<Config> config_of(const std::string& more) {
  return parse_config(kHead + more, "polderd.toml");
}

std::string problem_with(const std::string& more) {
  const auto config = config_of(more);
  if (!config.ok()) return config.error().message;
  const Status fits = check_device_settings(kPipeline, config->settings_of("door"));
  return fits.ok() ? "" : fits.error().message;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

TEST(DeviceSettings, EveryWayToWriteThemIsTheSame) {
  const auto of = [](const std::string& more) {
    const auto config = config_of(more);
    EXPECT_TRUE(config.ok()) << config.error().message;
    std::string all;
    for (const DeviceSetting& setting : config->settings_of("door"))
      all += setting.assignment() + "\n";
    return all;
  };
  const std::string expected = "camera.frame_rate=2.5\ncamera.path=\"/dev/\\\"video0\\\"\"\n";
  EXPECT_EQ(of("[pipeline.door]\ncamera.path = '/dev/\"video0\"'\ncamera.frame_rate = 2.5\n"),
            expected);
  EXPECT_EQ(of("[pipeline.door]\n\"camera.path\" = '/dev/\"video0\"'\n"
               "\"camera.frame_rate\" = 2.5\n"),
            expected);
  EXPECT_EQ(of("[pipeline.door.camera]\npath = '/dev/\"video0\"'\nframe_rate = 2.5\n"), expected);
  EXPECT_EQ(of("[pipeline.voice]\na.b = 1\n"), "");
  EXPECT_EQ(of("[pipeline.door]\nhall.points = [[1, 2], [3.5, -4]]\nx.y = true\n"),
            "hall.points=[[1, 2], [3.5, -4]]\nx.y=true\n");
}

TEST(DeviceSettings, ThoseThatFitAreTaken) {
  EXPECT_EQ(problem_with(""), "");
  EXPECT_EQ(problem_with("[pipeline.door]\ncamera.path = \"/data/camera\"\n"
                         "camera.frame_rate = 5\nentrance.from = [1, 2.5]\n"
                         "decode.threshold = 0.7\nevents.path = \"door.jsonl\"\n"),
            "");
}

TEST(DeviceSettings, ErrorsSayWhereAndWhatThereIs) {
  struct Case {
    const char *text, *message;
  };
  const Case cases[] = {
      {"camrea.path = \"x\"",
       "polderd.toml:4: the release's pipeline has no step 'camrea'; did "
       "you mean 'camera'? Known: 'camera', 'letterbox'"},
      {"camera.paht = \"x\"",
       "polderd.toml:4: step 'camera' (image_folder) has no key 'paht' that "
       "a device may set; did you mean 'path'? Known: 'path', 'frame_rate'"},
      {"camera.path = 3", "polderd.toml:4: step 'camera' (image_folder): 'path' must be a string"},
      {"decode.threshold = 2.0", "polderd.toml:4: step 'decode' (ssd_decode): 'threshold' is 2"},
      // The release's own.
      {"infer.model = \"other\"", "no key 'model' that a device may set"},
      {"infer.shapes = { x = [1] }", "a table cannot be set"},
      {"decode.labels = \"x\"", "no key 'labels'"},
      {"camera.type = \"video_file\"", "no key 'type'"},
      {"entrance.inputs = [\"track\"]", "no key 'inputs'"},
      {"events.privacy = \"x\"", "no key 'privacy'"},
      // What only shows in the whole.
      {"events.path = \"tracks.jsonl\"",
       "polderd.toml:4: the pipeline with this device's settings"},
      {"path = \"x\"", "STEP.KEY = VALUE expected"},
      {"\"a=b.c\" = 1", "STEP.KEY = VALUE expected"},
      {"a.b.c = 1", "a table cannot be set"},
  };
  for (const Case& c : cases) {
    const std::string problem = problem_with(std::string("[pipeline.door]\n") + c.text + "\n");
    EXPECT_TRUE(has(problem, c.message)) << c.text << ": " << problem;
  }
  EXPECT_TRUE(has(problem_with("[pipeline.dor]\na.b = 1\n"),
                  "polderd.toml:3: [pipeline.dor]: 'dor' is not among 'models'; did you mean"));
  EXPECT_TRUE(has(problem_with("[pipeline]\ndoor = 1\n"), "a table expected"));
  const std::string large(kMaxDeviceSettingBytes - 20, '<');
  EXPECT_TRUE(
      has(problem_with("[pipeline.door]\ncamera.path = \"" + large + "\"\n"), "bytes; at most"));
}

TEST(DeviceSettings, APipelineThatIsWrongByItselfIsNotJudged) {
  const auto config = config_of("[pipeline.door]\ncamera.path = \"x\"\n");
  EXPECT_TRUE(check_device_settings("not = [toml", config->settings_of("door")).ok());
  EXPECT_TRUE(check_device_settings("[[node]]\nname = \"camera\"\ntype = \"no\"\n",
                                    config->settings_of("door"))
                  .ok());
}

std::string away_with(const std::string& more, std::string_view pipeline = kPipeline) {
  const auto config = config_of(more);
  const Status found =
      find_device_inputs(pipeline, "door", config->settings_of("door"),
                         [](const std::string& name) { return name == "pictures/a"; });
  if (found.ok()) return "";
  EXPECT_EQ(found.error().code, Code::kNotFound);
  return found.error().message;
}

TEST(DeviceSettings, InputsThatAreNotThereAreNamed) {
  const auto set = [](const std::string& path) {
    return "[pipeline.door]\ncamera.path = \"" + path + "\"\n";
  };
  EXPECT_EQ(away_with(set("/dev/null")), "");
  EXPECT_EQ(away_with(set("./pictures//a")), "");
  EXPECT_EQ(away_with(set("/dev/video99")),
            "polderd.toml:4: [pipeline.door] camera.path: '/dev/video99' is not there; connect it, "
            "or name what is there");
  EXPECT_TRUE(has(away_with(set("b")), "polderd.toml:4: [pipeline.door] camera.path: 'b' is not"));
  // What the release itself names, also where the device sets something else.
  const std::string own = away_with("[pipeline.door]\ncamera.frame_rate = 5\n");
  EXPECT_TRUE(own.starts_with("[pipeline.door] camera.path: 'pictures' is not there")) << own;
  EXPECT_EQ(away_with(""), own);
  std::string pipeline = kPipeline;
  pipeline.replace(pipeline.find("\"pictures\""), 10, "\"/dev/video99\"");
  EXPECT_TRUE(has(away_with("", pipeline), "'/dev/video99' is not there; the release reads it"));
  EXPECT_EQ(away_with(set("/dev/null"), pipeline), "");
  // Outputs are no inputs.
  EXPECT_EQ(away_with(set("/dev/null") + "tracks.path = \"new.jsonl\"\n"), "");
  EXPECT_EQ(away_with("", "not = [toml"), "");
}

}  // namespace
}  // namespace polder::agent
