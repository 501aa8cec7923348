#include "profiles.h"

#include <lcms2.h>
#include <memory>

namespace fmboost::test {
namespace {

using Profile = std::unique_ptr<void, decltype(&cmsCloseProfile)>;
using Curve = std::unique_ptr<cmsToneCurve, decltype(&cmsFreeToneCurve)>;

ImageBytes saved(cmsHPROFILE handle) {
  const Profile profile(handle, &cmsCloseProfile);
  cmsUInt32Number size = 0;
  cmsSaveProfileToMem(profile.get(), nullptr, &size);
  ImageBytes bytes(size);
  EXPECT_NE(cmsSaveProfileToMem(profile.get(), bytes.data(), &size), 0);
  return bytes;
}

}  // namespace

ImageBytes display_p3_profile() {
  const cmsCIExyY white{0.3127, 0.3290, 1};
  const cmsCIExyYTRIPLE primaries{{0.680, 0.320, 1}, {0.265, 0.690, 1}, {0.150, 0.060, 1}};
  const double parameters[] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
  const Curve curve(cmsBuildParametricToneCurve(nullptr, 4, parameters), &cmsFreeToneCurve);
  cmsToneCurve* curves[] = {curve.get(), curve.get(), curve.get()};
  return saved(cmsCreateRGBProfile(&white, &primaries, curves));
}

ImageBytes srgb_profile() {
  return saved(cmsCreate_sRGBProfile());
}

ImageBytes linear_gray_profile() {
  const Curve curve(cmsBuildGamma(nullptr, 1), &cmsFreeToneCurve);
  return saved(cmsCreateGrayProfile(cmsD50_xyY(), curve.get()));
}

ImageBytes one_way_profile() {
  cmsHPROFILE profile = cmsCreateProfilePlaceholder(nullptr);
  cmsSetProfileVersion(profile, 4.2);
  cmsSetDeviceClass(profile, cmsSigInputClass);
  cmsSetColorSpace(profile, cmsSigRgbData);
  cmsSetPCS(profile, cmsSigXYZData);
  const std::unique_ptr<cmsPipeline, decltype(&cmsPipelineFree)> table(cmsPipelineAlloc(nullptr, 3, 3),
                                                                       &cmsPipelineFree);
  // Half of sRGB's red and green change places, so that colors move.
  const double matrix[] = {0.2, 0.25, 0.05, 0.35, 0.2, 0.05, 0.05, 0.05, 0.3};
  cmsPipelineInsertStage(table.get(), cmsAT_END, cmsStageAllocToneCurves(nullptr, 3, nullptr));
  cmsPipelineInsertStage(table.get(), cmsAT_END, cmsStageAllocMatrix(nullptr, 3, 3, matrix, nullptr));
  cmsPipelineInsertStage(table.get(), cmsAT_END, cmsStageAllocToneCurves(nullptr, 3, nullptr));
  cmsWriteTag(profile, cmsSigAToB0Tag, table.get());
  return saved(profile);
}

ImageBytes with_profile(const ImageBytes& jpeg, const ImageBytes& profile, int segments) {
  ImageBytes result(jpeg.begin(), jpeg.begin() + 2);
  const std::size_t step =
      (profile.size() + static_cast<std::size_t>(segments) - 1) / static_cast<std::size_t>(segments);
  for (int number = segments; number >= 1; --number) {
    const std::size_t begin = step * static_cast<std::size_t>(number - 1);
    const std::size_t size = std::min(step, profile.size() - begin);
    const std::size_t length = size + 16;
    for (const std::size_t byte : {std::size_t{0xff}, std::size_t{0xe2}, length >> 8, length & 0xff}) {
      result.push_back(static_cast<std::byte>(byte));
    }
    const auto name = bytes_of(std::string_view("ICC_PROFILE\0", 12));
    result.insert(result.end(), name.begin(), name.end());
    result.push_back(static_cast<std::byte>(number));
    result.push_back(static_cast<std::byte>(segments));
    const auto first = profile.begin() + static_cast<std::ptrdiff_t>(begin);
    result.insert(result.end(), first, first + static_cast<std::ptrdiff_t>(size));
  }
  result.insert(result.end(), jpeg.begin() + 2, jpeg.end());
  return result;
}

}  // namespace fmboost::test
