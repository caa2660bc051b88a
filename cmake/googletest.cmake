# GTest::gtest_main: Debian's library for the host; for a device it is built from Debian's sources,
# with the device's compiler and, as everything there, without exceptions.
if(POLDER_HOST)
  find_package(GTest REQUIRED)
else()
  set(INSTALL_GTEST OFF)
  set(BUILD_GMOCK OFF)
  add_subdirectory(/usr/src/googletest ${PROJECT_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
  target_compile_options(gtest PRIVATE -fno-exceptions -w)
  target_compile_options(gtest_main PRIVATE -fno-exceptions)
endif()
