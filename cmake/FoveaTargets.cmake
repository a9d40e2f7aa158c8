# Where programs go: fovea itself at the top of the build directory, tests and fuzzers in folders of their own.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")

# What `make test` builds under the address sanitizer, and `make tsan` under the thread sanitizer.
add_custom_target(fast_tests)
add_custom_target(threads_tests)
add_custom_target(fuzzers)

# fovea_library(NAME [SOURCES ...] [DEPS ...] [PRIVATE_DEPS ...])
# One room under src/: a static library `fovea_NAME`. DEPS are visible to whoever links it.
function(fovea_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(fovea_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(fovea_${name} PUBLIC fovea_flags ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()

# fovea_test(NAME [SOURCES ...] [DEPS ...] [LABELS ...])
# One GoogleTest binary; every TEST in it becomes a ctest, NAME.Suite.Case. LABELS:
#   fast (default)  in `make test`, once optimised and once under the address sanitizer
#   slow            only in `make test-all`
#   release_only    never under a sanitizer: too slow there, and nothing but arithmetic
#   threads         also under the thread sanitizer in `make test-all`
function(fovea_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT "slow" IN_LIST ARG_LABELS AND NOT "fast" IN_LIST ARG_LABELS)
    list(APPEND ARG_LABELS fast)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE fovea_flags ${ARG_DEPS} fovea_test_paths GTest::gmock GTest::gtest_main)
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/bin")
  if("fast" IN_LIST ARG_LABELS AND NOT "release_only" IN_LIST ARG_LABELS)
    add_dependencies(fast_tests ${name})
  endif()
  if("threads" IN_LIST ARG_LABELS)
    add_dependencies(threads_tests ${name})
  endif()
  gtest_discover_tests(${name} TEST_PREFIX "${name}." TEST_LIST ${name}_cases PROPERTIES TIMEOUT 600
    DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60)
  # gtest_discover_tests takes apart a property that is a list, so the labels follow once ctest has the names.
  set(labels_file "${CMAKE_CURRENT_BINARY_DIR}/${name}_labels.cmake")
  file(WRITE "${labels_file}"
    "if(${name}_cases)\n  set_tests_properties(\${${name}_cases} PROPERTIES LABELS \"${ARG_LABELS}\")\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${labels_file}")
endfunction()

# fovea_fuzzer(NAME [SOURCES ...] [DEPS ...])
# One libFuzzer program, built by the fuzz preset. fuzz/corpus/NAME, where it exists, holds its first inputs;
# fuzz/NAME.dict, where it exists, its words. `make fuzz` runs each for a while.
function(fovea_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE fovea_flags ${ARG_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz/bin")
  add_dependencies(fuzzers ${name})
endfunction()
