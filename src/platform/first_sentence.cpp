#include "platform/first_sentence.h"

#include <algorithm>

namespace polder::command_line {

std::string first_sentence(std::string_view summary) {
  std::size_t end = summary.find('.');
  while (end < summary.size() && end + 1 < summary.size() && summary[end + 1] != ' ' &&
         summary[end + 1] != '\n') {
    end = summary.find('.', end + 1);
  }
  std::string sentence(summary.substr(0, end));
  std::ranges::replace(sentence, '\n', ' ');
  return sentence;
}

}  // namespace polder::command_line
