# polder_embed(TARGET FILE CONSTANT HEADER): generates HEADER for TARGET with the text of FILE as
# `inline constexpr std::string_view CONSTANT`. The text is written anew when FILE changes.
function(polder_embed target file constant header)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${file})
  file(READ ${PROJECT_SOURCE_DIR}/${file} text)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/${header} @ONLY NEWLINE_STYLE UNIX CONTENT
"// Generated from ${file}.
#pragma once
#include <string_view>
inline constexpr std::string_view ${constant} = R\"embedded(@text@)embedded\";
")
endfunction()
