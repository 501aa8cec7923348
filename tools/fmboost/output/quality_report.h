#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fmboost/image/metrics.h"

namespace fmboost::tool {

/// "12.34", "+0.50" with a sign, "inf", and "-" for what is not a number.
std::string number_text(double value, int digits, bool with_sign = false);

/// {"mse": ..., "psnr_rgb": ..., ...}; what is infinite becomes null.
nlohmann::json to_json(const Quality& quality);

/// A way in which images were made.
struct Method {
  std::string key;    ///< in JSON
  std::string title;  ///< in tables
};

/// The quality of several images, each made by one or more methods, as tables.
class QualityReport {
 public:
  /// A single method needs no names: they stay out.
  explicit QualityReport(std::vector<Method> methods) : methods_(std::move(methods)) {}

  /// One Quality a method, in their order.
  void add(const std::string& image, const std::vector<Quality>& qualities);

  std::size_t images() const { return images_.size(); }

  /// Markdown: a row an image. With several methods their PSNR-Y and SSIM-Y alone.
  std::string image_table() const;
  /// Markdown: the means with half of their 95 % confidence intervals, a row a method. With several, the gain of the
  /// last over the one before it follows, from the differences image by image.
  std::string mean_table() const;
  /// {key: {measure: {"mean": ..., "half_width": ...}}}, and the gain under "gain"; without the names for one
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
