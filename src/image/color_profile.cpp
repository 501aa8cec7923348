#include "image/color_profile.h"

#include <lcms2.h>
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

torch::Tensor apply(const Transform& transform, const torch::Tensor& samples) {
  const torch::Tensor in = samples.contiguous();
  torch::Tensor out = torch::empty({in.size(0), in.size(1), 3});
  // One row per call: the whole image may have more pixels than LittleCMS can count.
  for (std::int64_t row = 0; row < in.size(0); ++row) {
    cmsDoTransform(transform.get(), in[row].data_ptr<float>(), out[row].data_ptr<float>(),
                   static_cast<cmsUInt32Number>(in.size(1)));
  }
  return out;
}

// Whether the profile maps a grid of colors to itself, within half a step of 8 bits.
bool is_srgb(const Transform& transform) {
  const torch::Tensor axis = torch::linspace(0, 1, 6);
  const auto grid = torch::meshgrid({axis, axis, axis}, "ij");
  const torch::Tensor colors = torch::stack({grid[0], grid[1], grid[2]}, -1).reshape({6, 36, 3});
  return (apply(transform, colors) - colors).abs().max().item<float>() < 0.5 / 255;
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
  if (model == ColorModel::rgb && is_srgb(transform)) {
    return samples;
  }
  // LittleCMS expects ink in percent.
  const torch::Tensor scaled = model == ColorModel::cmyk ? samples * 100 : samples;
  // Profiles of scanners, for example, may support one direction only.
  keep_profile =
      model == ColorModel::rgb && make_transform(srgb_profile(), TYPE_RGB_FLT, from, TYPE_RGB_FLT) != nullptr;
  return apply(transform, scaled);
}

torch::Tensor from_srgb(const torch::Tensor& samples, const std::vector<std::byte>& profile) {
  const Profile to = open_profile(profile);
  const Transform transform = to && cmsGetColorSpace(to.get()) == cmsSigRgbData
                                  ? make_transform(srgb_profile(), TYPE_RGB_FLT, to, TYPE_RGB_FLT)
                                  : Transform(nullptr, &cmsDeleteTransform);
  if (!transform) {
    throw Error("cannot convert to the color profile of the image");
  }
  return apply(transform, samples);
}

}  // namespace fmboost
