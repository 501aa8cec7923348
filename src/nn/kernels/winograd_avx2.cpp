// Compiled for processors with AVX2 and FMA: see CMakeLists.txt.
#define FMBOOST_KERNELS "avx2"
#define FMBOOST_VECTOR 8
#define FMBOOST_ROWS 6
#include "nn/kernels/winograd_kernels.inc"

const Kernels& avx2_kernels() {
  return kKernels;
}

}  // namespace fmboost::winograd
