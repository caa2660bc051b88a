// The HTML report's page: style and script in one text, no outside resources. The data goes in as
// JSON.
#pragma once

#include <string>
#include <string_view>

namespace polder::pipeline {

// `data` is a JSON object whose strings hold no '<'; `title` is plain text.
std::string report_page(std::string_view title, std::string_view data);

}  // namespace polder::pipeline
