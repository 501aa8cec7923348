#include <jxl/decode.h>
#include <memory>

#include "fmboost/core/log.h"

#include "image/exif.h"
#include "image/read/raw_image.h"

namespace fmboost {
namespace {

using JxlReader = std::unique_ptr<JxlDecoder, decltype(&JxlDecoderDestroy)>;

/// Follows the events of libjxl's decoder up to the first image and the metadata around it.
class JxlImage {
 public:
  JxlImage(Bytes bytes, const std::string& name, const DecodeLimits& limits)
      : decoder_(JxlDecoderCreate(nullptr), &JxlDecoderDestroy), name_(name), limits_(limits) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    require(JxlDecoderSubscribeEvents(decoder_.get(), JXL_DEC_BASIC_INFO | JXL_DEC_COLOR_ENCODING | JXL_DEC_FULL_IMAGE |
                                                          JXL_DEC_BOX) == JXL_DEC_SUCCESS);
    JxlDecoderSetDecompressBoxes(decoder_.get(), JXL_TRUE);
    require(JxlDecoderSetInput(decoder_.get(), data, bytes.size()) == JXL_DEC_SUCCESS);
    JxlDecoderCloseInput(decoder_.get());
  }

  RawImage read() {
    while (true) {
      const JxlDecoderStatus status = JxlDecoderProcessInput(decoder_.get());
      switch (status) {
        case JXL_DEC_BASIC_INFO:
          read_info();
          break;
        case JXL_DEC_COLOR_ENCODING:
          read_profile();
          break;
        case JXL_DEC_NEED_IMAGE_OUT_BUFFER:
          provide_samples();
          break;
        case JXL_DEC_FULL_IMAGE:
          complete_ = true;
          break;
        case JXL_DEC_BOX:
          finish_box();
          start_box();
          break;
        case JXL_DEC_BOX_NEED_MORE_OUTPUT:
          grow_box();
          break;
        default:  // success, or the end of the data
          require(complete_);
          finish_box();
          return take();
      }
    }
  }

 private:
  static constexpr std::size_t kLargestBox = std::size_t{64} << 20;

  void require(bool good) const {
    if (!good) {
      fail_decoding(name_, "is a damaged or truncated JPEG XL");
    }
  }

  void read_info() {
    require(JxlDecoderGetBasicInfo(decoder_.get(), &info_) == JXL_DEC_SUCCESS);
    check_dimensions(info_.xsize, info_.ysize, limits_, name_);
    const bool deep = info_.bits_per_sample > 8;
    gray_ = info_.num_color_channels == 1;
    channels_ = (gray_ ? 1 : 3) + (info_.alpha_bits > 0 ? 1 : 0);
    format_ = {static_cast<std::uint32_t>(channels_), deep ? JXL_TYPE_UINT16 : JXL_TYPE_UINT8, JXL_NATIVE_ENDIAN, 0};
    samples_ = torch::empty({info_.ysize, info_.xsize, channels_}, deep ? torch::kInt16 : torch::kUInt8);
    if (info_.have_animation == JXL_TRUE) {
      log_warning("'" + name_ + "' is animated; only its first frame is used");
    }
  }

  void read_profile() {
    std::size_t size = 0;
    if (JxlDecoderGetICCProfileSize(decoder_.get(), &format_, JXL_COLOR_PROFILE_TARGET_DATA, &size) !=
        JXL_DEC_SUCCESS) {
      return;
    }
    std::vector<std::byte> profile(size);
    if (JxlDecoderGetColorAsICCProfile(decoder_.get(), &format_, JXL_COLOR_PROFILE_TARGET_DATA,
                                       reinterpret_cast<std::uint8_t*>(profile.data()), size) == JXL_DEC_SUCCESS) {
      image_.metadata.icc_profile = std::move(profile);
    }
  }

  void provide_samples() {
    require(!complete_);  // a second frame
    require(JxlDecoderSetImageOutBuffer(decoder_.get(), &format_, samples_.data_ptr(), samples_.nbytes()) ==
            JXL_DEC_SUCCESS);
  }

  void start_box() {
    JxlBoxType type{};
    if (JxlDecoderGetBoxType(decoder_.get(), type, JXL_TRUE) != JXL_DEC_SUCCESS) {
      return;
    }
    box_ = std::string(type, 4);
    if (box_ == "Exif" || box_ == "xml ") {
      content_.assign(1 << 16, std::byte{0});
      JxlDecoderSetBoxBuffer(decoder_.get(), reinterpret_cast<std::uint8_t*>(content_.data()), content_.size());
    } else {
      box_.clear();
    }
  }
  void grow_box() {
    const std::size_t used = content_.size() - JxlDecoderReleaseBoxBuffer(decoder_.get());
    require(used <= kLargestBox);
    content_.resize(2 * content_.size());
    JxlDecoderSetBoxBuffer(decoder_.get(), reinterpret_cast<std::uint8_t*>(content_.data()) + used,
                           content_.size() - used);
  }
  void finish_box() {
    if (box_.empty()) {
      return;
    }
    content_.resize(content_.size() - JxlDecoderReleaseBoxBuffer(decoder_.get()));
    constexpr std::size_t kOffset = 4;  // the position of the EXIF data behind it, which is zero
    if (box_ == "xml ") {
      image_.metadata.xmp.assign(reinterpret_cast<const char*>(content_.data()), content_.size());
    } else if (content_.size() > kOffset) {
      image_.metadata.exif = without_exif_prefix({content_.begin() + kOffset, content_.end()});
    }
    box_.clear();
  }

  RawImage take() {
    const torch::Tensor all = as_unsigned(samples_);
    const std::int64_t colors = gray_ ? 1 : 3;
    image_.format = "jxl";
    image_.model = gray_ ? ColorModel::gray : ColorModel::rgb;
    image_.maximum = format_.data_type == JXL_TYPE_UINT16 ? 65535 : 255;
    image_.samples = all.slice(2, 0, colors).contiguous();
    if (channels_ > colors) {
      image_.alpha = all.select(2, colors).contiguous();
    }
    image_.orientation = 1;  // the decoder has applied it
    return std::move(image_);
  }

  JxlReader decoder_;
  const std::string& name_;
  const DecodeLimits& limits_;
  JxlBasicInfo info_{};
  JxlPixelFormat format_{};
  std::int64_t channels_ = 3;
  bool gray_ = false;
  bool complete_ = false;
  torch::Tensor samples_;
  std::string box_;  ///< the type of the box that is being read
  std::vector<std::byte> content_;
  RawImage image_;
};

}  // namespace

bool is_jxl(Bytes bytes) {
  return starts_with(bytes, "\xff\x0a") || starts_with(bytes, {"\0\0\0\x0cJXL ", 8});
}

RawImage decode_jxl(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  return JxlImage(bytes, name, limits).read();
}

}  // namespace fmboost
