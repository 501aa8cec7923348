// EXIF structures, the numbers and texts in them, and UTF-16.
#include "image/exif.h"

#include <cstdint>

#include "image/utf16.h"
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
  const ExifTexts again = read_exif_texts(make_exif(texts));
  REQUIRE(again.description == texts.description);
  REQUIRE(again.comment == texts.comment);
  for (const bool big_endian : {false, true}) {
    const auto text = utf16_to_utf8({reinterpret_cast<const char*>(data), size}, big_endian);
    REQUIRE(utf16_to_utf8(utf8_to_utf16be(text), true) == text);
  }
  return 0;
}
