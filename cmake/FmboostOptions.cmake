# Build options, all with the prefix FMBOOST_.
option(FMBOOST_BUILD_TESTS "Build the tests" ON)
option(FMBOOST_BUILD_WORKSHOP "Build models/workshop: fmboost-draw, which draws training images (needs Cairo)" OFF)
option(FMBOOST_BUILD_FUZZERS "Build the libFuzzer targets (clang only)" OFF)
option(FMBOOST_UNITY "Compile sources in batches: a first build takes a third of the time, but an edit recompiles its whole batch" OFF)
option(FMBOOST_WERROR "Treat warnings as errors" OFF)
set(FMBOOST_SANITIZE "" CACHE STRING "Sanitizers to build with, for example address,undefined")
set(FMBOOST_PYTHON "" CACHE FILEPATH "Python with the torch wheel and the test packages; empty: no Python tests")
set(FMBOOST_CUDA "AUTO" CACHE STRING "AUTO: use the LibTorch that is found; ON: fail if it has no CUDA")
set_property(CACHE FMBOOST_CUDA PROPERTY STRINGS AUTO ON)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(FMBOOST_CCACHE ccache)
if(FMBOOST_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers are only cacheable if time stamps are left out of the key.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${FMBOOST_CCACHE})
endif()

set(CMAKE_UNITY_BUILD ${FMBOOST_UNITY})
if(FMBOOST_UNITY)
  # The sources of a batch are included from one file, so that anonymous namespaces of sources look like those of headers.
  add_compile_options(-Wno-subobject-linkage)
endif()
set(CMAKE_UNITY_BUILD_BATCH_SIZE 12)
