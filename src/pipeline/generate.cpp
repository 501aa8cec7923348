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

// Pictures that can be denoised in one batch.
bool same_batch(const GeneratePlan& a, const GeneratePlan& b) {
  return a.chain.low == b.chain.low && a.sampler == b.sampler && a.steps == b.steps && a.guidance == b.guidance &&
         a.karras == b.karras;
}

// Whether an error is that of the pictures at hand; a broken model and an interrupt concern all of them.
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

GeneratePipeline::GeneratePipeline(std::shared_ptr<ModelParts> parts, std::shared_ptr<ModelParts> booster_parts,
                                   GenerateSettings settings)
    : parts_(std::move(parts)), booster_parts_(booster_parts ? std::move(booster_parts) : parts_), settings_(settings) {
  if (settings_.batch_size < 1 || settings_.batch_size > 1024) {
    throw UsageError("the batch size must be from 1 to 1024, not " + std::to_string(settings_.batch_size));
  }
  if (!parts_->manifest().denoiser) {
    throw ModelError("the bundle '" + parts_->bundle().folder().string() +
                     "' has no denoiser: it can enlarge pictures (fmboost upscale), but not draw them");
  }
}

GeneratePipeline::~GeneratePipeline() = default;

/// One call of run(): what it needs to remember between batches.
class GeneratePipeline::Run {
 public:
  Run(GeneratePipeline& pipeline, const GenerateCallbacks& callbacks)
      : parts_(*pipeline.parts_),
        booster_parts_(*pipeline.booster_parts_),
        settings_(pipeline.settings_),
        callbacks_(callbacks),
        conditioning_(parts_) {}

  // Does the work of some items and tells of their errors; an error that concerns all of them ends the run.
  void guarded(const std::vector<std::size_t>& indices, const std::function<void()>& work) const;
  void notice_and_check(std::size_t index, const GeneratePlan& plan);
  // Whether two plans can share a batch: states are not padded for others' sake, which would change the picture.
  bool same_text_length(const GeneratePlan& a, const GeneratePlan& b) const {
    return conditioning_.chunks(a) == conditioning_.chunks(b);
  }
  void make_batch(const std::vector<std::size_t>& indices, const std::vector<GeneratePlan>& plans, bool last);

 private:
  std::vector<GeneratedPicture> draw(const std::vector<GeneratePlan>& plans, bool last);
  torch::Tensor decode_low(const torch::Tensor& latent);
  void enlarge(GeneratedPicture& picture, bool last);
  void keep(GeneratedPicture& picture, const std::string& name, const torch::Tensor& tensor) const {
    if (settings_.keep_intermediates) {
      picture.intermediates[name] = tensor.to(torch::kCPU);
    }
  }

  ModelParts& parts_;
  ModelParts& booster_parts_;
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

void GeneratePipeline::Run::notice_and_check(std::size_t index, const GeneratePlan& plan) {
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
  Booster(booster_parts_, plan.request.flow, settings_.tiles).check_memory(plan.size);
}

torch::Tensor GeneratePipeline::Run::decode_low(const torch::Tensor& latent) {
  const std::int64_t factor = parts_.manifest().autoencoder->factor;
  const Size size{latent.size(3) * factor, latent.size(2) * factor};
  const MemoryPlan plan = plan_memory(parts_, size);
  const auto pieces = plan_pieces(plan, settings_.tiles, size);
  tell_of_windows(plan, pieces);
  return run_finite("the decoder", parts_.placement().dtype,
                    [&](torch::ScalarType dtype) {
                      return PiecewiseAutoencoder(parts_.autoencoder(dtype), factor, pieces).decode(latent);
                    })
      .to(torch::kCPU);
}

std::vector<GeneratedPicture> GeneratePipeline::Run::draw(const std::vector<GeneratePlan>& plans, bool last) {
  const auto begin = std::chrono::steady_clock::now();
  conditioning_.prepare(plans);
  if (last) {
    parts_.release_text_encoder();
  }
  const double text_seconds = seconds_since(begin);
  const auto middle = std::chrono::steady_clock::now();
  std::vector<std::uint64_t> seeds;
  for (const auto& plan : plans) {
    seeds.push_back(plan.request.seed);
  }
  const TextStates text = conditioning_.states(plans);
  const torch::Tensor latents = run_finite("the denoiser", parts_.placement().dtype, [&](torch::ScalarType dtype) {
    return denoise(parts_, plans.front(), seeds, text, dtype, callbacks_.progress);
  });
  if (last) {
    parts_.release_denoiser();
  }
  const double denoise_seconds = seconds_since(middle);
  std::vector<GeneratedPicture> pictures;
  const auto count = static_cast<double>(plans.size());
  for (std::size_t i = 0; i < plans.size(); ++i) {
    GeneratedPicture picture;
    picture.plan = plans[i];
    picture.seconds = {{"text", text_seconds / count}, {"denoise", denoise_seconds / count}};
    picture.intermediates["low_latent"] =
        latents.slice(0, static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1);
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

void GeneratePipeline::Run::enlarge(GeneratedPicture& picture, bool last) {
  const GeneratePlan& plan = picture.plan;
  const torch::Tensor latent = picture.intermediates.at("low_latent");
  picture.intermediates.clear();
  auto start = std::chrono::steady_clock::now();
  const bool same_latents = &parts_ == &booster_parts_;
  torch::Tensor pixels = decode_low(latent);
  if (last && !same_latents) {
    parts_.release_autoencoder();
  }
  picture.seconds["decode"] = seconds_since(start);
  keep(picture, "low_latent", latent);
  keep(picture, "low", pixels);
  if (!plan.chain.factors.empty()) {
    start = std::chrono::steady_clock::now();
    Booster booster(booster_parts_, plan.request.flow, settings_.tiles);
    // Another autoencoder expects pictures as files hold them.
    const BoostInput input =
        same_latents ? BoostInput{pixels, latent} : BoostInput{pixels.clamp(-1, 1), torch::Tensor()};
    pixels = booster.run(input, plan.chain.factors, std::nullopt, plan.request.seed, callbacks_.progress,
                         [&](const std::string& name, const torch::Tensor& tensor) { keep(picture, name, tensor); });
    pixels = back_project(std::move(pixels), input.pixels, booster.back_projection(plan.chain.factors));
    picture.seconds["boost"] = seconds_since(start);
  }
  const std::int64_t spare_width = pixels.size(3) - plan.size.width;
  const std::int64_t spare_height = pixels.size(2) - plan.size.height;
  picture.pixels = crop(pixels, {.left = spare_width / 2,
                                 .right = spare_width - spare_width / 2,
                                 .top = spare_height / 2,
                                 .bottom = spare_height - spare_height / 2});
}

void GeneratePipeline::Run::make_batch(const std::vector<std::size_t>& indices, const std::vector<GeneratePlan>& plans,
                                       bool last) {
  std::vector<GeneratedPicture> pictures;
  try {
    pictures = draw(plans, last);
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
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    guarded({indices[i]}, [&] {
      enlarge(pictures[i], last && i + 1 == pictures.size());
      if (callbacks_.finished) {
        callbacks_.finished(indices[i], std::move(pictures[i]));
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
      state.notice_and_check(i, decided);
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
