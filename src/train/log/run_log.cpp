#include "train/log/run_log.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/image/encode.h"
#include "fmboost/io/files.h"

#include "train/log/metrics_file.h"
#include "train/log/tensorboard.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

void check_name(const std::string& name) {
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.' || c == '/';
  };
  if (name.empty() || name == "step" || !std::all_of(name.begin(), name.end(), allowed)) {
    throw Error("'" + name + "' is not a metric name: use letters, digits and _-./");
  }
}

void create_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error("cannot create the folder '" + folder.string() + "': " + error.message());
  }
}

void refuse_other_logs(const fs::path& folder) {
  for (const char* name : {"metrics.jsonl", "tensorboard"}) {
    if (fs::exists(folder / name)) {
      throw UsageError("'" + (folder / name).string() +
                       "' belongs to an earlier run: resume it, or use another folder");
    }
  }
}

std::string padded(std::int64_t step) {
  const std::string digits = std::to_string(step);
  return std::string(digits.size() < 8 ? 8 - digits.size() : 0, '0') + digits;
}

}  // namespace

class RunLog::Files {
 public:
  Files(fs::path folder, const RunLogOptions& options) : folder_(std::move(folder)) {
    create_folder(folder_);
    if (!options.resume_step) {
      refuse_other_logs(folder_);
    }
    last_step_ = options.resume_step.value_or(-1);
    metrics_ = std::make_unique<MetricsFile>(folder_ / "metrics.jsonl", last_step_);
    if (options.tensorboard) {
      cut_event_files(folder_ / "tensorboard", last_step_);
      tensorboard_ = std::make_unique<TensorBoardWriter>(folder_ / "tensorboard", last_step_ + 1);
    }
  }

  void scalars(std::int64_t step, const Metrics& values) {
    advance(step);
    for (const auto& item : values) {
      check_name(item.first);
    }
    metrics_->add(step, values);
    if (tensorboard_) {
      tensorboard_->scalars(step, values);
    }
  }

  fs::path image(std::int64_t step, const std::string& name, const torch::Tensor& pixels) {
    advance(step);
    check_name(name);
    Image image;
    image.pixels = pixels.detach().to(torch::kCPU, torch::kFloat32);
    const auto png = encode_image(image, {.format = ImageFormat::png});
    if (tensorboard_) {
      tensorboard_->image(step, name, image.height(), image.width(), static_cast<int>(image.pixels.size(0)), png);
    }
    std::string stem = name;
    std::replace(stem.begin(), stem.end(), '/', '-');
    create_folder(folder_ / "images");
    fs::path file = folder_ / "images" / (stem + "-" + padded(step) + ".png");
    write_file_atomically(file, png);
    return file;
  }

 private:
  // Truncating the files at a step requires that their steps are in order.
  void advance(std::int64_t step) {
    if (step < last_step_) {
      throw Error("metrics of step " + std::to_string(step) + " came after those of step " +
                  std::to_string(last_step_));
    }
    last_step_ = step;
  }

  fs::path folder_;
  std::int64_t last_step_ = -1;
  std::unique_ptr<MetricsFile> metrics_;
  std::unique_ptr<TensorBoardWriter> tensorboard_;
};

RunLog::RunLog(fs::path folder, const RunLogOptions& options)
    : files_(std::make_unique<Files>(std::move(folder), options)) {}

RunLog::~RunLog() = default;

void RunLog::scalars(std::int64_t step, const std::map<std::string, double>& values) {
  files_->scalars(step, values);
}

fs::path RunLog::image(std::int64_t step, const std::string& name, const torch::Tensor& pixels) {
  return files_->image(step, name, pixels);
}

}  // namespace fmboost
