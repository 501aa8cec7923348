#include <algorithm>
#include <array>
#include <cctype>

#include "image/read/raw_image.h"

namespace fmboost {
namespace {

struct Signature {
  std::string_view magic;
  std::size_t at;
  const char* what;
};

constexpr const char* kVideo = "is a video, not an image";

// Formats that are not read, by their first bytes.
constexpr std::array kSignatures{
    Signature{
        {"8BPS\0\2", 6}, 0, "is a large Photoshop document (PSB), which is not supported; save it as PNG or TIFF"},
    Signature{"\xff\x4f\xff\x51", 0,
              "is a JPEG 2000 image, which is not supported; convert it, for example with `opj_decompress`"},
    Signature{"jP  \r\n", 4,
              "is a JPEG 2000 image, which is not supported; convert it, for example with `opj_decompress`"},
    Signature{"\x76\x2f\x31\x01", 0, "is an OpenEXR image, which is not supported; convert it to 16-bit PNG or TIFF"},
    Signature{"#?RADIANCE", 0, "is a Radiance HDR image, which is not supported; convert it to 16-bit PNG or TIFF"},
    Signature{"#?RGBE", 0, "is a Radiance HDR image, which is not supported; convert it to 16-bit PNG or TIFF"},
    Signature{"PF\n", 0, "is a PFM image (floating point), which is not supported; convert it to 16-bit PNG or TIFF"},
    Signature{"Pf\n", 0, "is a PFM image (floating point), which is not supported; convert it to 16-bit PNG or TIFF"},
    Signature{"DDS ", 0, "is a DirectDraw texture (DDS), which is not supported; convert it to PNG"},
    Signature{"\xabKTX ", 0, "is a KTX texture, which is not supported; convert it to PNG"},
    Signature{"qoif", 0, "is a QOI image, which is not supported; convert it to PNG"},
    Signature{"gimp xcf", 0, "is a GIMP document, which is not supported; export it as PNG"},
    Signature{"%PDF", 0, "is a PDF document; render its pages first, for example with `pdftoppm -png`"},
    Signature{"%!PS", 0, "is a PostScript document; render it first, for example with `gs -sDEVICE=png16m`"},
    Signature{{"\0\0\1\0", 4},
              0,
              "is an icon (ICO), which is not supported; extract an image, for example with `icotool -x`"},
    Signature{"PK\3\4", 0, "is a ZIP archive; unpack it first"},
    Signature{"Rar!", 0, "is a RAR archive; unpack it first"},
    Signature{"7z\xbc\xaf", 0, "is a 7-Zip archive; unpack it first"},
    Signature{"\x1f\x8b", 0, "is a gzip file; unpack it first"},
    Signature{"BZh", 0, "is a bzip2 file; unpack it first"},
    Signature{{"\xfd"
               "7zXZ",
               5},
              0,
              "is an xz file; unpack it first"},
    Signature{"IIRO", 0, kRawPhotograph},
    Signature{"IIRS", 0, kRawPhotograph},
    Signature{"MMOR", 0, kRawPhotograph},
    Signature{{"II\xbc\1", 4}, 0, "is a JPEG XR image, which is not supported; convert it to PNG"},
    Signature{"\x8aMNG", 0, "is an MNG animation, which is not supported; convert it to PNG"},
    Signature{"\x8bJNG", 0, "is a JNG image, which is not supported; convert it to PNG"},
    Signature{"AT&TFORM", 0, "is a DjVu document; render it first, for example with `ddjvu`"},
    Signature{"SIMPLE  =", 0, "is a FITS image, which is not supported; convert it to 16-bit TIFF"},
    Signature{"DICM", 128, "is a DICOM image, which is not supported; convert it, for example with `dcm2pnm`"},
    Signature{"\x93NUMPY", 0, "is a NumPy array, not an image"},
    Signature{"ustar", 257, "is a tar archive; unpack it first"},
    Signature{"\x7f"
              "ELF",
              0, "is a program, not an image"},
    Signature{"WAVE", 8, "is a sound file, not an image"},
    Signature{"FUJIFILMCCD-RAW", 0, kRawPhotograph},
    Signature{"FOVb", 0, kRawPhotograph},
    Signature{{"IIU\0", 4}, 0, kRawPhotograph},
    Signature{"version https://git-lfs", 0, "is a pointer of Git LFS, not the image; fetch it with `git lfs pull`"},
    Signature{{"\x1a\x45\xdf\xa3", 4}, 0, kVideo},
    Signature{"OggS", 0, kVideo},
    Signature{"FLV\1", 0, kVideo},
    Signature{"AVI ", 8, kVideo},
};

/// Brands of ISO base media files (ISO/IEC 14496-12), which begin with a box `ftyp`.
struct Brand {
  std::string_view name;
  const char* what;
};

constexpr const char* kHeic =
    "is a HEIC image, which is not supported; convert it first, for example with `heif-convert`";

constexpr std::array kBrands{
    Brand{"avif",
          "is an AVIF image, and this fmboost was built without libavif; convert it, for example with `avifdec`"},
    Brand{"avis",
          "is an AVIF image, and this fmboost was built without libavif; convert it, for example with `avifdec`"},
    Brand{"heic", kHeic},
    Brand{"heix", kHeic},
    Brand{"heim", kHeic},
    Brand{"heis", kHeic},
    Brand{"hevc", kHeic},
    Brand{"hevx", kHeic},
    Brand{"mif1", "is a HEIF image, which is not supported; convert it first, for example with `heif-convert`"},
    Brand{"msf1", "is a HEIF image, which is not supported; convert it first, for example with `heif-convert`"},
    Brand{"crx ", kRawPhotograph},
};

std::string lower_case_start(Bytes bytes) {
  constexpr std::size_t kLooked = 512;
  std::string text(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kLooked));
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::size_t start = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  return start == std::string::npos ? "" : text.substr(start);
}

const char* markup(Bytes bytes) {
  const std::string text = lower_case_start(bytes);
  if (text.starts_with("<svg") || (text.starts_with("<?xml") && text.find("<svg") != std::string::npos)) {
    return "is an SVG drawing, which has no pixels; render it first, for example with `rsvg-convert`";
  }
  if (text.starts_with("<!doctype html") || text.starts_with("<html") || text.starts_with("<head")) {
    return "is a web page, not an image: the download went wrong";
  }
  if (text.starts_with("<?xml") || text.starts_with("{") || text.starts_with("[")) {
    return "is a text file, not an image";
  }
  return nullptr;
}

}  // namespace

std::string named_format(Bytes bytes) {
  for (const auto& [magic, at, what] : kSignatures) {
    if (starts_with(bytes, magic, at)) {
      return what;
    }
  }
  if (starts_with(bytes, "ftyp", 4)) {
    for (const auto& [name, what] : kBrands) {
      if (starts_with(bytes, name, 8)) {
        return what;
      }
    }
    return kVideo;
  }
  if (!bytes.empty() && std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; })) {
    return "has nothing but zeros in it: the copy or the download went wrong";
  }
  if (starts_with(bytes, "\xff\x0a") || starts_with(bytes, {"\0\0\0\x0cJXL ", 8})) {
    return "is a JPEG XL image, and this fmboost was built without libjxl; convert it, for example with `djxl`";
  }
  const char* text = markup(bytes);
  return text == nullptr ? "" : text;
}

}  // namespace fmboost
