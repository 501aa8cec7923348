#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/core/progress.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/sizes.h"
#include "fmboost/pipeline/upscale_chain.h"
#include "fmboost/text/tokenizer.h"

namespace fmboost {

/// Side of an image that no size was asked for, where there are couplings to reach it.
inline constexpr std::int64_t kDefaultSide = 1024;

/// One image to make. What is left open comes from the bundle.
struct GenerateRequest {
  std::string prompt;
  std::string negative_prompt;
  LongPrompt long_prompt = LongPrompt::truncate;
  /// Text states of this layer, counted from the last one, 1 (as A1111 counts: diffusers' `clip_skip` is one less),
  /// with the final norm; open: the bundle's.
  std::optional<int> clip_skip;
  std::uint64_t seed = 42;
  std::optional<Size> size;       ///< final size; open: kDefaultSide with couplings, else the native size
  std::optional<Size> base_size;  ///< low-resolution size; open: see plan_generation
  std::optional<int> steps;
  std::optional<double> guidance;
  std::optional<std::string> sampler;
  std::optional<bool> karras;
  bool upscale = true;  ///< false: stop at low resolution
  FlowOptions flow;

  bool operator==(const GenerateRequest&) const;
};

/// A request with everything decided.
struct GeneratePlan {
  GenerateRequest request;
  Size size;
  ChainPlan chain;
  ImageSource source = ImageSource::generated;  ///< whether the upscaling bundle drew the image itself
  std::string sampler;
  int steps = 0;
  double guidance = 1.0;
  bool karras = false;
  bool guided = false;  ///< classifier-free guidance: two predictions a step
};

/// What was made of one request.
struct GeneratedImage {
  GeneratePlan plan;
  torch::Tensor pixels;                                ///< (1, 3, H, W) float32 on the CPU, not clamped
  std::map<std::string, torch::Tensor> intermediates;  ///< low_latent, low, and context-I, high_latent-I a coupling
  std::map<std::string, double> seconds;               ///< by stage
};

struct GenerateSettings {
  std::int64_t batch_size = 1;  ///< requests alike in all but prompt and seed that are denoised together
  TileOptions tiles;
  bool keep_intermediates = false;
};

/// What happens on the way. Every member may be empty.
struct GenerateCallbacks {
  ProgressCallback progress;
  std::function<void(std::size_t index, GeneratedImage image)> finished;
  std::function<void(std::size_t index, const std::exception& error)> failed;
  std::function<void(std::size_t index, const std::string& notice)> notice;  ///< cut or unknown words, empty prompts
};

/// Text to images: tokenizer, text encoder, sampler over the denoiser, decoder, couplings.
class GeneratePipeline {
 public:
  /// `upscaler_components` holds the autoencoder and couplings that upscale; null: those of `parts`.
  GeneratePipeline(std::shared_ptr<ModelComponents> components, std::shared_ptr<ModelComponents> upscaler_components,
                   GenerateSettings settings);
  ~GeneratePipeline();

  /// Decides sizes, couplings and sampler settings without loading anything. Throws UsageError or ModelError.
  GeneratePlan plan(const GenerateRequest& request) const;

  /// Makes all of them, telling the callbacks. An item's error goes to `failed` and the rest is still made; a broken
  /// model or an interrupt ends the run by throwing. Parts are freed after their last use.
  void run(const std::vector<GenerateRequest>& requests, const GenerateCallbacks& callbacks);

 private:
  class Run;

  std::shared_ptr<ModelComponents> components_;
  std::shared_ptr<ModelComponents> upscaler_components_;
  GenerateSettings settings_;
};

}  // namespace fmboost
