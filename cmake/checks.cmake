# Checks of sources and of machine code.
# Optimised code alone is what is measured.
if(POLDER_TESTS AND NOT POLDER_SANITIZE AND CMAKE_BUILD_TYPE MATCHES "Rel" AND CMAKE_OBJDUMP)
  add_test(NAME peak COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/peak_test.py
           ${CMAKE_OBJDUMP} $<TARGET_FILE:polder_kernel>)
endif()

# Of the sources themselves: rooms, style, layout. Once is enough: plain host builds.
if(NOT POLDER_TESTS OR NOT POLDER_HOST OR POLDER_SANITIZE OR CMAKE_CROSSCOMPILING)
  return()
endif()

# Debian's Python, whatever else is first on PATH.
foreach(check layers style)
  set(program /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/${check}_test.py)
  add_test(NAME ${check} COMMAND ${program} ${PROJECT_SOURCE_DIR})
  add_test(NAME ${check}_self COMMAND ${program} --self-test)
endforeach()
add_test(NAME security_doc
         COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/security_doc_test.py
                 ${PROJECT_SOURCE_DIR})
add_test(NAME peak_self
         COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/peak_test.py --self-test)

# clang-format is in set-up's group `full`; .ci/run fails without it.
find_program(CLANG_FORMAT clang-format-14)
if(CLANG_FORMAT)
  add_test(NAME format COMMAND ${PROJECT_SOURCE_DIR}/scripts/format --check)
endif()
