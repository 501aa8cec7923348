#include "fmboost/nn/kernel_options.h"

#include <cstdlib>
#include <string>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

ConvolutionKernels winograd_of_environment() {
  const char* value = std::getenv("FMBOOST_WINOGRAD");
  const std::string text = value != nullptr ? value : "";
  if (text.empty() || text == "auto") {
    return ConvolutionKernels::automatic;
  }
  if (text == "avx2") {
    return ConvolutionKernels::avx2;
  }
  if (text == "off") {
    return ConvolutionKernels::off;
  }
  throw UsageError("FMBOOST_WINOGRAD must be auto, avx2 or off, got '" + text + "'");
}

KernelOptions& options_of_process() {
  static KernelOptions options{.winograd = winograd_of_environment()};
  return options;
}

}  // namespace

KernelOptions kernel_options() {
  return options_of_process();
}

void set_kernel_options(const KernelOptions& options) {
  options_of_process() = options;
}

}  // namespace fmboost
