#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "fmboost/image/image.h"

namespace fmboost::tool {

/// One image of a batch.
struct BatchItem {
  std::size_t number = 0;        ///< position among the images of all shards
  std::string title;             ///< in messages
  std::filesystem::path output;  ///< a file, or kStdout
  std::filesystem::path input;   ///< the file that it is made from; empty without one
  bool replace = false;          ///< whether an output that exists is replaced; the batch decides it
  nlohmann::json fields;         ///< keys of its JSON line that are known before the image is made
  nlohmann::json settings;       ///< everything that determines the bytes of the output, apart from an input's bytes
};

/// The items of a batch, one by one.
struct BatchSource {
  std::function<std::optional<BatchItem>()> next;  ///< none once there are no more; may wait for one
  std::function<bool()> ended;                     ///< whether it is known, without waiting, that none is left
  std::optional<std::size_t> count;                ///< of all items; open for a stream
  std::function<bool()> would_wait = {};           ///< whether next() would wait; empty: it never does
};

/// What was made of an item.
struct MadeImage {
  Image image;
  nlohmann::json fields;              ///< further keys of its JSON line
  std::string input_hash = {};        ///< SHA-256 of the input's bytes; empty without an input
  std::function<void()> extras = {};  ///< writes further files before the image; may be empty
  /// Whether the output is in its place already, and `image` empty: large images are written while they are made.
  bool written = false;
};

}  // namespace fmboost::tool
