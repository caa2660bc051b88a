# The checks of the sources themselves: rooms, style, layout. Once is enough: plain host builds.
if(NOT POLDER_TESTS OR NOT POLDER_HOST OR POLDER_SANITIZE OR CMAKE_CROSSCOMPILING)
  return()
endif()

# Debian's Python, whatever else is first on PATH.
foreach(check layers style)
  set(program /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/${check}_test.py)
  add_test(NAME ${check} COMMAND ${program} ${PROJECT_SOURCE_DIR})
  add_test(NAME ${check}_self COMMAND ${program} --self-test)
endforeach()

# clang-format is in set-up's group `full`; .ci/run fails without it.
find_program(CLANG_FORMAT clang-format-14)
if(CLANG_FORMAT)
  add_test(NAME format COMMAND ${PROJECT_SOURCE_DIR}/scripts/format --check)
endif()
