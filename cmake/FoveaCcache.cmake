# ccache, where it is installed: a second build folder or another clone of the same sources compiles little anew.
# Paths are taken relative to the source tree, so that clones in different folders share what was compiled.
# CMAKE_CXX_COMPILER_LAUNCHER, set by hand, comes first; FOVEA_CCACHE=OFF does without.
option(FOVEA_CCACHE "Compile through ccache where it is installed" ON)
if(FOVEA_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER AND NOT CMAKE_C_COMPILER_LAUNCHER)
  find_program(FOVEA_CCACHE_PROGRAM ccache)
  if(FOVEA_CCACHE_PROGRAM)
    set(launcher "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1
        "${FOVEA_CCACHE_PROGRAM}")
    set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  endif()
endif()
