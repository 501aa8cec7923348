#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "drawing/image.h"

namespace fmboost::draw_tool {

/// The options of a kind.
struct Request {
  int size = 0;    ///< the side of an image, pixels
  int crops = 0;   ///< crops per image; 0: whole images
  int canvas = 0;  ///< the side of the image that crops are cut from
};

/// The result of one seed.
struct Drawing {
  std::vector<drawing::Image> images;  ///< one, or the crops
  std::string caption;                 ///< empty for kinds without captions
  std::string scene;                   ///< JSON; empty for kinds without captions
};

/// A kind of image. A drawing depends only on the seed and the request; drawing is thread-safe.
struct Kind {
  const char* name;
  const char* description;
  int smallest;   ///< minimum side in pixels
  bool captions;  ///< whether its images have them
  bool crops;     ///< whether --crops is supported
  Drawing (*draw)(std::uint64_t seed, const Request& request);
};

std::span<const Kind> kinds();

}  // namespace fmboost::draw_tool
