# fovea_library(NAME [SOURCES ...] [DEPS ...] [PRIVATE_DEPS ...])
# One room under src/: a static library `fovea_NAME`. DEPS are visible to whoever links it.
function(fovea_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(fovea_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(fovea_${name} PUBLIC fovea_flags ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()

# fovea_test(NAME [SOURCES ...] [DEPS ...] [LABELS ...])
# One GoogleTest binary; every TEST in it becomes a ctest. LABELS: `fast` (default) or `slow`.
function(fovea_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS fast)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE fovea_flags ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests")
  target_compile_definitions(${name} PRIVATE
    FOVEA_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data" FOVEA_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
    FOVEA_BINARY_DIR="${CMAKE_BINARY_DIR}")
  gtest_discover_tests(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 600
    DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60)
endfunction()
