#include "pipeline/graph.h"

#include <gtest/gtest.h>

namespace polder::pipeline {
namespace {

// A checked graph of boxes without models: wav → window → …
constexpr const char* kGood = R"([pipeline]
name = "test"

[[node]]
name = "mic"
type = "wav_file"
path = "a.wav"

[[node]]
name = "window"
type = "audio_window"
inputs = "mic"

[[node]]
name = "model"
type = "infer"
inputs = "window"
model = "m"

[[node]]
name = "speech"
type = "vad_smooth"
inputs = "model"

[[node]]
name = "events"
type = "json_lines"
inputs = ["speech"]
)";

Result<Graph> load(const std::string& text, const std::vector<std::string>& overrides = {}) {
  auto document = parse_toml(text, "p.toml");
  if (!document.ok()) return std::move(document).error();
  for (const std::string& assignment : overrides)
    if (Status status = override_setting(*document, assignment); !status.ok())
      return std::move(status).error();
  return load_graph(*document, "p.toml");
}

std::string message(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const auto graph = load(text, overrides);
  return graph.ok() ? "" : graph.error().message;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Graph, LoadsInTopologicalOrder) {
  const auto graph = load(kGood);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(graph->nodes.size(), 5u);
  EXPECT_EQ(graph->nodes[0].name, "mic");
  EXPECT_EQ(graph->nodes[4].name, "events");
  EXPECT_TRUE(graph->nodes[1].raw);   // a window of audio is still audio
  EXPECT_FALSE(graph->nodes[2].raw);  // what a model makes of it is not
  ASSERT_EQ(graph->edges.size(), 4u);
  EXPECT_EQ(graph->edges[0].policy, Policy::kBlock);
}

TEST(Graph, OrderInTheFileIsFree) {
  const std::string text(kGood);
  const std::size_t first = text.find("[[node]]"), second = text.find("[[node]]", first + 1);
  const auto graph =
      load(text.substr(0, first) + text.substr(second) + text.substr(first, second - first));
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ(graph->nodes[0].name, "mic");
}

TEST(Graph, EdgesTakePoliciesAndStayBounded) {
  const std::string edge = "[[edge]]\nfrom = \"mic\"\nto = \"window\"\npolicy = \"latest\"\n";
  const auto graph = load(kGood + edge + "capacity = 2");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ(graph->edges[0].policy, Policy::kLatest);
  EXPECT_EQ(graph->edges[0].capacity, 2);
  EXPECT_NE(message(kGood + edge + "capacity = 0").find("'capacity' is 0; expected 1 to 256"),
            std::string::npos);
  EXPECT_NE(message(kGood + edge + "capacity = 100000").find("expected 1 to 256"),
            std::string::npos);
  EXPECT_NE(message(kGood + std::string("[[edge]]\nfrom = \"mic\"\nto = \"model\"\n"))
                .find("'model' does not read 'mic'"),
            std::string::npos);
}

TEST(Graph, UnknownNamesComeWithLineAndSuggestion) {
  EXPECT_EQ(message(replaced(kGood, "model = \"m\"", "modle = \"m\"")),
            "p.toml:18: unknown key 'modle' in [[node]] 'model' (infer); did you mean 'model'?");
  EXPECT_NE(message(replaced(kGood, "type = \"infer\"", "type = \"infre\""))
                .find("unknown type 'infre' of node 'model'; did you mean 'infer'?"),
            std::string::npos);
  EXPECT_NE(message(replaced(kGood, "inputs = \"mic\"", "inputs = \"mik\""))
                .find("there is no node 'mik'; did you mean 'mic'?"),
            std::string::npos);
  EXPECT_NE(message(replaced(kGood, "[pipeline]", "[pipelin]")).find("did you mean 'pipeline'?"),
            std::string::npos);
  EXPECT_NE(message(replaced(kGood, "inputs = \"mic\"", "input = \"mic\""))
                .find("did you mean 'inputs'?"),
            std::string::npos);
}

TEST(Graph, RefusesWhatCannotRun) {
  EXPECT_NE(message(replaced(kGood, "inputs = \"mic\"\n", ""))
                .find("input 'audio' (audio) is not connected"),
            std::string::npos);
  EXPECT_NE(message(replaced(kGood, "inputs = \"window\"", "inputs = \"mic\""))
                .find("input 'tensors' takes tensors, but 'mic' (wav_file) gives audio"),
            std::string::npos);
  EXPECT_NE(message(replaced(kGood, "inputs = \"mic\"", "inputs = [\"mic\", \"mic\"]"))
                .find("2 inputs are named, it has 1"),
            std::string::npos);
  EXPECT_NE(message(replaced(kGood, "inputs = [\"speech\"]", "inputs = []"))
                .find("nothing is connected to it"),
            std::string::npos);
  EXPECT_NE(message(replaced(kGood, "name = \"model\"", "name = \"window\""))
                .find("a second node 'window'"),
            std::string::npos);
  const std::string idle = "[[node]]\nname = \"idle\"\ntype = \"wav_file\"\npath = \"b\"\n";
  EXPECT_NE(message(kGood + idle).find("nothing reads the output of 'idle'"), std::string::npos);
  EXPECT_NE(message("[pipeline]\nname = \"x\"").find("at least one [[node]]"), std::string::npos);
  EXPECT_NE(message("node = 3\n[pipeline]\nname = \"x\"").find("[[node]]"), std::string::npos);
}

TEST(Graph, RefusesTwoSinksOfOneFile) {
  const std::string second =
      "[[node]]\nname = \"log\"\ntype = \"json_lines\"\ninputs = [\"speech\"]\npath = ";
  EXPECT_EQ(message(kGood + second + "\"a.jsonl\""), "");
  for (const char* same : {"\"events.jsonl\"", "\".//./events.jsonl\""}) {
    EXPECT_NE(message(kGood + second + same).find("'events' and 'log' both write events.jsonl"),
              std::string::npos)
        << same;
  }
}

TEST(Graph, RefusesACycle) {
  const std::string text = R"([pipeline]
name = "x"
[[node]]
name = "a"
type = "infer"
model = "m"
inputs = "b"
[[node]]
name = "b"
type = "infer"
model = "m"
inputs = "a"
)";
  EXPECT_EQ(message(text),
            "p.toml: the graph has a cycle through 'a', 'b'; packets can only flow forward");
}

