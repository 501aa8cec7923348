#include "image/write/pixel_rows.h"

#include <algorithm>
#include <cstring>

namespace fmboost {
namespace {

// Rounds half to even; vectorized, unlike std::lrint. Adding 1.5 * 2^23 leaves no bits for a fraction.
inline std::uint32_t rounded(float value) {
  constexpr float kInteger = 12582912.0F;
  return static_cast<std::uint32_t>(static_cast<std::int32_t>((value + kInteger) - kInteger));
}

// [low, low + 2 / scale'] to [0, maximum]; NaN becomes 0.
struct SampleRange {
  float low;      // the value of sample 0
  float high;     // the value of the largest sample
  float maximum;  // the largest sample
};

inline std::uint32_t quantized(float value, const SampleRange& range) {
  const float above = value > range.low ? value : range.low;
  const float clamped = above < range.high ? above : range.high;
  return rounded((clamped - range.low) * (range.maximum / (range.high - range.low)));
}

template <std::size_t kStep>
void store_bytes(const float* from, std::size_t count, const SampleRange& range, std::uint8_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i * kStep] = static_cast<std::uint8_t>(quantized(from[i], range));
  }
}

template <std::size_t kStep>
void store_words(const float* from, std::size_t count, const SampleRange& range, bool swap, std::uint16_t* out) {
  if (swap) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t value = quantized(from[i], range);
      out[i * kStep] = static_cast<std::uint16_t>((value & 0xffU) << 8 | value >> 8);
    }
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      out[i * kStep] = static_cast<std::uint16_t>(quantized(from[i], range));
    }
  }
}

template <std::size_t kStep>
void store(const float* from, std::size_t count, std::size_t channel, SampleRange range, const SampleLayout& layout,
           std::byte* out) {
  if (layout.bits == 8) {
    range.maximum = 255;
    store_bytes<kStep>(from, count, range, reinterpret_cast<std::uint8_t*>(out) + channel);
  } else {
    range.maximum = 65535;
    store_words<kStep>(from, count, range, layout.big_endian, reinterpret_cast<std::uint16_t*>(out) + channel);
  }
}

void store_channel(const float* from, std::size_t count, std::size_t channel, const SampleRange& range,
                   const SampleLayout& layout, std::byte* out) {
  switch (layout.channels()) {
    case 1:
      return store<1>(from, count, channel, range, layout, out);
    case 2:
      return store<2>(from, count, channel, range, layout, out);
    case 3:
      return store<3>(from, count, channel, range, layout, out);
    default:
      return store<4>(from, count, channel, range, layout, out);
  }
}

torch::Tensor planes_on_cpu(const torch::Tensor& x) {
  const torch::Tensor planes = x.to(torch::kCPU, torch::kFloat32);
  return planes.stride(2) == 1 || planes.size(2) == 1 ? planes : planes.contiguous();
}

// The one channel of a gray image, without a copy if its three channels share their memory.
torch::Tensor gray_channel(const torch::Tensor& pixels) {
  return pixels.stride(0) == 0 ? pixels.slice(0, 0, 1) : pixels.mean(0, /*keepdim=*/true);
}

}  // namespace

PixelRows::PixelRows(const Image& image, const SampleLayout& layout) : layout_(layout) {
  colors_ = planes_on_cpu(layout.gray ? gray_channel(image.pixels) : image.pixels);
  if (image.alpha.defined() && (layout.alpha || layout.over_white)) {
    alpha_ = planes_on_cpu(image.alpha).select(0, 0);
  }
  const auto& profile = image.metadata.icc_profile;
  if (!profile.empty()) {
    conversion_ = std::make_unique<SrgbConversion>(profile, layout.gray ? ColorModel::gray : ColorModel::rgb);
  }
}

// Leaves the channels of a row in `scratch`, one after another, and uses the memory behind them.
void PixelRows::convert_row(std::int64_t row, std::span<float> scratch) const {
  const auto count = static_cast<std::size_t>(width());
  const auto channels = static_cast<std::size_t>(colors_.size(0));
  for (std::size_t c = 0; c < channels; ++c) {
    const float* from =
        colors_.data_ptr<float>() + static_cast<std::int64_t>(c) * colors_.stride(0) + row * colors_.stride(1);
    std::copy_n(from, count, scratch.begin() + static_cast<std::ptrdiff_t>(c * count));
  }
  if (conversion_) {
    conversion_->convert_planes(scratch.first(channels * count), scratch.subspan(3 * count, 6 * count));
  }
  if (layout_.over_white && alpha_.defined()) {
    const float* alpha = alpha_.data_ptr<float>() + row * alpha_.stride(0);
    for (std::size_t c = 0; c < channels; ++c) {
      float* color = scratch.data() + c * count;
      for (std::size_t i = 0; i < count; ++i) {
        color[i] = color[i] * alpha[i] + (1 - alpha[i]);
      }
    }
  }
}

void PixelRows::read_row(std::int64_t row, std::span<float> scratch, std::byte* out) const {
  const auto count = static_cast<std::size_t>(width());
  const auto channels = static_cast<std::size_t>(colors_.size(0));
  const bool converts = conversion_ || (layout_.over_white && alpha_.defined());
  if (converts) {
    convert_row(row, scratch);
  }
  for (std::size_t c = 0; c < channels; ++c) {
    const float* plane =
        colors_.data_ptr<float>() + static_cast<std::int64_t>(c) * colors_.stride(0) + row * colors_.stride(1);
    store_channel(converts ? scratch.data() + c * count : plane, count, c, {-1, 1, 0}, layout_, out);
  }
  if (layout_.alpha) {
    store_channel(alpha_.data_ptr<float>() + row * alpha_.stride(0), count, channels, {0, 1, 0}, layout_, out);
  }
}

void PixelRows::read(std::int64_t first, std::int64_t count, std::byte* out) const {
  std::vector<float> scratch(static_cast<std::size_t>(width()) * 9);
  for (std::int64_t row = first; row < first + count; ++row, out += row_bytes()) {
    read_row(row, scratch, out);
  }
}

std::vector<std::byte> PixelRows::read_all() const {
  std::vector<std::byte> bytes(row_bytes() * static_cast<std::size_t>(height()));
  read(0, height(), bytes.data());
  return bytes;
}

}  // namespace fmboost
