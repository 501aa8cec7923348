#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fmboost/image/metrics.h"

namespace fmboost::tool {

/// "12.34", "+0.50" with a sign, "inf", and "-" for NaN.
std::string number_text(double value, int digits, bool with_sign = false);

/// {"mse": ..., "psnr_rgb": ..., ...}; infinities become null.
nlohmann::json to_json(const Quality& quality);

/// How images were made.
struct Method {
  std::string key;    ///< in JSON
  std::string title;  ///< in tables
};

/// Tables of the quality of several images, each made by one or more methods.
class QualityReport {
 public:
  /// The names of a single method are not shown.
  explicit QualityReport(std::vector<Method> methods) : methods_(std::move(methods)) {}

  /// One Quality per method, in their order.
  void add(const std::string& image, const std::vector<Quality>& qualities);

  std::size_t images() const { return images_.size(); }

  /// Markdown: one row per image; with several methods only their PSNR-Y and SSIM-Y.
  std::string image_table() const;
  /// Markdown: the means with the half-widths of their 95 % confidence intervals, one row per method. With several
  /// methods, the gain of the last over the one before it follows, from the differences per image.
  std::string mean_table() const;
  /// {key: {measure: {"mean": ..., "half_width": ...}}}, and the gain under "gain"; without the keys for one
  /// method.
  nlohmann::json means() const;

 private:
  std::vector<double> values(std::size_t method, double Quality::*measure) const;
  std::vector<double> gains(double Quality::*measure) const;

  std::vector<Method> methods_;
  std::vector<std::string> images_;
  std::vector<std::vector<Quality>> qualities_;  ///< by image, then method
};

}  // namespace fmboost::tool
