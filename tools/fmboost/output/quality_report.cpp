#include "output/quality_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "fmboost/eval/statistics.h"

namespace fmboost::tool {
namespace {

using nlohmann::json;

struct Measure {
  const char* key;
  const char* title;
  double Quality::*value;
  int digits;
};

constexpr std::array<Measure, 9> kMeasures{{{"psnr_y", "PSNR-Y", &Quality::psnr_y, 2},
                                            {"psnr_rgb", "PSNR-RGB", &Quality::psnr_rgb, 2},
                                            {"ssim_y", "SSIM-Y", &Quality::ssim_y, 4},
                                            {"ssim_rgb", "SSIM-RGB", &Quality::ssim_rgb, 4},
                                            {"mse", "MSE", &Quality::mse, 1},
                                            {"color_shift", "Color shift", &Quality::color_shift, 2},
                                            {"sharpness", "Sharpness", &Quality::sharpness, 3},
                                            {"grain", "Grain", &Quality::grain, 2},
                                            {"niqe", "NIQE", &Quality::niqe, 2}}};

std::string estimate_text(const Estimate& estimate, int digits, bool with_sign = false) {
  return number_text(estimate.mean, digits, with_sign) +
         (estimate.half_width ? " ± " + number_text(*estimate.half_width, digits) : "");
}

json estimate_json(const Estimate& estimate) {
  return {{"mean", estimate.mean}, {"half_width", estimate.half_width ? json(*estimate.half_width) : json()}};
}

std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    escaped += c == '|' ? "\\|" : std::string(1, c);
  }
  return " " + escaped + " |";
}

// GCC 12 warns of a nonexistent overflow in "|" + cell(text).
std::string first_cell(const std::string& text) {
  return std::string("|").append(cell(text));
}

// The first column is text; the others are numbers.
std::string table_head(const std::vector<std::string>& titles) {
  std::string head = "|";
  std::string line = "|";
  for (const auto& title : titles) {
    head += cell(title);
    line += line.size() == 1 ? " --- |" : " ---: |";
  }
  return head + "\n" + line + "\n";
}

std::vector<std::string> with_measures(const std::string& first, const std::vector<Measure>& measures) {
  std::vector<std::string> titles{first};
  for (const auto& measure : measures) {
    titles.emplace_back(measure.title);
  }
  return titles;
}

// Every measure but those that no image has a value of.
std::vector<Measure> measured(const std::vector<std::vector<Quality>>& qualities) {
  std::vector<Measure> measures;
  for (const auto& measure : kMeasures) {
    const auto has_value = [&](const Quality& quality) { return !std::isnan(quality.*measure.value); };
    const auto any = [&](const std::vector<Quality>& row) { return std::any_of(row.begin(), row.end(), has_value); };
    if (qualities.empty() || std::any_of(qualities.begin(), qualities.end(), any)) {
      measures.push_back(measure);
    }
  }
  return measures;
}

}  // namespace

std::string number_text(double value, int digits, bool with_sign) {
  if (!std::isfinite(value)) {
    return std::isnan(value) ? "-" : value > 0 ? "inf" : "-inf";
  }
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), with_sign ? "%+.*f" : "%.*f", digits, value);
  return text.data();
}

json to_json(const Quality& quality) {
  json result;
  for (const auto& measure : kMeasures) {
    result[measure.key] = quality.*measure.value;
  }
  return result;
}

void QualityReport::add(const std::string& image, const std::vector<Quality>& qualities) {
  images_.push_back(image);
  qualities_.push_back(qualities);
}

std::vector<double> QualityReport::values(std::size_t method, double Quality::*measure) const {
  std::vector<double> result;
  for (const auto& by_method : qualities_) {
    result.push_back(by_method[method].*measure);
  }
  return result;
}

std::vector<double> QualityReport::gains(double Quality::*measure) const {
  std::vector<double> result = values(methods_.size() - 1, measure);
  const std::vector<double> before = values(methods_.size() - 2, measure);
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] -= before[i];
  }
  return result;
}

std::string QualityReport::image_table() const {
  const bool several = methods_.size() > 1;
  const std::vector<Measure> measures = measured(qualities_);
  std::vector<std::string> titles{"PSNR-Y / SSIM-Y"};
  for (const auto& method : methods_) {
    titles.push_back(method.title);
  }
  std::string table = table_head(several ? titles : with_measures("Image", measures));
  for (std::size_t i = 0; i < images_.size(); ++i) {
    table += first_cell(images_[i]);
    for (const auto& quality : qualities_[i]) {
      if (several) {
        table += cell(number_text(quality.psnr_y, 2) + " / " + number_text(quality.ssim_y, 4));
        continue;
      }
      for (const auto& measure : measures) {
        table += cell(number_text(quality.*measure.value, measure.digits));
      }
    }
    table += "\n";
  }
  return table;
}

std::string QualityReport::mean_table() const {
  const bool several = methods_.size() > 1;
  const std::vector<Measure> measures = measured(qualities_);
  std::string table = table_head(with_measures("Mean of " + std::to_string(images()), measures));
  for (std::size_t method = 0; method < methods_.size(); ++method) {
    table += first_cell(several ? methods_[method].title : "all");
    for (const auto& measure : measures) {
      table += cell(estimate_text(estimate_mean(values(method, measure.value)), measure.digits));
    }
    table += "\n";
  }
  if (several) {
    table += first_cell("gain over the previous row");
    for (const auto& measure : measures) {
      table += cell(estimate_text(estimate_mean(gains(measure.value)), measure.digits, /*with_sign=*/true));
    }
    table += "\n";
  }
  return table;
}

json QualityReport::means() const {
  json result = json::object();
  for (const auto& measure : kMeasures) {
    for (std::size_t method = 0; method < methods_.size(); ++method) {
      const json estimate = estimate_json(estimate_mean(values(method, measure.value)));
      (methods_.size() > 1 ? result[methods_[method].key] : result)[measure.key] = estimate;
    }
    if (methods_.size() > 1) {
      result["gain"][measure.key] = estimate_json(estimate_mean(gains(measure.value)));
    }
  }
  return result;
}

}  // namespace fmboost::tool
