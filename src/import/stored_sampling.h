#pragma once

#include <filesystem>
#include <string>

#include "import/weights.h"

namespace fmboost {

/// What a checkpoint in one file says about its sampling.
struct StoredSampling {
  std::string prediction;  ///< a name of Prediction; empty if nothing says so
  bool zero_snr = false;   ///< betas rescaled to zero terminal SNR
  std::string notice;      ///< which file beside the checkpoint was used; empty if none
};

/// From the metadata (modelspec.prediction_type, kohya's ss_v_parameterization and ss_zero_terminal_snr), else from the
/// marker tensors v_pred and ztsnr, else from the .yaml file of the same name beside the checkpoint.
StoredSampling stored_sampling(const std::filesystem::path& file, const WeightFile& content);

/// The settings of an original configuration in YAML: parameterization and zero_terminal_snr, wherever they are.
StoredSampling parse_sampling_yaml(const std::string& text);

}  // namespace fmboost
