#include "agent/config.h"

#include <gtest/gtest.h>

#include "proto/report.h"

namespace polder::agent {
namespace {

constexpr char kFull[] = R"(device = "camera-17"
folder = "/data/polderd"
models = ["people-counting", "keywords"]
runtime = "polderd"
repository = "https://releases.example.com/fleet"
root = "/etc/polderd/root.json"

[pins]
keywords = "1.2.0"

[updates]
check_every_s = 60
observe_s = 5
window = "22:30-04:00"

[network]
ca_file = "/etc/polderd/ca.pem"
min_rate = 0

[worker]
memory_mb = 256
crashes = 2

[reports]
metrics = "127.0.0.1:9464"
otlp = "http://collector.example:4318/"
megabytes = 4
every_s = 60

[identity]
key = "tpm:0x81000002?pass"
pin_file = "/run/credentials/polderd.service/pin"
)";

TEST(Config, ReadsEveryKey) {
  const auto config = parse_config(kFull, "polderd.toml");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->device, "camera-17");
  EXPECT_EQ(config->models.size(), 2u);
  EXPECT_EQ(config->pins.at("keywords").text(), "1.2.0");
  EXPECT_EQ(config->check_every_s, 60);
  EXPECT_EQ(config->shadow_s, 7200);
  EXPECT_EQ(config->worker.memory_bytes, 256 << 20);
  EXPECT_EQ(config->worker.heartbeat_timeout_s, 30);
  EXPECT_EQ(config->reports.max_bytes, 4 << 20);
  EXPECT_EQ(config->reports.every_s, 60);
  EXPECT_EQ(config->reports.metrics_port, 9464);
  EXPECT_EQ(config->reports.otlp, "http://collector.example:4318");
  EXPECT_EQ(config->key_uri(), "tpm:0x81000002?pass");
  EXPECT_EQ(config->pin_file, "/run/credentials/polderd.service/pin");
  EXPECT_FALSE(config->is_folder());
  EXPECT_FALSE(config->is_of_hub());
}

TEST(Config, AHubBringsItsRepository) {
  const auto read = [](const std::string& more) {
    return parse_config("device = \"camera-17\"\nmodels = [\"people\"]\n" + more, "polderd.toml");
  };
  const auto config = read(
      "[hub]\nurl = \"https://hub.example.org:8443/\"\ntoken_file = \"/etc/polderd/token\"\n"
      "ca_file = \"/etc/polderd/ca.pem\"\n");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->hub.url, "https://hub.example.org:8443");
  EXPECT_EQ(config->hub.token_file, "/etc/polderd/token");
  EXPECT_EQ(config->repository, "https://hub.example.org:8443/repository");
  EXPECT_TRUE(config->is_of_hub());
  const auto stick =
      read("repository = \"/media/stick\"\n[hub]\nurl = \"https://hub.example.org\"\n");
  ASSERT_TRUE(stick.ok());
  EXPECT_EQ(stick->repository, "/media/stick");
  EXPECT_FALSE(stick->is_of_hub());
  const std::pair<const char*, const char*> bad[] = {
      {"url = \"http://hub.example.org\"", "'https://HOST:PORT' expected"},
      {"url = \"https://hub.example.org/fleet\"", "'https://HOST:PORT' expected"},
      {"url = \"hub\"", "'https://HOST:PORT' expected"},
      {"token_file = \"/etc/polderd/token\"", "'url' says of which hub"},
      {"url = \"https://h\"\ntoken_file = \"token\"", "a path from '/' on expected"},
      {"url = \"https://h\"\n[reports]\notlp = \"http://c:4318\"", "the hub takes the reports"},
      {"urls = \"https://h\"", "did you mean 'url'"}};
  for (const auto& [text, words] : bad) {
    const auto refused = read("[hub]\n" + std::string(text) + "\n");
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_NE(refused.error().message.find(words), std::string::npos) << refused.error().message;
  }
}

TEST(Config, TheLeastThatIsNeeded) {
  const auto config = parse_config("device = \"a\"\nmodels = \"m\"\n", "polderd.toml");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->folder, "/var/lib/polderd");
  EXPECT_EQ(config->key_uri(), "file:/var/lib/polderd/identity/key.pem");
  EXPECT_FALSE(config->window);
  EXPECT_EQ(config->reports.every_s, proto::kReportEveryS);
  EXPECT_FALSE(config->reports.metrics_port);
  EXPECT_EQ(config->reports.otlp, "");
}

