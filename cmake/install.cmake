# What `cmake --install` puts where: headers, libraries, the command, CMake package, pkg-config files.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cincel)
set(components core)
if(TARGET cincel-train-shared)
  list(APPEND components train)
  install(FILES include/cincel/train.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cincel COMPONENT train)
endif()
if(TARGET cincel-cli)
  install(TARGETS cincel-cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT train)
endif()
install(FILES include/cincel/cincel.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cincel COMPONENT core)

# Relative to the .pc file, so that `cmake --install --prefix` and moved trees need no other file.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(CINCEL_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" up "${up}")
  set(CINCEL_PC_PREFIX "\${pcfiledir}/${up}")
endif()
# An absolute CMAKE_INSTALL_LIBDIR must not be prefixed again.
foreach(dir LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
    set(CINCEL_PC_${dir} "${CMAKE_INSTALL_${dir}}")
  else()
    set(CINCEL_PC_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  endif()
endforeach()

foreach(component IN LISTS components)
  install(EXPORT cincel-${component}-targets NAMESPACE cincel:: DESTINATION ${package_dir} COMPONENT ${component})
  if(component STREQUAL core)
    set(pc cincel.pc)
  else()
    set(pc cincel-${component}.pc)
  endif()
  get_property(CINCEL_PC_PRIVATE_LIBS GLOBAL PROPERTY cincel_${component}_private_libs)
  configure_file(cmake/${pc}.in ${PROJECT_BINARY_DIR}/${pc} @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${pc} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT ${component})
endforeach()

configure_package_config_file(cmake/cincel-config.cmake.in ${PROJECT_BINARY_DIR}/cincel-config.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may break the API.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cincel-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cincel-config.cmake ${PROJECT_BINARY_DIR}/cincel-config-version.cmake
  DESTINATION ${package_dir} COMPONENT core)
