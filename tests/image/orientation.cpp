#include <gtest/gtest.h>
#include <torch/types.h>

#include "image/exif.h"
#include "images.h"

namespace fmboost {
namespace {

using namespace test;

// A TIFF structure with one field.
std::vector<std::byte> exif_with_orientation(int orientation, bool big_endian) {
  using namespace std::string_literals;
  auto exif = bytes_of(big_endian ? "MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0"s
                                  : "II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0"s);
  exif[big_endian ? 19 : 18] = static_cast<std::byte>(orientation);
  return exif;
}

// What a camera stores for an image that stands upright as 1 2 3 / 4 5 6, by the tag (EXIF 2.3, section 4.6.4).
torch::Tensor stored(int orientation) {
  switch (orientation) {
    case 2:
      return torch::tensor({{3, 2, 1}, {6, 5, 4}});
    case 3:
      return torch::tensor({{6, 5, 4}, {3, 2, 1}});
    case 4:
      return torch::tensor({{4, 5, 6}, {1, 2, 3}});
    case 5:
      return torch::tensor({{1, 4}, {2, 5}, {3, 6}});
    case 6:
      return torch::tensor({{3, 6}, {2, 5}, {1, 4}});
    case 7:
      return torch::tensor({{6, 3}, {5, 2}, {4, 1}});
    case 8:
      return torch::tensor({{4, 1}, {5, 2}, {6, 3}});
    default:
      return torch::tensor({{1, 2, 3}, {4, 5, 6}});
  }
}

torch::Tensor as_samples(const torch::Tensor& numbers) {
  return (numbers.unsqueeze(-1) * torch::tensor({40, 20, 10})).to(torch::kUInt8);
}

TEST(Orientation, IsAppliedAndSetToOne) {
  for (const auto format : {ImageFormat::png, ImageFormat::webp}) {
    for (int orientation = 1; orientation <= 8; ++orientation) {
      for (const bool big_endian : {false, true}) {
        Image source = image_of(as_samples(stored(orientation)));
        source.metadata.exif = exif_with_orientation(orientation, big_endian);
        const Image image = round_trip(source, {.format = format, .quality = 100});
        EXPECT_TRUE(same_samples(samples_of(image), as_samples(stored(1)))) << orientation;
        EXPECT_EQ(image.metadata.exif, exif_with_orientation(1, big_endian));
      }
    }
  }
}

TEST(Orientation, AppliesToAlpha) {
  Image source = image_of(as_samples(stored(6)));
  source.alpha = stored(6).to(torch::kFloat32).unsqueeze(0) / 255;
  source.metadata.exif = exif_with_orientation(6, true);
  const Image image = round_trip(source, {});
  EXPECT_TRUE(torch::equal((image.alpha * 255).round().to(torch::kInt64).squeeze(0), stored(1)));
}

TEST(Orientation, OutOfRangeMeansUpright) {
  for (const int orientation : {0, 9, 77}) {
    Image source = image_of(as_samples(stored(1)));
    source.metadata.exif = exif_with_orientation(orientation, false);
    EXPECT_TRUE(same_samples(samples_of(round_trip(source, {})), as_samples(stored(1)))) << orientation;
  }
}

// A JPEG of another writer: stored with red growing to the lower right and green to the lower left.
TEST(Orientation, OtherTagsOfAJpegAreKept) {
  const Image image = decode_image(image_file("rotated.jpg"), "rotated.jpg");
  EXPECT_EQ(read_orientation(image.metadata.exif), 1);
  EXPECT_NE(text_of(image.metadata.exif).find("Maker"), std::string::npos);
  const auto green = samples_of(image).select(2, 1).to(torch::kInt32);
  EXPECT_GT(green[0][0].item<int>(), 235) << "the lower left corner comes to the upper left";
  EXPECT_LT(green[15][15].item<int>(), 5);
}

}  // namespace
}  // namespace fmboost
