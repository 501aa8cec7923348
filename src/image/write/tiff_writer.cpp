#include "image/write/tiff_writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "fmboost/core/error.h"

#include "image/tiff_structure.h"
#include "image/write/deflate.h"
#include "image/write/parallel_strips.h"

namespace fmboost {
namespace {

using TiffFile = std::vector<std::byte>;

// Fields that describe the file's own pixels, which those of EXIF data must not replace: TIFF 6.0, the supplements, and
// the thumbnail of EXIF.
constexpr std::array<std::uint16_t, 36> kOwnFields{
    0x00fe, 0x00ff, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x0107, 0x010a, 0x0111, 0x0112, 0x0115,
    0x0116, 0x0117, 0x0118, 0x0119, 0x011a, 0x011b, 0x011c, 0x0128, 0x012d, 0x013d, 0x0140, 0x0142,
    0x0143, 0x0144, 0x0145, 0x014a, 0x0152, 0x0153, 0x0201, 0x0202, 0x0211, 0x0212, 0x02bc, 0x8773};

// The fields of EXIF data's first directory, whose values stay where they are.
std::vector<TiffField> fields_of_exif(const TiffView& exif) {
  std::vector<TiffField> fields;
  const auto directory = exif.first_directory();
  for (const std::size_t field : directory ? exif.fields(*directory) : std::vector<std::size_t>()) {
    const auto tag = static_cast<std::uint16_t>(*exif.u16(field));
    if (std::find(kOwnFields.begin(), kOwnFields.end(), tag) == kOwnFields.end()) {
      const std::uint32_t last = *exif.u32(field + 8);
      fields.push_back({tag, static_cast<TiffType>(*exif.u16(field + 2)), *exif.u32(field + 4),
                        TiffBytes(exif.big_endian()).u32(last).take()});
    }
  }
  return fields;
}

class Fields {
 public:
  explicit Fields(bool big_endian) : big_(big_endian) {}

  void shorts(std::uint16_t tag, const std::vector<std::uint32_t>& values) {
    TiffBytes bytes(big_);
    for (const auto value : values) {
      bytes.u16(value);
    }
    add(tag, TiffType::u16, values.size(), bytes.take());
  }
  void longs(std::uint16_t tag, const std::vector<std::uint32_t>& values) {
    TiffBytes bytes(big_);
    for (const auto value : values) {
      bytes.u32(value);
    }
    add(tag, TiffType::u32, values.size(), bytes.take());
  }
  void fraction(std::uint16_t tag, double value) {
    const double thousandths = std::round(std::clamp(value, 0.001, 4294967.0) * 1000);
    add(tag, TiffType::rational, 1, TiffBytes(big_).u32(static_cast<std::uint32_t>(thousandths)).u32(1000).take());
  }
  void bytes(std::uint16_t tag, TiffType type, std::span<const std::byte> values) {
    if (!values.empty()) {
      add(tag, type, values.size(), {values.begin(), values.end()});
    }
  }
  std::vector<TiffField>& all() { return fields_; }

 private:
  void add(std::uint16_t tag, TiffType type, std::size_t count, std::vector<std::byte> values) {
    fields_.push_back({tag, type, static_cast<std::uint32_t>(count), std::move(values)});
  }

