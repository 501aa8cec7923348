#include "image/write/png_writer.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <zlib.h>

#include "image/latin1.h"
#include "image/write/deflate.h"
#include "image/write/parallel_strips.h"
#include "image/write/png_filters.h"

namespace fmboost {
namespace {

using ByteVector = std::vector<std::byte>;

void append_u32(ByteVector& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::byte>(value >> shift & 0xff));
  }
}

void append_text(ByteVector& out, std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  out.insert(out.end(), bytes, bytes + text.size());
}

void append_chunk(ByteVector& out, std::string_view type, std::span<const std::byte> data) {
  append_u32(out, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = out.size();
  append_text(out, type);
  out.insert(out.end(), data.begin(), data.end());
  append_u32(out, static_cast<std::uint32_t>(
                      crc32_z(0, reinterpret_cast<const Bytef*>(out.data() + begin), out.size() - begin)));
}

void append_header(ByteVector& out, const PixelRows& rows) {
  const SampleLayout& layout = rows.layout();
  ByteVector header;
  append_u32(header, static_cast<std::uint32_t>(rows.width()));
  append_u32(header, static_cast<std::uint32_t>(rows.height()));
  header.push_back(static_cast<std::byte>(layout.bits));
  header.push_back(static_cast<std::byte>((layout.gray ? 0 : 2) + (layout.alpha ? 4 : 0)));
  header.insert(header.end(), 3, std::byte{0});
  append_chunk(out, "IHDR", header);
}

void append_profile(ByteVector& out, const ByteVector& profile) {
  ByteVector data;
  append_text(data, std::string_view("ICC profile\0\0", 13));  // its name, and the method of compression
  const ByteVector compressed = zlib_stream(profile, 9);
  data.insert(data.end(), compressed.begin(), compressed.end());
  append_chunk(out, "iCCP", data);
}

void append_density(ByteVector& out, const PixelDensity& density) {
  constexpr double kInchesPerMeter = 1 / 0.0254;
  // Without a unit only the ratio counts, and the numbers are whole.
  const double factor = density.has_unit ? kInchesPerMeter : 1000 / std::max(density.x, density.y);
  const auto whole = [&](double value) {
    return static_cast<std::uint32_t>(std::llround(std::clamp(value * factor, 1.0, 2147483647.0)));
  };
  ByteVector data;
  append_u32(data, whole(density.x));
  append_u32(data, whole(density.y));
  data.push_back(density.has_unit ? std::byte{1} : std::byte{0});
  append_chunk(out, "pHYs", data);
}

void append_international_text(ByteVector& out, std::string_view keyword, std::string_view text) {
  ByteVector data;
  append_text(data, keyword);
  data.insert(data.end(), 5, std::byte{0});  // not compressed, no language, no translated keyword
  append_text(data, text);
  append_chunk(out, "iTXt", data);
}

void append_text_chunk(ByteVector& out, const std::string& keyword, const std::string& text) {
  if (!is_png_text(keyword, text)) {
    return;
  }
  std::string name;
  std::string latin1;
  utf8_to_latin1(keyword, name);
  if (keyword == "fmboost" || !utf8_to_latin1(text, latin1)) {
    append_international_text(out, name, text);
    return;
  }
  ByteVector data;
  append_text(data, name);
  data.push_back(std::byte{0});
  append_text(data, latin1);
  append_chunk(out, "tEXt", data);
}

void append_metadata(ByteVector& out, const ImageMetadata& metadata) {
  if (!metadata.icc_profile.empty()) {
    append_profile(out, metadata.icc_profile);
  }
  if (metadata.density) {
    append_density(out, *metadata.density);
  }
  if (!metadata.exif.empty()) {
    append_chunk(out, "eXIf", metadata.exif);
  }
  for (const auto& [keyword, text] : metadata.text) {
    append_text_chunk(out, keyword, text);
  }
  if (!metadata.xmp.empty()) {
    append_international_text(out, "XML:com.adobe.xmp", metadata.xmp);
  }
}

struct Strip {
  ByteVector deflated;
  std::uint32_t checksum = 1;
  std::size_t size = 0;  ///< before compression
};

// Filtered rows of a strip; the filters look at the row above it.
std::vector<std::uint8_t> filtered_rows(const PixelRows& rows, std::int64_t first, std::int64_t count, int level) {
  const std::size_t row_bytes = rows.row_bytes();
  const std::int64_t begin = std::max<std::int64_t>(first - 1, 0);
  std::vector<std::uint8_t> samples(row_bytes * static_cast<std::size_t>(first + count - begin));
  rows.read(begin, first + count - begin, reinterpret_cast<std::byte*>(samples.data()));
  std::vector<std::uint8_t> filtered((row_bytes + 1) * static_cast<std::size_t>(count));
  PngFilter filter(row_bytes, rows.layout().pixel_bytes());
  for (std::int64_t row = first; row < first + count; ++row) {
    const auto samples_of = [&](std::int64_t y) {
      return std::span<const std::uint8_t>(samples).subspan(static_cast<std::size_t>(y - begin) * row_bytes, row_bytes);
    };
    const std::span<std::uint8_t> out =
        std::span(filtered).subspan(static_cast<std::size_t>(row - first) * (row_bytes + 1), row_bytes + 1);
    if (level == 0) {
      std::copy_n(samples_of(row).begin(), row_bytes, out.begin() + 1);
    } else {
      filter.filter(samples_of(row), row > 0 ? samples_of(row - 1) : std::span<const std::uint8_t>(), out);
    }
  }
  return filtered;
}

std::vector<Strip> compressed_strips(const PixelRows& rows, int level) {
  constexpr std::size_t kStripBytes = std::size_t{1} << 18;
  const auto strip_rows =
      static_cast<std::int64_t>(std::clamp<std::size_t>(kStripBytes / rows.row_bytes(), 1, 1 << 16));
  const std::int64_t count = (rows.height() + strip_rows - 1) / strip_rows;
  std::vector<Strip> strips(static_cast<std::size_t>(count));
  for_each_strip(count, [&](std::int64_t i) {
    const std::int64_t first = i * strip_rows;
    const auto filtered = filtered_rows(rows, first, std::min(strip_rows, rows.height() - first), level);
    const auto bytes = std::as_bytes(std::span(filtered));
    strips[static_cast<std::size_t>(i)] = {deflate_part(bytes, level, i + 1 == count), adler32_of(bytes), bytes.size()};
  });
  return strips;
}

}  // namespace

