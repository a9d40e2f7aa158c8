# What the kernels and their tests need, without packages of the target: for cross compilers, and for programs
# that run on bare machines. fmt and JSON are used as headers, GoogleTest is built from Debian's sources.
find_package(Threads REQUIRED)
set(headers "${CMAKE_BINARY_DIR}/headers")  # links: the rest of /usr/include belongs to the host
file(MAKE_DIRECTORY "${headers}")
foreach(folder fmt nlohmann)
  if(NOT EXISTS "/usr/include/${folder}")
    message(FATAL_ERROR "expected the headers of ${folder} in /usr/include, found none; see scripts/packages.txt")
  endif()
  file(CREATE_LINK "/usr/include/${folder}" "${headers}/${folder}" SYMBOLIC)
endforeach()
add_library(fovea_headers INTERFACE)
target_include_directories(fovea_headers SYSTEM INTERFACE "${headers}")
target_compile_definitions(fovea_headers INTERFACE FMT_HEADER_ONLY=1)
add_library(fmt::fmt ALIAS fovea_headers)
add_library(nlohmann_json::nlohmann_json ALIAS fovea_headers)

set(googletest /usr/src/googletest CACHE PATH "Sources of GoogleTest")
if(NOT EXISTS "${googletest}/CMakeLists.txt")
  message(FATAL_ERROR "expected the sources of GoogleTest in ${googletest}, found none; install googletest")
endif()
set(INSTALL_GTEST OFF)
add_subdirectory("${googletest}" "${CMAKE_BINARY_DIR}/googletest" EXCLUDE_FROM_ALL)
