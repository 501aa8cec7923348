#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

#include "fmboost/core/log.h"

#include "image/read/raw_image.h"

namespace fmboost {
namespace {

constexpr std::uint32_t kMaximum = 65535;

/// The header of a PNM or PAM: https://netpbm.sourceforge.net/doc/pnm.html and pam.html.
struct PnmHeader {
  char kind = '6';  ///< the digit of the magic number
  std::int64_t width = 0, height = 0;
  std::int64_t channels = 3;
  std::uint32_t maximum = 1;
  bool alpha = false;  ///< the last channel is alpha
  std::size_t end = 0;
};

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

class PnmText {
 public:
  PnmText(Bytes bytes, const std::string& name, std::size_t at)
      : text_(reinterpret_cast<const char*>(bytes.data()), bytes.size()), name_(name), at_(at) {}

  std::size_t position() const { return at_; }
  bool at_end() const { return at_ >= text_.size(); }

  /// Skips white space and comments.
  void skip_space() {
    while (!at_end() && (is_space(text_[at_]) || text_[at_] == '#')) {
      at_ = text_[at_] == '#' ? std::min(text_.find('\n', at_), text_.size()) : at_ + 1;
    }
  }
  void skip_one() { ++at_; }

  std::string_view word() {
    skip_space();
    const std::size_t begin = at_;
    while (!at_end() && !is_space(text_[at_]) && text_[at_] != '#') {
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }
  std::string_view line() {
    const std::size_t begin = at_;
    at_ = std::min(text_.find('\n', at_), text_.size());
    return text_.substr(begin, at_ - begin);
  }
  std::uint32_t number(const char* what) {
    const std::string_view digits = word();
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      fail_decoding(name_, std::string("is a damaged PNM: ") +
                               (digits.empty() ? "it ends early" : std::string(what) + " is not a number"));
    }
    return value;
  }
  /// One bit of a plain PBM, whose digits need no space between them.
  std::uint32_t bit() {
    skip_space();
    if (at_end() || (text_[at_] != '0' && text_[at_] != '1')) {
      fail_decoding(name_, at_end() ? "is a damaged PNM: it ends early" : "is a damaged PNM: a bit is not 0 or 1");
    }
    return text_[at_++] == '1' ? 1 : 0;
  }

 private:
  std::string_view text_;
  const std::string& name_;
  std::size_t at_;
};

PnmHeader read_pam_header(PnmText& text, const std::string& name) {
  PnmHeader header;
  header.kind = '7';
  header.channels = 0;
  std::string tuple;
  for (std::string_view key = text.word(); key != "ENDHDR"; key = text.word()) {
    if (key == "WIDTH") {
      header.width = text.number("the width");
    } else if (key == "HEIGHT") {
      header.height = text.number("the height");
    } else if (key == "DEPTH") {
      header.channels = text.number("the depth");
    } else if (key == "MAXVAL") {
      header.maximum = text.number("the maximum");
    } else if (key == "TUPLTYPE") {
      tuple = text.word();
    } else {
      fail_decoding(name, key.empty()
                              ? "is a damaged PAM: its header ends early"
                              : "is a damaged PAM: unknown header line '" + std::string(key.substr(0, 20)) + "'");
    }
    text.line();
  }
  if (header.channels < 1 || header.channels > 4) {
    fail_decoding(name, "is a PAM of " + std::to_string(header.channels) + " channels; 1 to 4 are supported");
  }
  const bool other_channel = tuple == "GRAYSCALE" || tuple == "BLACKANDWHITE" || tuple == "RGB";
  if (other_channel && header.channels % 2 == 0) {
    fail_decoding(name, "is a PAM of " + std::to_string(header.channels) + " channels with the tuple type " + tuple +
                            ", which contradict each other");
  }
  header.alpha = header.channels % 2 == 0;
  if (tuple == "CMYK") {
    fail_decoding(name, "is a PAM with CMYK colors, which is not supported; convert it to RGB");
  }
  return header;
}

PnmHeader read_pnm_header(Bytes bytes, const std::string& name) {
  PnmText text(bytes, name, 2);
  const char kind = static_cast<char>(bytes[1]);
  PnmHeader header;
  if (kind == '7') {
    header = read_pam_header(text, name);
  } else {
    header.kind = kind;
    header.width = text.number("the width");
    header.height = text.number("the height");
    header.maximum = kind == '1' || kind == '4' ? 1 : text.number("the maximum");
    header.channels = kind == '3' || kind == '6' ? 3 : 1;
  }
  if (header.maximum < 1 || header.maximum > kMaximum) {
    fail_decoding(name, "has an impossible maximum of " + std::to_string(header.maximum) + "; PNM allows 1 to 65535");
  }
  if (!text.at_end() && bytes[text.position()] == std::byte{'#'}) {
    text.line();  // its end is the character
  }
  text.skip_one();  // a single character ends the header; samples may look like white space
  header.end = text.position();
  return header;
}

// PNM numbers bits of one sample each, 1 for black.
void read_bit_rows(Bytes data, const PnmHeader& header, std::uint8_t* out) {
  const std::int64_t stride = (header.width + 7) / 8;
  for (std::int64_t y = 0; y < header.height; ++y) {
    for (std::int64_t x = 0; x < header.width; ++x) {
      const auto byte = std::to_integer<unsigned>(data[static_cast<std::size_t>(y * stride + x / 8)]);
      *out++ = (byte >> (7 - x % 8) & 1U) != 0 ? 0 : 1;
    }
  }
}

void read_plain_samples(PnmText text, const PnmHeader& header, std::int32_t* out, std::int64_t count) {
  const bool bits = header.kind == '1';
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<std::int32_t>(bits ? 1 - text.bit() : std::min(text.number("a sample"), header.maximum));
  }
}

void read_samples(Bytes data, std::uint32_t maximum, std::int32_t* out, std::int64_t count) {
  const bool wide = maximum > 255;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(wide ? 2 * i : i);
    const auto value =
        wide ? std::to_integer<std::uint32_t>(data[at]) << 8 | std::to_integer<std::uint32_t>(data[at + 1])
             : std::to_integer<std::uint32_t>(data[at]);
    out[i] = static_cast<std::int32_t>(std::min(value, maximum));
  }
}

