# Functions that define the targets of the project: one static library per layer, see docs/architecture.md.

function(fmboost_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    $<$<BOOL:${FMBOOST_WERROR}>:-Werror>)
endfunction()

function(fmboost_sanitize target)
  if(FMBOOST_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${FMBOOST_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${FMBOOST_SANITIZE})
  endif()
endfunction()

# fmboost_internal_target(TARGET): settings of every target of the project: warnings, sanitizers, the shared precompiled
# header, the private headers in src/.
function(fmboost_internal_target target)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(${target} PRIVATE FMBOOST_VERSION="${PROJECT_VERSION}")
  fmboost_warnings(${target})
  fmboost_sanitize(${target})
  fmboost_share_precompiled_header(${target})
endfunction()

# fmboost_layer(NAME SOURCES a.cpp ... DEPENDS core ... PUBLIC_LIBRARIES ... LIBRARIES ...)
# Defines fmboost_NAME (alias fmboost::NAME), installed. PUBLIC_LIBRARIES are included by its public headers.
function(fmboost_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS;PUBLIC_LIBRARIES;LIBRARIES")
  set(target fmboost_${name})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(fmboost::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  set_property(GLOBAL APPEND PROPERTY FMBOOST_LAYER_TARGETS ${target})
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
  target_compile_features(${target} PUBLIC cxx_std_20)  # of the public headers, for programs that link the library
  list(TRANSFORM arg_DEPENDS PREPEND fmboost_)
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS} ${TORCH_LIBRARIES} ${arg_PUBLIC_LIBRARIES}
    PRIVATE ${arg_LIBRARIES})
  fmboost_internal_target(${target})
endfunction()

# fmboost_pytest(NAME TIMEOUT ENVIRONMENT...): the Python tests of the folder. FMBOOST_PYTHON is a Python with the packages
# that scripts/test installs.
function(fmboost_pytest name timeout)
  if(FMBOOST_PYTHON)
    add_test(NAME ${name} COMMAND ${FMBOOST_PYTHON} -m pytest -q ${CMAKE_CURRENT_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} ENVIRONMENT "${ARGN};PYTHONDONTWRITEBYTECODE=1")
  else()
    message(STATUS "FMBOOST_PYTHON is not set: the Python tests '${name}' are left out (scripts/test sets it)")
  endif()
endfunction()

function(fmboost_share_precompiled_header target)
  if(target STREQUAL "fmboost_core")
    # Tensors only: every source pays for instantiating the templates of a larger header.
    target_precompile_headers(${target} PRIVATE <torch/types.h>)
  else()
    target_precompile_headers(${target} REUSE_FROM fmboost_core)
  endif()
endfunction()
