#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "drawing/picture.h"

namespace fmboost::draw_tool {

/// What is to be drawn of a kind.
struct Request {
  int size = 0;    ///< the side of a picture, pixels
  int crops = 0;   ///< 0: whole pictures; else so many crops of each
  int canvas = 0;  ///< the side of the picture that crops are cut from
};

/// What one seed gives.
struct Drawing {
  std::vector<drawing::Picture> pictures;  ///< one, or the crops
  std::string caption;                     ///< empty for kinds without
  std::string scene;                       ///< JSON of what is drawn; empty for kinds without captions
};

/// A kind of picture. Drawing `seed` depends on the seed and the request alone, and is safe in several threads.
struct Kind {
  const char* name;
  const char* description;
  int smallest;   ///< side, pixels
  bool captions;  ///< whether its pictures have them
  bool crops;     ///< whether crops of it make sense
  Drawing (*draw)(std::uint64_t seed, const Request& request);
};

std::span<const Kind> kinds();

}  // namespace fmboost::draw_tool