constexpr const char* kVideo = R"([pipeline]
name = "v"
[[node]]
name = "camera"
type = "video_file"
path = "v.avi"
[[node]]
name = "fit"
type = "letterbox"
size = [10, 10]
inputs = "camera"
[[node]]
name = "norm"
type = "normalise"
inputs = "fit"
[[node]]
name = "model"
type = "infer"
model = "m"
inputs = "norm"
[[node]]
name = "detect"
type = "ssd_decode"
inputs = "model"
[[node]]
name = "track"
type = "track"
inputs = "detect"
[[node]]
name = "report"
type = "html_report"
inputs = ["camera", "track"]
)";

TEST(Graph, RawDataNeedsPermissionToBeStored) {
  const auto denied = load(kVideo);
  ASSERT_FALSE(denied.ok());
  EXPECT_EQ(denied.error().code, Code::kDenied);
  EXPECT_NE(denied.error().message.find("would store raw image from 'camera'"), std::string::npos)
      << denied.error().message;
  EXPECT_TRUE(load(kVideo + std::string("privacy = { raw = \"allow: a test\" }\n")).ok());
  EXPECT_NE(message(kVideo + std::string("privacy = { raw = \"allow: \" }\n")).find("must read"),
            std::string::npos);
  EXPECT_NE(message(kVideo + std::string("privacy = { row = \"allow: x\" }\n")).find("'row'"),
            std::string::npos);
}

TEST(Graph, OverridesReplaceAndAdd) {
  const auto graph = load(kGood, {"model.every=3", "mic.path=b c.wav", "speech.on=0.9"});
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ(graph->nodes[0].settings.string("path"), "b c.wav");
  EXPECT_EQ(graph->nodes[2].settings.integer("every"), 3);
  EXPECT_NE(message(kGood, {"model.evry=3"}).find("did you mean 'every'?"), std::string::npos);
  EXPECT_NE(message(kGood, {"nope.x=3"}).find("there is no node 'nope'"), std::string::npos);
  EXPECT_NE(message(kGood, {"model"}).find("expected node.key=value"), std::string::npos);
}

TEST(Graph, ReferenceListsEveryTypeAndOption) {
  const std::string reference = reference_markdown();
  for (const NodeType* type : node_types()) {
    EXPECT_NE(reference.find("### `" + std::string(type->name) + "`"), std::string::npos);
    for (const Option& option : type->options)
      EXPECT_NE(reference.find("| `" + std::string(option.name) + "` |"), std::string::npos);
  }
}

TEST(Graph, TheGuideIsTheReference) {
  const auto guide = read_file(POLDER_SOURCE_DIR "/docs/guide/pipeline.md", 1 << 20);
  ASSERT_TRUE(guide.ok()) << guide.error().message;
  EXPECT_EQ(*guide, reference_markdown())
      << "run: polder play --reference > docs/guide/pipeline.md";
}

// Every fallback in the tables is TOML of its own type: Settings::check() insists.
TEST(Graph, FallbacksFitTheirOptions) {
  for (const NodeType* type : node_types()) {
    std::vector<Option> optional(type->options.begin(), type->options.end());
    for (Option& option : optional) option.required = false;
    EXPECT_TRUE(Settings::check({}, optional, "x", type->name).ok());
  }
}

}  // namespace
}  // namespace polder::pipeline
