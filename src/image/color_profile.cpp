#include "image/color_profile.h"

#include <cmath>
#include <lcms2.h>
#include <map>
#include <memory>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

namespace fmboost {
namespace {

using Profile = std::unique_ptr<void, decltype(&cmsCloseProfile)>;
using Transform = std::unique_ptr<void, decltype(&cmsDeleteTransform)>;

Profile open_profile(const std::vector<std::byte>& bytes) {
  return {cmsOpenProfileFromMem(bytes.data(), static_cast<cmsUInt32Number>(bytes.size())), &cmsCloseProfile};
}

Profile srgb_profile() {
  return {cmsCreate_sRGBProfile(), &cmsCloseProfile};
}

cmsUInt32Number format_of(ColorModel model) {
  return model == ColorModel::gray ? TYPE_GRAY_FLT : model == ColorModel::rgb ? TYPE_RGB_FLT : TYPE_CMYK_FLT;
}

cmsColorSpaceSignature signature_of(ColorModel model) {
  return model == ColorModel::gray ? cmsSigGrayData : model == ColorModel::rgb ? cmsSigRgbData : cmsSigCmykData;
}

Transform make_transform(const Profile& from, cmsUInt32Number from_format, const Profile& to,
                         cmsUInt32Number to_format) {
  return {
      cmsCreateTransform(from.get(), from_format, to.get(), to_format, INTENT_RELATIVE_COLORIMETRIC, cmsFLAGS_NOCACHE),
      &cmsDeleteTransform};
}

torch::Tensor transformed(const Transform& transform, const torch::Tensor& samples) {
  const torch::Tensor in = samples.contiguous();
  torch::Tensor out = torch::empty({in.size(0), in.size(1), 3});
  // One row per call: the whole image may have more pixels than LittleCMS can count.
  for (std::int64_t row = 0; row < in.size(0); ++row) {
    cmsDoTransform(transform.get(), in[row].data_ptr<float>(), out[row].data_ptr<float>(),
                   static_cast<cmsUInt32Number>(in.size(1)));
  }
  return out;
}

// Whether the profile maps a grid of colors, or of grays, to itself, within half a step of 8 bits.
bool is_srgb(const Transform& transform, ColorModel model) {
  constexpr int kSteps = 6;
  const torch::Tensor axis = torch::linspace(0, 1, kSteps);
  torch::Tensor colors = axis.reshape({1, kSteps, 1});
  if (model == ColorModel::rgb) {
    const auto grid = torch::meshgrid({axis, axis, axis}, "ij");
    colors = torch::stack({grid[0], grid[1], grid[2]}, -1).reshape({kSteps, kSteps * kSteps, 3});
  }
  return (transformed(transform, colors) - colors).abs().max().item<float>() < 0.5 / 255;
}

using Curve = std::unique_ptr<cmsToneCurve, decltype(&cmsFreeToneCurve)>;

// The transfer functions as LittleCMS's parametric curve of type 4: (a x + b)^g from d on, c x below.
Curve make_curve(const ColorSpace& space) {
  constexpr double kSrgb[] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
  constexpr double kBt709[] = {1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081};
  cmsToneCurve* curve =
      space.transfer == ColorSpace::Transfer::gamma
          ? cmsBuildGamma(nullptr, space.gamma)
          : cmsBuildParametricToneCurve(nullptr, 4, space.transfer == ColorSpace::Transfer::srgb ? kSrgb : kBt709);
  return {curve, &cmsFreeToneCurve};
}

torch::Tensor without_profile(const torch::Tensor& samples, ColorModel model) {
  if (model == ColorModel::gray) {
    return samples.expand({-1, -1, 3}).contiguous();
  }
  if (model == ColorModel::cmyk) {  // c, m, y and k as fractions of ink
    return (1 - samples.slice(2, 0, 3)) * (1 - samples.slice(2, 3, 4));
  }
  return samples;
}

}  // namespace

torch::Tensor to_srgb(const torch::Tensor& samples, ColorModel model, const std::vector<std::byte>& profile,
                      const std::string& name, bool& keep_profile) {
  keep_profile = false;
  if (profile.empty()) {
    return without_profile(samples, model);
  }
  const Profile from = open_profile(profile);
  if (!from || cmsGetColorSpace(from.get()) != signature_of(model)) {
    log_warning("the color profile of '" + name + "' is damaged or does not match its pixels; ignoring it");
    return without_profile(samples, model);
  }
  const Transform transform = make_transform(from, format_of(model), srgb_profile(), TYPE_RGB_FLT);
  if (!transform) {
    log_warning("the color profile of '" + name + "' cannot be used; ignoring it");
    return without_profile(samples, model);
  }
  if (model != ColorModel::cmyk && is_srgb(transform, model)) {
    return without_profile(samples, model);
  }
  // LittleCMS expects ink in percent.
  const torch::Tensor scaled = model == ColorModel::cmyk ? samples * 100 : samples;
  // Profiles of scanners, for example, may support one direction only.
  keep_profile =
      model != ColorModel::cmyk && make_transform(srgb_profile(), TYPE_RGB_FLT, from, format_of(model)) != nullptr;
  const torch::Tensor srgb = transformed(transform, scaled);
  return model == ColorModel::gray ? srgb.slice(2, 1, 2).expand({-1, -1, 3}) : srgb;
}

SrgbConversion::SrgbConversion(const std::vector<std::byte>& profile, ColorModel model)
    : channels_(model == ColorModel::gray ? 1 : 3) {
  const Profile to = open_profile(profile);
  if (to && cmsGetColorSpace(to.get()) == signature_of(model)) {
    transform_ = make_transform(srgb_profile(), TYPE_RGB_FLT, to, format_of(model));
  }
  if (!transform_) {
    throw Error("cannot convert to the color profile of the image");
  }
}

void SrgbConversion::convert_planes(std::span<float> planes, std::span<float> scratch) const {
  const std::size_t count = planes.size() / channels_;
  const std::span<float> rgb = scratch.first(3 * count);
  const std::span<float> result = scratch.subspan(3 * count, channels_ * count);
  for (std::size_t c = 0; c < 3; ++c) {
    const float* plane = planes.data() + (channels_ == 1 ? 0 : c * count);
    for (std::size_t i = 0; i < count; ++i) {
      rgb[3 * i + c] = (plane[i] + 1) / 2;
    }
  }
  cmsDoTransform(transform_.get(), rgb.data(), result.data(), static_cast<cmsUInt32Number>(count));
  for (std::size_t c = 0; c < channels_; ++c) {
    for (std::size_t i = 0; i < count; ++i) {
      planes[c * count + i] = result[channels_ * i + c] * 2 - 1;
    }
  }
}

bool ColorSpace::is_srgb() const {
  constexpr double kClose = 0.0015;  // PNG and video round the primaries differently
  const ColorSpace srgb;
  const auto close = [&](const std::array<double, 2>& a, const std::array<double, 2>& b) {
    return std::abs(a[0] - b[0]) < kClose && std::abs(a[1] - b[1]) < kClose;
  };
  return transfer == Transfer::srgb && close(white, srgb.white) && close(red, srgb.red) && close(green, srgb.green) &&
         close(blue, srgb.blue);
}

namespace {

bool is_srgb_profile(const std::vector<std::byte>& bytes, ColorModel model) {
  const Profile from = open_profile(bytes);
  const Transform transform = from ? make_transform(from, format_of(model), srgb_profile(), TYPE_RGB_FLT)
                                   : Transform(nullptr, &cmsDeleteTransform);
  return transform && is_srgb(transform, model);
}

}  // namespace

namespace {

std::optional<ColorSpace> supported_color_space(int primaries, int transfer) {
  using Transfer = ColorSpace::Transfer;
  ColorSpace space;
  switch (primaries) {
    case 1:
    case 2:  // unspecified
      break;
    case 5:
      space.green = {0.29, 0.60};
      break;
    case 6:
    case 7:
      space.red = {0.630, 0.340};
      space.green = {0.310, 0.595};
      space.blue = {0.155, 0.070};
      break;
    case 9:
      space.red = {0.708, 0.292};
      space.green = {0.170, 0.797};
      space.blue = {0.131, 0.046};
      break;
    case 11:
    case 12:
      space.white = primaries == 11 ? std::array{0.314, 0.351} : space.white;
      space.red = {0.680, 0.320};
      space.green = {0.265, 0.690};
      break;
    default:
      return std::nullopt;
  }
  const std::map<int, std::pair<Transfer, double>> transfers{
      {1, {Transfer::bt709, 0}},  {2, {Transfer::srgb, 0}},    {4, {Transfer::gamma, 2.2}}, {5, {Transfer::gamma, 2.8}},
      {6, {Transfer::bt709, 0}},  {8, {Transfer::gamma, 1}},   {13, {Transfer::srgb, 0}},   {14, {Transfer::bt709, 0}},
      {15, {Transfer::bt709, 0}}, {17, {Transfer::gamma, 2.6}}};
  const auto found = transfers.find(transfer);
  if (found == transfers.end()) {
    return std::nullopt;
  }
  space.transfer = found->second.first;
  space.gamma = found->second.second;
  return space;
}

}  // namespace

std::optional<ColorSpace> coded_color_space(int primaries, int transfer, const std::string& name) {
  const auto space = supported_color_space(primaries, transfer);
  if (!space) {
    log_warning("'" + name + "' has colors that are not supported (primaries " + std::to_string(primaries) +
                ", transfer function " + std::to_string(transfer) + "); they are taken for sRGB");
  }
  return space;
}

void set_color_space(RawImage& image, const ColorSpace& space, const std::string& name) {
  image.metadata.icc_profile.clear();
  if (space.is_srgb() || image.model == ColorModel::cmyk) {
    return;
  }
  ColorSpace written = space;
  written.transfer = ColorSpace::Transfer::srgb;
  image.metadata.icc_profile = make_profile(space, image.model);
  image.written_profile = make_profile(written, image.model);
  if (is_srgb_profile(*image.written_profile, image.model)) {
    image.written_profile->clear();
  }
  if (image.metadata.icc_profile.empty()) {
    log_warning("the color space of '" + name + "' is impossible; ignoring it");
  }
}

std::vector<std::byte> make_profile(const ColorSpace& space, ColorModel model) {
  const Curve curve = make_curve(space);
  const cmsCIExyY white{space.white[0], space.white[1], 1};
  const cmsCIExyYTRIPLE primaries{
      {space.red[0], space.red[1], 1}, {space.green[0], space.green[1], 1}, {space.blue[0], space.blue[1], 1}};
  cmsToneCurve* curves[3] = {curve.get(), curve.get(), curve.get()};
  const Profile profile(model == ColorModel::gray ? cmsCreateGrayProfile(cmsD50_xyY(), curve.get())
                                                  : cmsCreateRGBProfile(&white, &primaries, curves),
                        &cmsCloseProfile);
  cmsUInt32Number size = 0;
  if (!curve || !profile || cmsSaveProfileToMem(profile.get(), nullptr, &size) == 0) {
    return {};
  }
  std::vector<std::byte> bytes(size);
  return cmsSaveProfileToMem(profile.get(), bytes.data(), &size) != 0 ? bytes : std::vector<std::byte>();
}

}  // namespace fmboost
