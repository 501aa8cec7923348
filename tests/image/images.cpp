#include "images.h"

#include <torch/types.h>

#include "fmboost/core/random.h"
#include "fmboost/io/files.h"

namespace fmboost::test {
namespace {

torch::Tensor columns() {
  return torch::arange(6).unsqueeze(0).expand({4, 6});
}

torch::Tensor rows() {
  return torch::arange(4).unsqueeze(1).expand({4, 6});
}

}  // namespace

ImageBytes image_file(const std::string& name) {
  return read_file(std::filesystem::path(FMBOOST_TEST_DATA) / "images" / name);
}

torch::Tensor pattern() {
  return torch::stack({40 * columns(), 60 * rows(), 10 * (columns() + rows())}, -1).to(torch::kUInt8);
}

torch::Tensor gray_pattern() {
  return (30 * columns() + 20 * rows()).unsqueeze(-1).expand({4, 6, 3}).to(torch::kUInt8);
}

Image image_of(const torch::Tensor& samples) {
  Image image;
  image.pixels = samples.permute({2, 0, 1}).to(torch::kFloat32) / 127.5 - 1;
  return image;
}

torch::Tensor samples_of(const Image& image) {
  EXPECT_EQ(image.pixels.scalar_type(), torch::kFloat32);
  EXPECT_EQ(image.pixels.dim(), 3);
  EXPECT_EQ(image.pixels.size(0), 3);
  if (image.alpha.defined()) {
    EXPECT_EQ(image.alpha.scalar_type(), torch::kFloat32);
    EXPECT_EQ(image.alpha.sizes(), (std::vector<std::int64_t>{1, image.height(), image.width()}));
  }
  return to_uint8(image.pixels);
}

torch::Tensor random_samples(std::int64_t height, std::int64_t width, std::int64_t channels, std::uint64_t seed) {
  auto generator = cpu_generator(seed);
  return torch::randint(0, 256, {height, width, channels}, generator, torch::kUInt8);
}

Image round_trip(const Image& image, const EncodeOptions& options) {
  return decode_image(encode_image(image, options), "round trip");
}

int largest_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kInt32) - b.to(torch::kInt32)).abs().max().item<int>();
}

testing::AssertionResult same_samples(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes()) {
    return testing::AssertionFailure() << a.sizes() << " is another shape than " << b.sizes();
  }
  if (torch::equal(a, b)) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "samples differ by up to " << largest_difference(a, b);
}

std::string text_of(const ImageBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

ImageBytes bytes_of(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

}  // namespace fmboost::test
