#pragma once

#include <string>

#include "image/read/raw_image.h"

namespace fmboost {

/// A PNG of the chunks that make up the image alone.
struct PngImageChunks {
  std::vector<std::byte> file;
  bool complete = false;  ///< the original has its end chunk
};
PngImageChunks image_chunks(Bytes bytes);

/// Reads the metadata of a PNG from its chunks, whatever the state of its pixels: color space, EXIF, XMP, texts,
/// density. Damaged chunks are left out, with one warning that names the image. Sets metadata and written_profile of
/// `image`, whose model must be set.
void read_png_chunks(Bytes bytes, const std::string& name, RawImage& image);

}  // namespace fmboost