// Bytes of the samples; a plain file needs at least as many characters.
std::uint64_t raster_bytes(const PnmHeader& header) {
  const auto rows = static_cast<std::uint64_t>(header.height);
  const auto samples = static_cast<std::uint64_t>(header.width * header.channels);
  if (header.kind == '4') {
    return rows * ((samples + 7) / 8);
  }
  const bool plain = header.kind <= '3';
  return rows * samples * (header.maximum > 255 && !plain ? 2 : 1);
}

torch::Tensor read_raster(Bytes bytes, const PnmHeader& header, const std::string& name) {
  const Bytes data = bytes.subspan(std::min(header.end, bytes.size()));
  if (data.size() < raster_bytes(header)) {
    fail_decoding(name, "is a truncated PNM: " + std::to_string(raster_bytes(header)) + " bytes of samples expected, " +
                            std::to_string(data.size()) + " found");
  }
  const std::int64_t count = header.height * header.width * header.channels;
  if (header.kind == '4') {
    const auto bits = torch::empty({header.height, header.width, 1}, torch::kUInt8);
    read_bit_rows(data, header, bits.data_ptr<std::uint8_t>());
    return bits;
  }
  const auto samples = torch::empty({header.height, header.width, header.channels}, torch::kInt32);
  if (header.kind <= '3') {
    read_plain_samples(PnmText(bytes, name, header.end), header, samples.data_ptr<std::int32_t>(), count);
  } else {
    read_samples(data, header.maximum, samples.data_ptr<std::int32_t>(), count);
  }
  return samples;
}

}  // namespace

bool is_pnm(Bytes bytes) {
  return bytes.size() > 2 && starts_with(bytes, "P") && bytes[1] >= std::byte{'1'} && bytes[1] <= std::byte{'7'} &&
         (is_space(static_cast<char>(bytes[2])) || bytes[2] == std::byte{'#'});
}

RawImage decode_pnm(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  const PnmHeader header = read_pnm_header(bytes, name);
  check_dimensions(header.width, header.height, limits, name);
  const torch::Tensor samples = read_raster(bytes, header, name);
  const std::int64_t colors = header.channels - (header.alpha ? 1 : 0);
  RawImage image;
  image.format = "pnm";
  image.model = colors == 1 ? ColorModel::gray : ColorModel::rgb;
  image.maximum = header.maximum;
  image.samples = samples.slice(2, 0, colors).contiguous();
  if (header.alpha) {
    image.alpha = samples.select(2, colors).contiguous();
  }
  const bool raw = header.kind >= '4' && header.kind <= '6';
  if (raw && bytes.size() > header.end + raster_bytes(header) + 2 &&
      is_pnm(bytes.subspan(header.end + raster_bytes(header)))) {
    log_warning("'" + name + "' holds several images; only the first one is used");
  }
  return image;
}

}  // namespace fmboost
