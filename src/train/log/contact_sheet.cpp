#include "train/log/contact_sheet.h"

#include <algorithm>
#include <cmath>

#include "fmboost/core/error.h"
#include "fmboost/image/resize.h"

namespace fmboost {
namespace {

struct CellSize {
  std::int64_t height = 0, width = 0;
};

CellSize cell_size(const std::vector<torch::Tensor>& row, std::int64_t largest_side) {
  CellSize size;
  for (const auto& image : row) {
    if (image.dim() != 3 || image.size(0) != 3) {
      throw Error(c10::str("a contact sheet needs images (3, H, W), got ", image.sizes()));
    }
    size.height = std::max(size.height, image.size(1));
    size.width = std::max(size.width, image.size(2));
  }
  const std::int64_t side = std::max(size.height, size.width);
  if (largest_side > 0 && side > largest_side) {
    const double factor = static_cast<double>(largest_side) / static_cast<double>(side);
    const auto scaled = [&](std::int64_t length) { return std::max<std::int64_t>(std::lround(length * factor), 1); };
    size = {scaled(size.height), scaled(size.width)};
  }
  return size;
}

torch::Tensor fit(const torch::Tensor& image, const CellSize& size) {
  const torch::Tensor one = image.detach().to(torch::kCPU, torch::kFloat32).unsqueeze(0);
  const bool downsamples = one.size(2) > size.height || one.size(3) > size.width;
  const torch::Tensor fitted = downsamples ? resize_bicubic(one, size.height, size.width)
                                           : at::_upsample_nearest_exact2d(one, {size.height, size.width});
  return fitted.squeeze(0).clamp(-1, 1);
}

}  // namespace

void ContactSheetOptions::check() const {
  if (largest_side < 0 || gap < 0) {
    throw UsageError("a contact sheet's largest side and gap must be at least 0 pixels");
  }
}

torch::Tensor contact_sheet(const std::vector<std::vector<torch::Tensor>>& rows, const ContactSheetOptions& options) {
  options.check();
  if (rows.empty() || rows.front().empty()) {
    throw Error("a contact sheet needs at least one image");
  }
  std::vector<CellSize> sizes;
  std::int64_t cell_width = 0;
  std::int64_t height = options.gap;
  for (const auto& row : rows) {
    if (row.size() != rows.front().size()) {
      throw Error("the rows of a contact sheet must have the same number of images");
    }
    sizes.push_back(cell_size(row, options.largest_side));
    cell_width = std::max(cell_width, sizes.back().width);
    height += sizes.back().height + options.gap;
  }
  const auto columns = static_cast<std::int64_t>(rows.front().size());
  torch::Tensor sheet = torch::zeros({3, height, options.gap + columns * (cell_width + options.gap)});
  std::int64_t top = options.gap;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::int64_t left = options.gap;
    for (const auto& image : rows[i]) {
      sheet.narrow(1, top, sizes[i].height).narrow(2, left, sizes[i].width).copy_(fit(image, sizes[i]));
      left += cell_width + options.gap;
    }
    top += sizes[i].height + options.gap;
  }
  return sheet;
}

}  // namespace fmboost
