#pragma once

namespace fmboost {

/// Instruction sets of the convolution kernels.
enum class ConvolutionKernels {
  automatic,  ///< AVX-512 or AVX2, if the processor has them
  avx2,       ///< AVX2 also on processors with AVX-512
  off,        ///< every convolution by ATen
};

/// Which of the program's own kernels networks use on the CPU. Kernels change results by rounding only.
struct KernelOptions {
  /// Winograd convolutions: 3x3, stride 1, float32, without gradients.
  ConvolutionKernels winograd = ConvolutionKernels::automatic;
};

/// The options of the process. At first those of the environment: FMBOOST_WINOGRAD may be auto, avx2 or off; any other
/// value throws UsageError.
KernelOptions kernel_options();

/// Networks use these options from now on. Not to be called while a network is running.
void set_kernel_options(const KernelOptions& options);

}  // namespace fmboost
