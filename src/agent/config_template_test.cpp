// packaging/polderd.toml, from which an owner begins: it has every key that polderd reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/config.h"
#include "platform/file.h"

namespace polder::agent {
namespace {

std::string template_text() {
  return read_file(POLDER_SOURCE_DIR "/packaging/polderd.toml", 1u << 20).value();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

// With every key, also those that stand behind a '#'.
std::string with_all_keys(const std::string& text) {
  std::string all;
  for (const std::string& line : lines_of(text)) {
    const std::size_t equals = line.find(" = ");
    const bool is_key = line.starts_with("# ") && equals != line.npos &&
                        line.find(' ', 2) == equals;  // one word, then '='
    all += (is_key ? line.substr(2) : line) + "\n";
  }
  return all;
}

using Values = std::map<std::string, std::string>;  // by "[section] key"

Values values_of(const std::string& toml) {
  Values values;
  std::string section;
  for (const std::string& line : lines_of(toml)) {
    const std::size_t equals = line.find(" = ");
    if (line.starts_with('[')) section = line + " ";
    else if (!line.starts_with('#') && equals != line.npos)
      values.emplace(section + line.substr(0, equals), line.substr(equals + 3));
  }
  return values;
}

// Every key with its default, "required" or "–", from the reference page.
Values known_keys() {
  Values keys;
  std::string section;
  for (const std::string& line : lines_of(config_reference())) {
    if (line.starts_with("## `")) section = line.substr(4, line.rfind('`') - 4) + " ";
    if (!line.starts_with("| `")) continue;
    const std::string key = line.substr(3, line.find('`', 3) - 3);
    const std::size_t value = line.find(" | ", 3), fallback = line.find(" | ", value + 3);
    const std::size_t end = line.find(" | ", fallback + 3);
    std::string text = line.substr(fallback + 3, end - fallback - 3);
    std::erase(text, '`');
    keys.emplace(section + key, text);
  }
  return keys;
}

TEST(ConfigTemplate, IsTakenAsItIsAndWithEveryKey) {
  const std::string text = template_text();
  const auto plain = parse_config(text, "packaging/polderd.toml");
  ASSERT_TRUE(plain.ok()) << plain.error().message;
  const auto full = parse_config(with_all_keys(text), "packaging/polderd.toml");
  ASSERT_TRUE(full.ok()) << full.error().message;
  EXPECT_EQ(full->pins.size(), 1u);
  EXPECT_EQ(full->settings_of("people").size(), 1u);
}

TEST(ConfigTemplate, HasEveryKeyWithItsDefault) {
  const Values values = values_of(with_all_keys(template_text()));
  const std::set<std::string> tables = {"pins", "pipeline"};
  std::size_t found = 0;
  for (const auto& [key, fallback] : known_keys()) {
    if (fallback == "–" && (tables.contains(key) || key.find('[') == key.npos)) {
      const bool is_section = template_text().find("[" + key) != std::string::npos;
      EXPECT_TRUE(is_section || values.contains(key)) << key;
      continue;
    }
    const auto value = values.find(key);
    ASSERT_NE(value, values.end()) << key;
    ++found;
    const bool is_for_owner = key == "repository" || key == "root" || fallback == "required";
    EXPECT_TRUE(is_for_owner || value->second == fallback) << key << " = " << value->second;
  }
  EXPECT_GT(found, 20u);
}

}  // namespace
}  // namespace polder::agent
