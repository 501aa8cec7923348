#include "image/xmp.h"

#include <cmath>
#include <cstdlib>
#include <string_view>

namespace fmboost {
namespace {

struct XmpValue {
  std::size_t begin = 0;
  std::size_t size = 0;
};

constexpr std::string_view kSpaces = " \t\r\n";

// The value of a property whose name ends at `at`: behind =" or =', or behind the > of a start tag. None for closing
// tags and for properties with a structure.
std::optional<XmpValue> value_behind(std::string_view xmp, std::size_t at) {
  at = xmp.find_first_not_of(kSpaces, at);
  if (at == std::string_view::npos || (xmp[at] != '=' && xmp[at] != '>')) {
    return std::nullopt;
  }
  char end = '<';
  if (xmp[at] == '=') {
    at = xmp.find_first_not_of(kSpaces, at + 1);
    if (at == std::string_view::npos || (xmp[at] != '"' && xmp[at] != '\'')) {
      return std::nullopt;
    }
    end = xmp[at];
  }
  const std::size_t close = xmp.find(end, at + 1);
  return close == std::string_view::npos ? std::nullopt : std::optional(XmpValue{at + 1, close - at - 1});
}

// The next value of the property at or behind `from`.
std::optional<XmpValue> find_xmp_value(std::string_view xmp, std::string_view name, std::size_t from) {
  for (std::size_t at = xmp.find(name, from); at != std::string_view::npos; at = xmp.find(name, at + 1)) {
    const bool starts = at > 0 && (xmp[at - 1] == '<' || kSpaces.find(xmp[at - 1]) != std::string_view::npos);
    if (const auto value = starts ? value_behind(xmp, at + name.size()) : std::nullopt) {
      return value;
    }
  }
  return std::nullopt;
}

void set_xmp_value(std::string& xmp, std::string_view name, const std::string& value) {
  std::size_t from = 0;
  while (const auto found = find_xmp_value(xmp, name, from)) {
    xmp.replace(found->begin, found->size, value);
    from = found->begin + value.size();
  }
}

std::string xmp_fraction(double value) {
  return std::to_string(std::llround(value * 1000)) + "/1000";
}

}  // namespace

std::optional<int> read_xmp_orientation(const std::string& xmp) {
  const auto value = find_xmp_value(xmp, "tiff:Orientation", 0);
  const int number = value ? std::atoi(xmp.substr(value->begin, value->size).c_str()) : 0;
  return number >= 1 && number <= 8 ? std::optional(number) : std::nullopt;
}

void reset_xmp_orientation(std::string& xmp) {
  set_xmp_value(xmp, "tiff:Orientation", "1");
}

void update_xmp(std::string& xmp, std::uint32_t width, std::uint32_t height,
                const std::optional<PixelDensity>& density) {
  for (const auto* name : {"tiff:ImageWidth", "exif:PixelXDimension"}) {
    set_xmp_value(xmp, name, std::to_string(width));
  }
  for (const auto* name : {"tiff:ImageLength", "exif:PixelYDimension"}) {
    set_xmp_value(xmp, name, std::to_string(height));
  }
  if (density && density->has_unit) {
    const bool centimeters = [&] {
      const auto unit = find_xmp_value(xmp, "tiff:ResolutionUnit", 0);
      return unit && xmp.substr(unit->begin, unit->size) == "3";
    }();
    const double factor = centimeters ? 1 / 2.54 : 1;
    set_xmp_value(xmp, "tiff:XResolution", xmp_fraction(density->x * factor));
    set_xmp_value(xmp, "tiff:YResolution", xmp_fraction(density->y * factor));
  }
}

}  // namespace fmboost
