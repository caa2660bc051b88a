#include "pipeline/sinks/report_page.h"

#include "base/text.h"
#include "pipeline_report_html.h"

namespace polder::pipeline {

std::string report_page(std::string_view title, std::string_view data) {
  std::string page;
  std::string_view rest = kReportHtml;
  for (const auto& [mark, text] :
       {std::pair<std::string_view, std::string>("@TITLE@", html_text(title)),
        std::pair<std::string_view, std::string>("@DATA@", data)}) {
    const std::size_t at = rest.find(mark);
    page += rest.substr(0, at);
    page += text;
    rest.remove_prefix(at + mark.size());
  }
  page += rest;
  return page;
}

}  // namespace polder::pipeline
