// Compiled for processors with AVX-512: see CMakeLists.txt.
#define FMBOOST_KERNELS "avx512"
#define FMBOOST_VECTOR 16
#define FMBOOST_ROWS 12
#include "nn/kernels/winograd_kernels.inc"

const Kernels& avx512_kernels() {
  return kKernels;
}

}  // namespace fmboost::winograd
