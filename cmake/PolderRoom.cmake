# polder_room(NAME [EXCEPTIONS] [FOLDER folder] [DEPS room...] [LIBS library...])
#
# Makes library polder_NAME of src/NAME/**/*.cpp and, of the *_test.cpp files beside them, the
# program NAME_test. FOLDER: another folder of src/, for a part of a room with libraries that not
# every program is to carry. Device rooms compile without exceptions; EXCEPTIONS marks a room whose
# libraries throw (each throw is caught in one adapter).
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  message(FATAL_ERROR "Exceptions of the standard library pass through the rooms compiled without "
                      "them (platform/memory.h): build without interprocedural optimisation")
endif()
add_library(polder_flags INTERFACE)
target_include_directories(polder_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src ${PROJECT_BINARY_DIR}/generated)
# The flow warnings that are switched off see phantoms in g++ 12's own std::string and std::vector
# under -O3; the sanitizers judge these things.
target_compile_options(polder_flags INTERFACE
  -Wall -Wextra -Wshadow $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> -Wno-psabi
  -Wno-missing-field-initializers
  -ffunction-sections -fdata-sections
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-stringop-overflow;-Wno-array-bounds>
  $<$<BOOL:${POLDER_WERROR}>:-Werror>)
target_compile_definitions(polder_flags INTERFACE POLDER_VERSION="${PROJECT_VERSION}")
if(NOT POLDER_HOST)
  target_compile_definitions(polder_flags INTERFACE POLDER_DEVICE=1)
  # An operator's file holds its host half too: a device's program leaves that out.
  target_link_options(polder_flags INTERFACE -Wl,--gc-sections)
endif()
if(POLDER_SANITIZE)
  add_compile_options(-fsanitize=${POLDER_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${POLDER_SANITIZE})
endif()
if(POLDER_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
# Half of what a build takes is tests, and nearly none of their time is spent in their own code.
# (Not -O0 under sanitizers: what that saves in building, trust_test and agent_test lose twice.)
set(POLDER_TEST_OPTIONS $<$<CONFIG:Release>:-O1>)
if(POLDER_FUZZ)
  # A quarter of what clang takes for a test goes into these, which are for the code under test:
  # branches for the fuzzer, and checks of each access that the address sanitizer makes, too.
  list(APPEND POLDER_TEST_OPTIONS -fno-sanitize=fuzzer-no-link,null,alignment,object-size)
endif()
find_package(Threads REQUIRED)
target_link_libraries(polder_flags INTERFACE Threads::Threads)

function(polder_room name)
  cmake_parse_arguments(ROOM "EXCEPTIONS" "FOLDER" "DEPS;LIBS;SKIP" ${ARGN})
  if(NOT ROOM_FOLDER)
    set(ROOM_FOLDER ${name})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${ROOM_FOLDER}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  foreach(pattern ${ROOM_SKIP})
    list(FILTER sources EXCLUDE REGEX ${pattern})
    list(FILTER tests EXCLUDE REGEX ${pattern})
  endforeach()
  list(TRANSFORM ROOM_DEPS PREPEND polder_)
  set_property(GLOBAL APPEND PROPERTY POLDER_ROOMS polder_${name})

  if(sources)
    add_library(polder_${name} STATIC ${sources})
    target_link_libraries(polder_${name} PUBLIC polder_flags ${ROOM_DEPS} ${ROOM_LIBS})
    if(NOT ROOM_EXCEPTIONS)
      target_compile_options(polder_${name} PRIVATE -fno-exceptions)
    endif()
  else()
    add_library(polder_${name} INTERFACE)
    target_link_libraries(polder_${name} INTERFACE polder_flags ${ROOM_DEPS} ${ROOM_LIBS})
  endif()

  if(POLDER_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE polder_${name} GTest::gtest_main)
    target_compile_options(${name}_test PRIVATE ${POLDER_TEST_OPTIONS})
    if(NOT POLDER_HOST AND NOT ROOM_EXCEPTIONS)
      target_compile_options(${name}_test PRIVATE -fno-exceptions)
    endif()
    target_compile_definitions(${name}_test PRIVATE POLDER_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    add_test(NAME ${name} COMMAND ${name}_test WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES LABELS unit)
  endif()
endfunction()