  std::vector<TiffField> fields_;
  bool big_;
};

// Replaces samples by their differences from the pixel to the left.
template <typename Sample>
void subtract_left(std::span<std::byte> row, std::size_t channels) {
  auto* samples = reinterpret_cast<Sample*>(row.data());
  for (std::size_t i = row.size() / sizeof(Sample); i-- > channels;) {
    samples[i] = static_cast<Sample>(samples[i] - samples[i - channels]);
  }
}

void swap_bytes(std::span<std::byte> row) {
  for (std::size_t i = 0; i + 1 < row.size(); i += 2) {
    std::swap(row[i], row[i + 1]);
  }
}

std::vector<std::byte> compressed_rows(const PixelRows& rows, std::int64_t first, std::int64_t count, int level,
                                       bool big_endian) {
  std::vector<std::byte> samples(rows.row_bytes() * static_cast<std::size_t>(count));
  rows.read(first, count, samples.data());
  const SampleLayout& layout = rows.layout();
  for (std::size_t at = 0; at < samples.size(); at += rows.row_bytes()) {
    const auto row = std::span(samples).subspan(at, rows.row_bytes());
    if (level > 0) {
      layout.bits == 8 ? subtract_left<std::uint8_t>(row, layout.channels())
                       : subtract_left<std::uint16_t>(row, layout.channels());
    }
    if (layout.bits == 16 && big_endian) {
      swap_bytes(row);
    }
  }
  return level > 0 ? zlib_stream(samples, level) : samples;
}

std::vector<std::vector<std::byte>> compressed_strips(const PixelRows& rows, std::int64_t strip_rows, int level,
                                                      bool big_endian) {
  const std::int64_t count = (rows.height() + strip_rows - 1) / strip_rows;
  std::vector<std::vector<std::byte>> strips(static_cast<std::size_t>(count));
  for_each_strip(count, [&](std::int64_t i) {
    const std::int64_t first = i * strip_rows;
    strips[static_cast<std::size_t>(i)] =
        compressed_rows(rows, first, std::min(strip_rows, rows.height() - first), level, big_endian);
  });
  return strips;
}

void describe_pixels(const PixelRows& rows, std::int64_t strip_rows, int level, Fields& fields) {
  const SampleLayout& layout = rows.layout();
  const auto channels = static_cast<std::uint32_t>(layout.channels());
  fields.longs(0x0100, {static_cast<std::uint32_t>(rows.width())});
  fields.longs(0x0101, {static_cast<std::uint32_t>(rows.height())});
  fields.shorts(0x0102, std::vector<std::uint32_t>(channels, static_cast<std::uint32_t>(layout.bits)));
  fields.shorts(0x0103, {level > 0 ? 8U : 1U});    // compression: Adobe deflate or none
  fields.shorts(0x0106, {layout.gray ? 1U : 2U});  // photometric interpretation: 0 is black, or RGB
  fields.shorts(0x0112, {1});                      // orientation
  fields.shorts(0x0115, {channels});
  fields.longs(0x0116, {static_cast<std::uint32_t>(strip_rows)});
  fields.shorts(0x011c, {1});  // channels are interleaved
  if (level > 0) {
    fields.shorts(0x013d, {2});  // horizontal predictor
  }
  if (layout.alpha) {
    fields.shorts(0x0152, {2});  // the additional channel is alpha, by which colors are not multiplied
  }
}

void describe_metadata(const ImageMetadata& metadata, Fields& fields) {
  if (metadata.density) {
    fields.fraction(0x011a, metadata.density->x);
    fields.fraction(0x011b, metadata.density->y);
    fields.shorts(0x0128, {metadata.density->has_unit ? 2U : 1U});  // inch or none
  }
  fields.bytes(0x02bc, TiffType::byte, std::as_bytes(std::span(metadata.xmp)));
  fields.bytes(0x8773, TiffType::undefined, metadata.icc_profile);
}

void require_size(std::uint64_t size) {
  if (size > std::numeric_limits<std::uint32_t>::max()) {
    throw Error("a TIFF supports at most 4 GiB; write a PNG");
  }
}

}  // namespace

std::vector<std::byte> write_tiff(const PixelRows& rows, const ImageMetadata& metadata, int level) {
  constexpr std::size_t kStripBytes = std::size_t{1} << 18;
  TiffFile file = metadata.exif;
  const TiffView exif(metadata.exif);
  if (!exif.first_directory()) {
    file = TiffBytes(false).text("II").u16(42).u32(0).take();
  }
  const bool big_endian = exif.big_endian();
  const auto strip_rows =
      static_cast<std::int64_t>(std::clamp<std::size_t>(kStripBytes / rows.row_bytes(), 1, 1 << 16));
  Fields fields(big_endian);
  fields.all() = fields_of_exif(exif);
  describe_pixels(rows, strip_rows, level, fields);
  describe_metadata(metadata, fields);
  std::vector<std::uint32_t> positions;
  std::vector<std::uint32_t> sizes;
  for (auto& strip : compressed_strips(rows, strip_rows, level, big_endian)) {
    require_size(file.size() + strip.size());
    positions.push_back(static_cast<std::uint32_t>(file.size()));
    sizes.push_back(static_cast<std::uint32_t>(strip.size()));
    file.insert(file.end(), strip.begin(), strip.end());
    strip = {};
  }
  fields.longs(0x0111, positions);
  fields.longs(0x0117, sizes);
  file.resize((file.size() + 1) / 2 * 2);
  const auto directory = make_directory(std::move(fields.all()), file.size(), big_endian);
  require_size(file.size() + directory.size());
  set_u32(file, 4, static_cast<std::uint32_t>(file.size()), big_endian);
  file.insert(file.end(), directory.begin(), directory.end());
  return file;
}

}  // namespace fmboost
