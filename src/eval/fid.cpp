#include "fmboost/eval/fid.h"

#include <memory>

#include "fmboost/core/error.h"
#include "fmboost/core/memory_probe.h"
#include "fmboost/core/random.h"

#include "model/torchscript.h"

namespace fmboost {
namespace {

// Halves the batch when out of memory, down to single images.
torch::Tensor run_within_memory(const FeatureFunction& features, const torch::Tensor& images) {
  try {
    return features(images);
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error) || images.size(0) == 1) {
      throw;
    }
  }
  const auto halves = images.chunk(2);
  return at::cat({run_within_memory(features, halves[0]), run_within_memory(features, halves[1])});
}

std::vector<torch::Tensor> random_crops(const torch::Tensor& image, const std::string& name,
                                        const FidOptions& options) {
  auto generator = cpu_generator(derive_seed(options.seed, "crops of " + name));
  const auto places = [&](std::int64_t side) {
    return at::randint(0, side - options.crop_size + 1, {options.crops}, generator, torch::kInt64);
  };
  const torch::Tensor top = places(image.size(1));
  const torch::Tensor left = places(image.size(2));
  std::vector<torch::Tensor> crops;
  for (std::int64_t i = 0; i < options.crops; ++i) {
    crops.push_back(image.narrow(1, top[i].item<std::int64_t>(), options.crop_size)
                        .narrow(2, left[i].item<std::int64_t>(), options.crop_size));
  }
  return crops;
}

}  // namespace

FeatureFunction load_feature_program(const std::filesystem::path& file, torch::Device device) {
  const auto program =
      std::make_shared<TorchScriptProgram>(file, 1, Placement{.device = device, .dtype = torch::kFloat32});
  const auto run = [program, file](const torch::Tensor& images) {
    const torch::Tensor features = program->run({images});
    if (features.dim() != 2 || features.size(0) != images.size(0) || features.size(1) == 0) {
      throw ModelError(c10::str("'", file.string(), "' must return (images, features), but returned ", features.sizes(),
                                " for ", images.size(0), " images"));
    }
    return features;
  };
  constexpr std::int64_t kProbeSide = 64;
  run(torch::zeros({2, 3, kProbeSide, kProbeSide}, torch::kUInt8));
  return run;
}

void FidOptions::check() const {
  if (crops < 0 || crops > 1024) {
    throw UsageError("`crops` must be from 0 to 1024, got " + std::to_string(crops));
  }
  if (crop_size < 1) {
    throw UsageError("`crop_size` must be at least 1 pixel, got " + std::to_string(crop_size));
  }
  if (batch_size < 1 || batch_size > 4096) {
    throw UsageError("`batch_size` must be from 1 to 4096, got " + std::to_string(batch_size));
  }
}

ImageSet::ImageSet(FeatureFunction features, const FidOptions& options)
    : features_(std::move(features)), options_(options) {
  options_.check();
}

void ImageSet::add(const torch::Tensor& image, const std::string& name) {
  push(whole_, image, name);
  if (image.size(1) < options_.crop_size || image.size(2) < options_.crop_size) {
    ++too_small_;
  } else {
    for (const auto& crop : random_crops(image, name, options_)) {
      push(crops_, crop, name);
    }
  }
}

void ImageSet::finish() {
  run(whole_);
  run(crops_);
}

void ImageSet::push(Stream& stream, const torch::Tensor& image, const std::string& name) {
  if (!stream.waiting.empty() && stream.waiting.front().sizes() != image.sizes()) {
    run(stream);
  }
  stream.waiting.push_back(image);
  stream.names.push_back(name);
  if (static_cast<std::int64_t>(stream.waiting.size()) >= options_.batch_size) {
    run(stream);
  }
}

void ImageSet::run(Stream& stream) {
  if (stream.waiting.empty()) {
    return;
  }
  const torch::Tensor features = run_within_memory(features_, at::stack(stream.waiting)).to(torch::kCPU);
  const torch::Tensor finite = features.isfinite().all(1);
  for (std::size_t i = 0; i < stream.names.size(); ++i) {
    if (!finite[static_cast<std::int64_t>(i)].item<bool>()) {
      throw ModelError("the feature program returned numbers that are not finite for '" + stream.names[i] + "'");
    }
  }
  stream.statistics.add(features);
  stream.waiting.clear();
  stream.names.clear();
}

FidResult compare_sets(const ImageSet& a, const ImageSet& b, const FidOptions& options) {
  FidResult result;
  result.fid = frechet_distance(a.whole(), b.whole(), options.few);
  if (options.crops > 0 && a.too_small() + b.too_small() == 0) {
    result.patch_fid = frechet_distance(a.crops(), b.crops(), options.few);
  }
  return result;
}

}  // namespace fmboost
