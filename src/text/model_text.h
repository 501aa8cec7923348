#pragma once

#include <filesystem>
#include <string>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

namespace fmboost {

/// Reads a text file of a bundle. Throws ModelError if it cannot be read.
inline std::string read_model_text(const std::filesystem::path& file) {
  try {
    return read_text_file(file);
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
}

}  // namespace fmboost
