# Finds LibTorch. Also installed: programs that link fmboost need the same two workarounds.
# Sets FMBOOST_TORCH_LIB_DIR and FMBOOST_TORCH_LINK_OPTIONS.
if(NOT DEFINED TORCH_CUDA_ARCH_LIST AND NOT DEFINED ENV{TORCH_CUDA_ARCH_LIST})
  # LibTorch's own detection fails under CMake 3.25 on machines without a GPU.
  set(TORCH_CUDA_ARCH_LIST "9.0")
endif()
# The hint, set by an installed fmboost only, comes after CMAKE_PREFIX_PATH.
find_package(Torch REQUIRED HINTS ${FMBOOST_TORCH_HINT})
get_filename_component(FMBOOST_TORCH_LIB_DIR "${TORCH_LIBRARY}" DIRECTORY)

# The wheel's libraries need NVIDIA's, which are in packages beside it; the linker has to be given their folders.
set(FMBOOST_TORCH_LINK_OPTIONS "")
file(GLOB _fmboost_nvidia_dirs "${FMBOOST_TORCH_LIB_DIR}/../../nvidia/*/lib")
foreach(_dir IN LISTS _fmboost_nvidia_dirs)
  get_filename_component(_dir "${_dir}" REALPATH)
  list(APPEND FMBOOST_TORCH_LINK_OPTIONS "LINKER:-rpath-link,${_dir}")
endforeach()
