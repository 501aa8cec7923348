#pragma once

#include <filesystem>
#include <string>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

namespace fmboost {

/// A file of a bundle; what keeps it from being read is the bundle's fault: ModelError.
inline std::string read_model_text(const std::filesystem::path& file) {
  try {
    return read_text_file(file);
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
}

}  // namespace fmboost
