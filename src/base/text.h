// Text from outside (a model, a file name) made fit to show.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace polder {

// Bytes of the UTF-8 sequence at the start of `text`; 0 when it does not begin with one.
std::size_t utf8_length(std::string_view text);

// The character that a sequence of such a length stands for; 0 for one that stands for none:
// surrogates, what is written longer than need be, what is beyond Unicode.
unsigned code_point(std::string_view sequence);

// Whether a terminal obeys the character instead of showing it: control characters, ends of lines,
// what turns the direction of writing.
bool is_control(unsigned code_point);

// For a terminal or a log: '?' stands for control characters, for what turns the direction of
// writing, and for bytes that are not UTF-8.
std::string one_line(std::string_view text);

// "conv/w", or the beginning of a name that is too long to print; whole characters of it.
std::string clipped(std::string_view name);

// The known name that `name` most likely meant, or empty when none is near.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known);

// The error with a message of one line and at most 8,000 bytes. Of a longer one the middle is left
// out: the first places and the cause, which comes last, stay.
Error fit_to_show(Error error);

// one_line(), with the characters escaped that mean something in HTML: for its text, and for
// attributes in double quotation marks.
std::string html_text(std::string_view text);

// "people 1.2.0: cannot be opened", also where the text begins with the name already.
std::string with_name(std::string_view name, std::string_view text);

// A number of bytes to read: "19.9 MB", in powers of 1000.
std::string bytes_text(std::uint64_t bytes);

}  // namespace polder
