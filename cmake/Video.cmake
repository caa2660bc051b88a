# The video plug-in: a shared library that programs load at run time. Nothing links to it, because
# Debian builds libav under the GPL.
find_package(PkgConfig)
if(PkgConfig_FOUND AND NOT CMAKE_CROSSCOMPILING)
  pkg_check_modules(LIBAV IMPORTED_TARGET libavformat libavcodec libavutil libswscale)
endif()
if(LIBAV_FOUND)
  add_library(polder_video_libav MODULE plugins/video_libav.cpp)
  set_target_properties(polder_video_libav PROPERTIES PREFIX "" CXX_VISIBILITY_PRESET hidden
                        LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  target_link_libraries(polder_video_libav PRIVATE polder_flags PkgConfig::LIBAV)
else()
  message(STATUS "No video plug-in: libav is missing or this is a cross build")
endif()
if(LIBAV_FOUND AND POLDER_TESTS)  # the tests load it from beside their program
  add_dependencies(pipeline_test polder_video_libav)
  target_compile_definitions(pipeline_test PRIVATE POLDER_VIDEO_TESTS=1)
endif()