bool is_png_text(const std::string& keyword, const std::string& text) {
  constexpr std::size_t kLongestKeyword = 79;
  std::string name;
  return !text.empty() && !keyword.empty() && utf8_to_latin1(keyword, name) && name.size() <= kLongestKeyword &&
         name.front() != ' ' && name.back() != ' ' && name.find('\n') == std::string::npos &&
         name.find("  ") == std::string::npos;
}

std::vector<std::byte> write_png(const PixelRows& rows, const ImageMetadata& metadata, int level) {
  ByteVector out;
  append_text(out, "\x89PNG\r\n\x1a\n");
  append_header(out, rows);
  append_metadata(out, metadata);
  std::vector<Strip> strips = compressed_strips(rows, level);
  strips.front().deflated.insert(strips.front().deflated.begin(), std::begin(kZlibHeader), std::end(kZlibHeader));
  std::uint32_t checksum = 1;
  for (auto& strip : strips) {
    checksum = joined_adler32(checksum, strip.checksum, strip.size);
    if (&strip == &strips.back()) {
      append_u32(strip.deflated, checksum);
    }
    append_chunk(out, "IDAT", strip.deflated);
    strip.deflated = {};
  }
  append_chunk(out, "IEND", {});
  return out;
}

}  // namespace fmboost
