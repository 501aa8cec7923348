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
#include "fmboost/pipeline/memory_plan.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/sizes.h"
#include "fmboost/pipeline/upscale_chain.h"
#include "fmboost/text/tokenizer.h"

namespace fmboost {

/// Default side of the final image if the model can upscale.
inline constexpr std::int64_t kDefaultSide = 1024;

/// One image to generate. Options that are left open come from the bundle.
struct GenerateRequest {
  std::string prompt;
  std::string negative_prompt;
  LongPrompt long_prompt = LongPrompt::truncate;
  /// Use the text states of this layer, counted from the last one, 1 (as A1111 counts: diffusers' `clip_skip` is one
  /// less), with the final norm; open: the bundle's layer.
  std::optional<int> clip_skip;
  std::uint64_t seed = 42;
  std::optional<Size> size;       ///< final size; open: kDefaultSide with couplings, otherwise the native size
  std::optional<Size> base_size;  ///< low-resolution size; open: see plan_generation
  std::optional<int> steps;
  std::optional<double> guidance;
  std::optional<std::string> sampler;
  std::optional<bool> karras;
  std::optional<double> eta;                        ///< tcd: share of fresh noise in each step; open: 0.3
  std::optional<TimestepSpacing> timestep_spacing;  ///< open: the bundle's, otherwise the sampler's own
  bool upscale = true;                              ///< false: stop at low resolution
  FlowOptions flow;
};

/// A request with everything decided.
struct GeneratePlan {
  GenerateRequest request;
  Size size;  ///< of the final image
  ChainPlan chain;
  /// Who made the low-resolution image, from the upscaling bundle's point of view: `generated` if its own denoiser did.
  /// An image drawn by another bundle's denoiser is `external`, as a photograph is: the couplings for external images
  /// apply, with their own back-projection.
  ImageSource source = ImageSource::generated;
  std::vector<CouplingEntry> couplings;  ///< resolved, one per factor of the chain
  std::optional<PixelUpscaling> pixel_upscaling;  ///< instead of couplings

  /// Whether the low-resolution image is upscaled.
  bool upscales() const { return pixel_upscaling || !couplings.empty(); }
  std::string sampler;
  int steps = 0;
  double guidance = 1.0;
  bool karras = false;
  double eta = 0;                 ///< of tcd; 0 for the others
  NoiseScheduleOptions schedule;  ///< the bundle's, with the timestep spacing of the request
  bool guided = false;            ///< classifier-free guidance: two predictions per step
  TokenizedPrompt prompt_tokens;
  TokenizedPrompt negative_tokens;  ///< empty unless guided
  /// Chunks of the tokenizer's max_length() that the longer of the two takes; the shorter is padded with empty prompts.
  std::int64_t text_chunks = 1;
  MemoryPlan memory;  ///< of the final image
};

/// The result of one request.
struct GeneratedImage {
  GeneratePlan plan;
  torch::Tensor pixels;      ///< final image, (1, 3, H, W) float32 on the CPU, not clamped
  torch::Tensor low_latent;  ///< scaled latent of the low-resolution image, (1, C, h, w) float32 on the CPU
  torch::Tensor low_pixels;  ///< low-resolution image before upscaling and cropping, as `pixels`
  /// What the couplings computed on the way, on the CPU, if it is kept: "context-I" and "high_latent-I" for coupling I.
  std::map<std::string, torch::Tensor> intermediates;
  /// By stage: text, denoise (an equal share of the batch), low_decode (to the low-resolution image), and those of
  /// Hooks::timing if there are couplings.
  StageSeconds seconds;
};

struct GenerateSettings {
  std::int64_t batch_size = 1;  ///< most requests denoised together; they may differ in prompt and seed only
  TileOptions tiles;
  bool keep_intermediates = false;
};

/// Requests that arrive one by one, such as lines of a pipe.
struct RequestSource {
  /// The next request; none once there are no more. May wait for it.
  std::function<std::optional<GenerateRequest>()> next;
  /// Whether it is known, without waiting, that no request is left. Components are freed after their last use only
  /// then.
  std::function<bool()> ended;
  /// Whether next() would wait, in which case a batch is not filled up; empty: it never does.
  std::function<bool()> would_wait = {};
};

/// Callbacks during a run, on the caller's thread. Each may be empty. `index` counts the requests from 0.
struct GenerateCallbacks {
  ProgressCallback progress;
  std::function<void(std::size_t index, GeneratedImage image)> finished;
  std::function<void(std::size_t index, const std::exception& error)> failed;
  std::function<void(std::size_t index, const std::string& notice)> notice;  ///< cut or unknown words, empty prompts
};

/// Text to images: tokenizer, text encoder, sampler with the denoiser, decoder, couplings.
class GeneratePipeline {
 public:
  /// `upscaler_components` holds the autoencoder and couplings that upscale; null: those of `components`. Loads the
  /// tokenizer. Throws UsageError for settings out of range, ModelError if the bundle cannot generate images.
  GeneratePipeline(std::shared_ptr<ModelComponents> components, std::shared_ptr<ModelComponents> upscaler_components,
                   GenerateSettings settings);
  ~GeneratePipeline();

  /// Decides sizes, couplings, sampler, tokens and memory without loading any network. Throws UsageError, ModelError,
  /// or Error for a prompt that is not text.
  GeneratePlan plan(const GenerateRequest& request) const;

  /// Generates all images and reports to the callbacks. An error of one image goes to `failed`, and the run continues;
  /// an error for which ends_batch() holds is thrown. Components are freed after their last use.
  void run(const std::vector<GenerateRequest>& requests, const GenerateCallbacks& callbacks);
  /// The same for a stream. A request is taken when the images before it are finished, or to fill a batch.
  void run(const RequestSource& requests, const GenerateCallbacks& callbacks);

 private:
  class Run;

  ChainPlan plan_sizes(const GenerateRequest& request, const std::vector<std::int64_t>& factors,
                       const Size& size) const;

  std::shared_ptr<ModelComponents> components_;
  std::shared_ptr<ModelComponents> upscaler_components_;
  GenerateSettings settings_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  ImageSource source_ = ImageSource::generated;
};

}  // namespace fmboost
