# What `cmake --install` puts in place: libpolder with its headers, for CMake (find_package(polder),
# target polder::polder) and for pkg-config, the polder command and the video plug-in.
if(POLDER_SANITIZE)
  return()
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# One shared library of the rooms behind the public headers; it exports what these declare, and so
# holds what nothing else in it asks for: all of the room `sdk`, and the names of error codes.
set(exports ${PROJECT_SOURCE_DIR}/cmake/libpolder.map)
add_library(libpolder SHARED src/base/error.cpp)
target_link_libraries(libpolder PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,polder_sdk>)
add_library(polder::polder ALIAS libpolder)
target_include_directories(libpolder INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(libpolder INTERFACE cxx_std_20)
target_link_options(libpolder PRIVATE -Wl,--version-script=${exports} -Wl,--gc-sections)
set_target_properties(libpolder PROPERTIES OUTPUT_NAME polder EXPORT_NAME polder
                      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                      LINK_DEPENDS ${exports})

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/polder)
install(TARGETS libpolder EXPORT polder)
install(DIRECTORY include/polder TYPE INCLUDE)
install(EXPORT polder NAMESPACE polder:: FILE polderConfig.cmake DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/polderConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/generated/polderConfigVersion.cmake
        DESTINATION ${package_folder})
file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/polder.pc.in generated/polder.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/generated/polder.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE docs/licences.md TYPE DOC)
if(TARGET polder)
  install(TARGETS polder)
endif()
install(TARGETS polderd)
if(TARGET polder-hub)
  install(TARGETS polder-hub)
  install(FILES packaging/polder-hub.service DESTINATION lib/systemd/system)
  install(FILES packaging/polder-hub.rules.yml DESTINATION share/polder-hub)
  install(FILES packaging/polder-hub.sysusers DESTINATION lib/sysusers.d RENAME polder-hub.conf)
endif()
install(FILES packaging/polderd.service DESTINATION lib/systemd/system)
install(FILES packaging/polderd.sysusers DESTINATION lib/sysusers.d RENAME polderd.conf)
# Beside what it begins, for no install may touch an owner's file.
install(FILES packaging/polderd.toml DESTINATION share/polderd)
if(TARGET polder_video_libav)
  install(TARGETS polder_video_libav DESTINATION lib/polder)
endif()
