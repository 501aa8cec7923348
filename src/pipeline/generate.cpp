#include "fmboost/pipeline/generate.h"

#include <chrono>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/image/resize.h"
#include "fmboost/pipeline/back_projection.h"
#include "fmboost/pipeline/memory_plan.h"

#include "pipeline/denoising.h"
#include "pipeline/text_conditioning.h"
#include "pipeline/tile_plan.h"

namespace fmboost {
namespace {

// Images that can be denoised in one batch.
bool same_batch(const GeneratePlan& a, const GeneratePlan& b) {
  return a.chain.low == b.chain.low && a.sampler == b.sampler && a.steps == b.steps && a.guidance == b.guidance &&
         a.karras == b.karras;
}

// Whether an error is that of the images at hand; a broken model and an interrupt concern all of them.
bool concerns_items(const std::exception& error) {
  if (const auto* known = dynamic_cast<const Error*>(&error)) {
    return known->code() != ExitCode::model && known->code() != ExitCode::interrupted;
  }
  return is_out_of_memory(error);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

GeneratePipeline::GeneratePipeline(std::shared_ptr<ModelComponents> components, std::shared_ptr<ModelComponents> upscaler_components,
                                   GenerateSettings settings)
    : components_(std::move(components)), upscaler_components_(upscaler_components ? std::move(upscaler_components) : components_), settings_(settings) {
  if (settings_.batch_size < 1 || settings_.batch_size > 1024) {
    throw UsageError("the batch size must be from 1 to 1024, not " + std::to_string(settings_.batch_size));
  }
  if (!components_->manifest().denoiser) {
    throw ModelError("the bundle '" + components_->bundle().folder().string() +
                     "' has no denoiser: it can upscale images (fmboost upscale), but not draw them");
  }
}

GeneratePipeline::~GeneratePipeline() = default;

/// One call of run(): what it needs to remember between batches.
class GeneratePipeline::Run {
 public:
  Run(GeneratePipeline& pipeline, const GenerateCallbacks& callbacks)
      : components_(*pipeline.components_),
        upscaler_components_(*pipeline.upscaler_components_),
        settings_(pipeline.settings_),
        callbacks_(callbacks),
        conditioning_(components_) {}

  // Does the work of some items and tells of their errors; an error that concerns all of them ends the run.
  void guarded(const std::vector<std::size_t>& indices, const std::function<void()>& work) const;
  void validate_prompt_and_memory(std::size_t index, const GeneratePlan& plan);
  // Whether two plans can share a batch: states are not padded for others' sake, which would change the image.
  bool same_text_length(const GeneratePlan& a, const GeneratePlan& b) const {
    return conditioning_.chunks(a) == conditioning_.chunks(b);
  }
  void make_batch(const std::vector<std::size_t>& indices, const std::vector<GeneratePlan>& plans, bool last);

 private:
  std::vector<GeneratedImage> draw(const std::vector<GeneratePlan>& plans, bool last);
  torch::Tensor decode_low(const torch::Tensor& latent);
  void upscale(GeneratedImage& image, bool last);
  void keep(GeneratedImage& image, const std::string& name, const torch::Tensor& tensor) const {
    if (settings_.keep_intermediates) {
      image.intermediates[name] = tensor.to(torch::kCPU);
    }
  }

  ModelComponents& components_;
  ModelComponents& upscaler_components_;
  const GenerateSettings& settings_;
  const GenerateCallbacks& callbacks_;
  TextConditioning conditioning_;
};

void GeneratePipeline::Run::guarded(const std::vector<std::size_t>& indices, const std::function<void()>& work) const {
  try {
    work();
  } catch (const std::exception& error) {
    if (!concerns_items(error)) {
      throw;
    }
    for (const auto index : indices) {
      if (callbacks_.failed) {
        callbacks_.failed(index, error);
      }
    }
  }
}

void GeneratePipeline::Run::validate_prompt_and_memory(std::size_t index, const GeneratePlan& plan) {
  auto lines = conditioning_.notices(plan.request.prompt, "prompt", plan.request);  // throws for what is no text
  if (plan.guided && !plan.request.negative_prompt.empty()) {
    const auto more = conditioning_.notices(plan.request.negative_prompt, "negative prompt", plan.request);
    lines.insert(lines.end(), more.begin(), more.end());
  }
  for (const auto& line : lines) {
    if (callbacks_.notice) {
      callbacks_.notice(index, line);
    }
  }
  UpscaleChain(upscaler_components_, plan.request.flow, settings_.tiles, plan.source).check_memory(plan.size);
}

torch::Tensor GeneratePipeline::Run::decode_low(const torch::Tensor& latent) {
  const std::int64_t factor = components_.manifest().autoencoder->factor;
  const Size size{latent.size(3) * factor, latent.size(2) * factor};
  const MemoryPlan plan = plan_memory(components_, size);
  const auto pieces = plan_tiles(plan, settings_.tiles, size);
  log_blended_tiling(plan, pieces);
  return run_with_float32_fallback("the decoder", components_.placement().dtype,
                    [&](torch::ScalarType dtype) {
                      return TiledAutoencoder(components_.autoencoder(dtype), factor, pieces).decode(latent);
                    })
      .to(torch::kCPU);
}

std::vector<GeneratedImage> GeneratePipeline::Run::draw(const std::vector<GeneratePlan>& plans, bool last) {
  const auto begin = std::chrono::steady_clock::now();
  conditioning_.prepare(plans);
  if (last) {
    components_.release_text_encoder();
  }
  const double text_seconds = seconds_since(begin);
  const auto middle = std::chrono::steady_clock::now();
  std::vector<std::uint64_t> seeds;
  for (const auto& plan : plans) {
    seeds.push_back(plan.request.seed);
  }
  const TextStates text = conditioning_.states(plans);
  const torch::Tensor latents = run_with_float32_fallback("the denoiser", components_.placement().dtype, [&](torch::ScalarType dtype) {
    return denoise(components_, plans.front(), seeds, text, dtype, callbacks_.progress);
  });
  if (last) {
    components_.release_denoiser();
  }
  const double denoise_seconds = seconds_since(middle);
  std::vector<GeneratedImage> images;
  const auto count = static_cast<double>(plans.size());
  for (std::size_t i = 0; i < plans.size(); ++i) {
    GeneratedImage image;
    image.plan = plans[i];
    image.seconds = {{"text", text_seconds / count}, {"denoise", denoise_seconds / count}};
    image.intermediates["low_latent"] =
        latents.slice(0, static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1);
    images.push_back(std::move(image));
  }
  return images;
}

void GeneratePipeline::Run::upscale(GeneratedImage& image, bool last) {
  const GeneratePlan& plan = image.plan;
  const torch::Tensor latent = image.intermediates.at("low_latent");
  image.intermediates.clear();
  auto start = std::chrono::steady_clock::now();
  const bool same_latents = &components_ == &upscaler_components_;
  torch::Tensor pixels = decode_low(latent);
  if (last && !same_latents) {
    components_.release_autoencoder();
  }
  image.seconds["decode"] = seconds_since(start);
  keep(image, "low_latent", latent);
  keep(image, "low", pixels);
  if (!plan.chain.factors.empty()) {
    start = std::chrono::steady_clock::now();
    UpscaleChain chain(upscaler_components_, plan.request.flow, settings_.tiles, plan.source);
    // Another autoencoder expects images as files hold them.
    const UpscaleInput input =
        same_latents ? UpscaleInput{pixels, latent} : UpscaleInput{pixels.clamp(-1, 1), torch::Tensor()};
    pixels = chain.run(input, plan.chain.factors, std::nullopt, plan.request.seed, callbacks_.progress,
                         [&](const std::string& name, const torch::Tensor& tensor) { keep(image, name, tensor); });
    pixels = back_project(std::move(pixels), input.pixels, chain.back_projection(plan.chain.factors));
    image.seconds["upscale"] = seconds_since(start);
  }
  const std::int64_t spare_width = pixels.size(3) - plan.size.width;
  const std::int64_t spare_height = pixels.size(2) - plan.size.height;
  image.pixels = crop(pixels, {.left = spare_width / 2,
                                 .right = spare_width - spare_width / 2,
                                 .top = spare_height / 2,
                                 .bottom = spare_height - spare_height / 2});
}

void GeneratePipeline::Run::make_batch(const std::vector<std::size_t>& indices, const std::vector<GeneratePlan>& plans,
                                       bool last) {
  std::vector<GeneratedImage> images;
  try {
    images = draw(plans, last);
  } catch (const std::exception& error) {
    if (plans.size() == 1 || !concerns_items(error)) {
      throw;
    }
    const auto half = static_cast<std::ptrdiff_t>(plans.size() / 2);
    log_warning((is_out_of_memory(error) ? "memory ran out" : std::string(error.what())) +
                "; going on with batches of " + std::to_string(half));
    const std::vector<std::size_t> left(indices.begin(), indices.begin() + half);
    const std::vector<std::size_t> right(indices.begin() + half, indices.end());
    guarded(left, [&] { make_batch(left, {plans.begin(), plans.begin() + half}, false); });
    guarded(right, [&] { make_batch(right, {plans.begin() + half, plans.end()}, last); });
    return;
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    guarded({indices[i]}, [&] {
      upscale(images[i], last && i + 1 == images.size());
      if (callbacks_.finished) {
        callbacks_.finished(indices[i], std::move(images[i]));
      }
    });
  }
}

void GeneratePipeline::run(const std::vector<GenerateRequest>& requests, const GenerateCallbacks& callbacks) {
  Run state(*this, callbacks);
  std::vector<GeneratePlan> plans;
  std::vector<std::size_t> sound;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    state.guarded({i}, [&] {
      GeneratePlan decided = plan(requests[i]);
      state.validate_prompt_and_memory(i, decided);
      plans.push_back(std::move(decided));
      sound.push_back(i);
    });
  }
  for (std::size_t first = 0; first < plans.size();) {
    std::size_t end = first + 1;
    while (end < plans.size() && end - first < static_cast<std::size_t>(settings_.batch_size) &&
           same_batch(plans[first], plans[end]) && state.same_text_length(plans[first], plans[end])) {
      ++end;
    }
    const std::vector<std::size_t> indices(sound.begin() + static_cast<std::ptrdiff_t>(first),
                                           sound.begin() + static_cast<std::ptrdiff_t>(end));
    const std::vector<GeneratePlan> batch(plans.begin() + static_cast<std::ptrdiff_t>(first),
                                          plans.begin() + static_cast<std::ptrdiff_t>(end));
    state.guarded(indices, [&] { state.make_batch(indices, batch, end == plans.size()); });
    first = end;
  }
}

}  // namespace fmboost
