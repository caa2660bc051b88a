// What the commands of polder-hub share, and those that look after a hub that does not serve, or is
// another now: polder_hub_upkeep.cpp.
#pragma once

#include <polder/error.h>

#include <span>
#include <string>
#include <string_view>

#include "apps/polder_hub_home.h"
#include "platform/command_line.h"
#include "trust/json.h"

namespace polder::hub {

using command_line::Args;
using command_line::Option;

struct Command {
  std::string_view name, summary, example;
  std::span<const Option> options;
  Status (*run)(const Args& args);
  int positional = 0;
  std::string_view arguments = {};
};
std::span<const Command> upkeep_commands();

Status check_database(std::string_view, const std::string& value);
HomeOptions home_options(const Args& args);
// To standard output: `text`, or with --json the document.
Status print(const Args& args, const trust::Json& json, const std::string& text);

#define HUB_JSON \
  { "--json", "", "prints the result as JSON" }

#define HUB_OPTIONS                                                                          \
  {"--folder", "DIR",                                                                        \
   "where keys, database and audit log are kept (default: /var/lib/polder-hub for root, "    \
   "else ~/.local/share/polder-hub)"},                                                       \
      {"--database", "URL",                                                                  \
       "postgres://USER:PASSWORD@HOST:PORT/NAME in place of the file hub.db in the folder; " \
       "better in POLDER_DATABASE, as all users of this machine can read options",           \
       false, check_database},                                                               \
      HUB_JSON

}  // namespace polder::hub
