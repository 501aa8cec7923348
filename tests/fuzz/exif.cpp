// EXIF structures, the numbers and texts in them, and UTF-16.
#include "image/exif.h"

#include <cstdint>

#include "image/utf16.h"
#include "image/xmp.h"
#include "require.h"

using namespace fmboost;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* first = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> exif(first, first + size);
  const auto orientation = read_orientation(exif);
  reset_orientation(exif);
  REQUIRE(exif.size() == size);
  REQUIRE(!orientation || read_orientation(exif) == 1);
  const ExifTexts texts = read_exif_texts(exif);
  const auto density = read_exif_density(exif);
  REQUIRE(!density || (density->x > 0 && density->y > 0));
  const std::vector<std::byte> extracted = exif_of_tiff(exif);
  REQUIRE(extracted.empty() || is_exif(extracted));
  std::vector<std::byte> updated = exif;
  update_exif(updated, 640, 480, density);
  REQUIRE(updated.size() <= exif.size());
  std::string xmp(reinterpret_cast<const char*>(data), size);
  reset_xmp_orientation(xmp);
  REQUIRE(read_xmp_orientation(xmp).value_or(1) == 1);
  update_xmp(xmp, 640, 480, density);
  const ExifTexts again = read_exif_texts(make_exif(texts));
  REQUIRE(again.description == texts.description);
  REQUIRE(again.comment == texts.comment);
  for (const bool big_endian : {false, true}) {
    const auto text = utf16_to_utf8({reinterpret_cast<const char*>(data), size}, big_endian);
    REQUIRE(utf16_to_utf8(utf8_to_utf16be(text), true) == text);
  }
  return 0;
}
