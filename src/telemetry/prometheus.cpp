#include "telemetry/prometheus.h"

#include <fmt/format.h>

#include <cmath>

namespace polder::telemetry {
namespace {

// In a label's value, or in a help text, whose quotes need no escape.
std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') out += "\\\\";
    else if (c == '\n') out += "\\n";
    else if (c == '"' && quotes) out += "\\\"";
    else out += c;
  }
  return out;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

void PrometheusText::metric(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(help, false), name, type);
}

void PrometheusText::line(std::string_view suffix, const Labels& labels, double value) {
  text_ += name_;
  text_ += suffix;
  for (std::size_t i = 0; i < labels.size(); ++i)
    text_ += fmt::format("{}{}=\"{}\"", i == 0 ? "{" : ",", labels[i].first,
                         escaped(labels[i].second, true));
  if (!labels.empty()) text_ += '}';
  text_ += fmt::format(" {}\n", number(value));
}

void PrometheusText::sample(const Labels& labels, double value) { line("", labels, value); }

void PrometheusText::summary(const Labels& labels, const Sketch& sketch, double scale) {
  for (const auto& [quantile, name] : {std::pair{0.5, "0.5"}, {0.9, "0.9"}, {0.99, "0.99"}}) {
    Labels with = labels;
    with.emplace_back("quantile", name);
    line("", with, sketch.count() > 0 ? sketch.quantile(quantile) * scale : std::nan(""));
  }
  line("_sum", labels, sketch.sum() * scale);
  line("_count", labels, double(sketch.count()));
}

}  // namespace polder::telemetry
