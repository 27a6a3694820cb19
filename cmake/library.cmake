# cincel_add_library(<name> <component> OBJECTS … LIBRARIES … LIBRARY_NAMES … [NEEDS <cincel library>])
#
# Makes <name>-shared and <name>-static (lib<name>.so, lib<name>.a) of the same objects.
#   LIBRARIES      targets and libraries the objects call
#   LIBRARY_NAMES  the same as plain names (or paths): what users of the installed static library link. (Targets
#                  like OpenMP::OpenMP_C would oblige them to find the packages, and to enable C.)
#   NEEDS          another library made by this function, part of the public interface
function(cincel_add_library name component)
  cmake_parse_arguments(arg "" "NEEDS" "OBJECTS;LIBRARIES;LIBRARY_NAMES" ${ARGN})
  foreach(kind SHARED STATIC)
    string(TOLOWER ${kind} suffix)
    set(target ${name}-${suffix})
    add_library(${target} ${kind} ${arg_OBJECTS})
    if(kind STREQUAL SHARED)
      set(export_name ${component})
    else()
      set(export_name ${component}-static)
    endif()
    add_library(cincel::${export_name} ALIAS ${target})
    set_target_properties(${target} PROPERTIES
      OUTPUT_NAME ${name} EXPORT_NAME ${export_name} LINKER_LANGUAGE C
      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
    target_include_directories(${target} INTERFACE
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${target} PRIVATE "$<BUILD_INTERFACE:${arg_LIBRARIES}>")
    if(kind STREQUAL STATIC)
      target_link_libraries(${target} INTERFACE "$<INSTALL_INTERFACE:${arg_LIBRARY_NAMES}>")
    elseif(NOT CINCEL_SANITIZE) # whose run time is linked with the program
      # A symbol nobody defines is an error here, not at the user's link.
      target_link_options(${target} PRIVATE LINKER:--no-undefined)
    endif()
    if(arg_NEEDS)
      target_link_libraries(${target} PUBLIC ${arg_NEEDS}-${suffix})
    endif()
    install(TARGETS ${target} EXPORT cincel-${component}-targets
      LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
      COMPONENT ${component})
  endforeach()
  list(TRANSFORM arg_LIBRARY_NAMES PREPEND "-l" REGEX "^[^/]")
  list(JOIN arg_LIBRARY_NAMES " " flags)
  set_property(GLOBAL PROPERTY cincel_${component}_private_libs "${flags}") # of the .pc file
endfunction()