TEST(Config, ErrorsSayWhereAndWhat) {
  struct Case {
    const char *text, *message;
  };
  const std::string head = "device = \"a\"\nmodels = [\"m\"]\n";
  const Case cases[] = {
      {"folder_ = \"/x\"", "polderd.toml:3: "},
      {"folder_ = \"/x\"", "'folder'"},
      {"folder = \"data\"", "a path from '/' on"},
      {"[identity]\nkey = \"file:key.pem\"", "polderd.toml:4: [identity]: key: a path from '/'"},
      {"[identity]\nkey = \"key.pem\"", "'key.pem' found"},
      {"[identity]\ndecryption_key = \"file:d.pem\"", "polderd.toml:4: [identity]: decryption_key"},
      {"[identity]\ndecryption_key = \"pkcs11:token=t;object=k\"",
       "decryption_key: 'file:PATH' or 'tpm:0x81000003' expected"},
      {"[identity]\npin_file = \"pin\"", "polderd.toml:4: [identity]: pin_file: a path from '/'"},
      {"[network]\nca_file = \"ca.pem\"", "polderd.toml:4: [network]: ca_file: a path from '/'"},
      {"repository = \"ftp://x\"", "repository"},
      {"runtime = \"m\"", "that of a model"},
      {"[pins]\nother = \"1.0.0\"", "among neither"},
      {"[pins]\nm = \"one\"", "pins.m"},
      {"[updates]\nwindow = \"25:00-01:00\"", "HH:MM-HH:MM"},
      {"[updates]\nwindow = \"2-3\"", "polderd.toml:4: "},
      {"[updates]\nwindow = \"02:00-02:00\"", "empty"},
      {"[updates]\nobserve = 5", "'observe_s'"},
      {"[worker]\nmemory_mb = 1", "memory_mb"},
      {"[identity]\nkey = \"tpm:zz\"", "polderd.toml:4: "},
      {"updates = 3", "table"},
      {"[reports]\nmetrics = \"0.0.0.0:9464\"", "127.0.0.1:PORT"},
      {"[reports]\nmetrics = \"127.0.0.1:0\"", "this machine alone"},
      {"[reports]\nmetrics = \"127.0.0.1:94640\"", "polderd.toml:4: [reports]: metrics"},
      {"[reports]\nmetrics = \"[::1]:9464\"", "127.0.0.1:PORT"},
      {"[reports]\notlp = \"collector:4318\"", "http://collector.example:4318"},
  };
  for (const Case& c : cases) {
    const auto config = parse_config(head + c.text, "polderd.toml");
    ASSERT_FALSE(config.ok()) << c.text;
    EXPECT_NE(config.error().message.find(c.message), std::string::npos) << config.error().message;
  }
  EXPECT_FALSE(parse_config("models = [\"m\"]", "polderd.toml").ok());
  EXPECT_FALSE(parse_config("device = \"a/b\"\nmodels = [\"m\"]", "polderd.toml").ok());
  EXPECT_FALSE(parse_config("device = \"a\"\nmodels = [\"m\", \"m\"]", "polderd.toml").ok());
  EXPECT_FALSE(parse_config("device = \"a\"\nmodels = [\"../m\"]", "polderd.toml").ok());
}

TEST(Config, OfAWrongOneDeviceAndFolderAreReadWhereTheyCanBe) {
  Config config = legible_config(
      "device = \"camera-17\" # here\nmodels = [\nfolder = \"/data/x\"\nx = = 1\n[output]\n"
      "folder = \"/elsewhere\"\n");
  EXPECT_EQ(config.device, "camera-17");
  EXPECT_EQ(config.folder, "/data/x");
  config = legible_config("device = 17\nfolder = \"data\"");
  EXPECT_EQ(config.device, "?");
  EXPECT_EQ(config.folder, legible_config("").folder);
  EXPECT_EQ(config.folder, "/var/lib/polderd");
}

TEST(Config, OnlyModelsGoWithoutAPipeline) {
  const std::string text = "device = \"a\"\nmodels = [\"x\"]\nwithout_pipeline = ";
  EXPECT_TRUE(parse_config(text + "[\"x\"]\n", "f")->without_pipeline.contains("x"));
  const Error error = parse_config(text + "[\"y\"]\n", "f").error();
  EXPECT_NE(error.message.find("without_pipeline: 'y'"), std::string::npos) << error.message;
}

TEST(Config, WindowsGoOverMidnight) {
  const DayWindow night{22 * 60 + 30, 4 * 60}, noon{12 * 60, 13 * 60};
  const auto at = [](int hours, int minutes) {
    return std::int64_t(20'000) * 86'400 + hours * 3600 + minutes * 60;
  };
  EXPECT_TRUE(night.holds(at(22, 30)));
  EXPECT_TRUE(night.holds(at(3, 59)));
  EXPECT_FALSE(night.holds(at(4, 0)));
  EXPECT_FALSE(night.holds(at(22, 29)));
  EXPECT_TRUE(noon.holds(at(12, 0)));
  EXPECT_FALSE(noon.holds(at(13, 0)));
  EXPECT_TRUE(night.holds(-1));
  EXPECT_EQ(night.text(), "22:30-04:00");
}

TEST(Config, TheReferenceHasEveryKey) {
  const std::string page = config_reference();
  for (const char* key : {"device", "pins", "check_every_s", "ca_file", "crash_window_s", "key"})
    EXPECT_NE(page.find(key), std::string::npos) << key;
}

}  // namespace
}  // namespace polder::agent
