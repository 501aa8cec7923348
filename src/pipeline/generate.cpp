#include "fmboost/pipeline/generate.h"

#include <algorithm>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/pipeline/batch_errors.h"

#include "pipeline/component_uses.h"
#include "pipeline/denoising.h"
#include "pipeline/stage_timer.h"
#include "pipeline/stopwatch.h"
#include "pipeline/text_conditioning.h"
#include "pipeline/tile_plan.h"

namespace fmboost {
namespace {

/// One image on its way through the stages.
struct Job {
  std::size_t index = 0;  ///< of its request
  GeneratedImage image;
  TextStates text;
  ComponentUses uses;
};
using Batch = std::vector<Job*>;

// Whether two images can be denoised in one batch. Text is not padded to another image's length: that would change the
// image.
bool same_batch(const GeneratePlan& a, const GeneratePlan& b) {
  return a.chain.low == b.chain.low && a.sampler == b.sampler && a.steps == b.steps && a.guidance == b.guidance &&
         a.karras == b.karras && a.eta == b.eta && a.schedule.timestep_spacing == b.schedule.timestep_spacing &&
         a.text_chunks == b.text_chunks;
}

}  // namespace

GeneratePipeline::GeneratePipeline(std::shared_ptr<ModelComponents> components,
                                   std::shared_ptr<ModelComponents> upscaler_components, GenerateSettings settings)
    : components_(std::move(components)),
      upscaler_components_(upscaler_components ? std::move(upscaler_components) : components_),
      settings_(settings) {
  settings_.tiles.check();
  if (settings_.batch_size < 1 || settings_.batch_size > 1024) {
    throw UsageError("`batch_size` must be from 1 to 1024, got " + std::to_string(settings_.batch_size));
  }
  if (!components_->manifest().denoiser) {
    throw ModelError("the bundle '" + components_->bundle().folder().string() +
                     "' has no denoiser: it can upscale images (fmboost upscale), but not generate them");
  }
  tokenizer_ = components_->bundle().load_tokenizer();
  source_ = is_own_upscaler(components_->bundle(), upscaler_components_->bundle()) ? ImageSource::generated
                                                                                   : ImageSource::external;
}

GeneratePipeline::~GeneratePipeline() = default;

/// One call of run().
class GeneratePipeline::Run {
 public:
  Run(GeneratePipeline& pipeline, const RequestSource& requests, const GenerateCallbacks& callbacks)
      : pipeline_(pipeline),
        requests_(requests),
        components_(*pipeline.components_),
        upscaler_components_(*pipeline.upscaler_components_),
        settings_(pipeline.settings_),
        callbacks_(callbacks),
        conditioning_(components_, *pipeline.tokenizer_) {}

  void generate();

 private:
  std::unique_ptr<Job> plan_next();
  std::unique_ptr<Job> take_job();
  Batch next_batch();
  bool plan(Job& job, const GenerateRequest& request);
  bool attempt(const std::vector<std::size_t>& indices, const std::function<void()>& work) const;
  bool attempt(const Batch& batch, const std::function<void()>& work) const;
  ComponentUses use_components() const;
  void generate_batch(Batch batch);
  void encode_text(Job& job);
  void denoise_and_finish(const Batch& batch);
  void denoise_batch(const Batch& batch) const;
  void finish(Job& job);
  void decode_low(GeneratedImage& image);
  void upscale(GeneratedImage& image);

  GeneratePipeline& pipeline_;
  const RequestSource& requests_;
  ModelComponents& components_;
  ModelComponents& upscaler_components_;
  const GenerateSettings& settings_;
  const GenerateCallbacks& callbacks_;
  TextConditioning conditioning_;
  ComponentUses uses_;              ///< shares of the requests to come
  std::unique_ptr<Job> postponed_;  ///< planned, but of another kind than the batch before it
  std::size_t planned_ = 0;
  std::vector<std::unique_ptr<Job>> jobs_;  ///< of the batch at hand
};

// Works on some images. An error of theirs is reported, and the result is false; one that ends the batch is thrown.
bool GeneratePipeline::Run::attempt(const std::vector<std::size_t>& indices, const std::function<void()>& work) const {
  try {
    work();
    return true;
  } catch (const std::exception& error) {
    if (ends_batch(error)) {
      throw;
    }
    for (const auto index : indices) {
      if (callbacks_.failed) {
        callbacks_.failed(index, error);
      }
    }
    return false;
  }
}

bool GeneratePipeline::Run::attempt(const Batch& batch, const std::function<void()>& work) const {
  std::vector<std::size_t> indices;
  for (const auto* job : batch) {
    indices.push_back(job->index);
  }
  const bool succeeded = attempt(indices, work);
  if (!succeeded) {
    for (auto* job : batch) {
      *job = {.index = job->index, .image = {}, .text = {}, .uses = {}};
    }
  }
  return succeeded;
}

ComponentUses GeneratePipeline::Run::use_components() const {
  ComponentUses uses;
  uses.text_encoder = use_component([&components = components_] { components.release_text_encoder(); });
  uses.denoiser = use_component([&components = components_] { components.release_denoiser(); });
  if (&components_ != &upscaler_components_) {  // otherwise it upscales too
    uses.autoencoder = use_component([&components = components_] { components.release_autoencoder(); });
  }
  return uses;
}

bool GeneratePipeline::Run::plan(Job& job, const GenerateRequest& request) {
  return attempt(std::vector<std::size_t>{job.index}, [&] {
    job.image.plan = pipeline_.plan(request);
    for (const auto& line : prompt_notices(job.image.plan, components_.manifest())) {
      if (callbacks_.notice) {
        callbacks_.notice(job.index, line);
      }
    }
    check_memory(job.image.plan.memory, settings_.tiles);
  });
}

// The next request that can be planned; null once there is none.
std::unique_ptr<Job> GeneratePipeline::Run::plan_next() {
  while (!requests_.ended()) {
    const std::optional<GenerateRequest> request = requests_.next();
    if (!request) {
      break;
    }
    auto job = std::make_unique<Job>(Job{.index = planned_++, .image = {}, .text = {}, .uses = uses_});
    if (plan(*job, *request)) {
      return job;
    }
  }
  return nullptr;
}

std::unique_ptr<Job> GeneratePipeline::Run::take_job() {
  auto job = postponed_ ? std::move(postponed_) : plan_next();
  if (!job || requests_.ended()) {
    uses_ = {};  // what is at hand is the last use
  }
  return job;
}

Batch GeneratePipeline::Run::next_batch() {
  jobs_.clear();
  Batch batch;
  while (batch.size() < static_cast<std::size_t>(settings_.batch_size)) {
    if (!batch.empty() && requests_.would_wait && requests_.would_wait()) {
      break;
    }
    auto job = take_job();
    if (!job) {
      break;
    }
    if (!batch.empty() && !same_batch(batch.front()->image.plan, job->image.plan)) {
      postponed_ = std::move(job);
      break;
    }
    batch.push_back(job.get());
    jobs_.push_back(std::move(job));
  }
  return batch;
}

void GeneratePipeline::Run::generate() {
  uses_ = use_components();
  for (Batch batch = next_batch(); !batch.empty(); batch = next_batch()) {
    generate_batch(std::move(batch));
  }
}

void GeneratePipeline::Run::generate_batch(Batch batch) {
  std::erase_if(batch, [&](Job* job) { return !attempt(Batch{job}, [&] { encode_text(*job); }); });
  if (!batch.empty()) {
    attempt(batch, [&] { denoise_and_finish(batch); });
  }
}

void GeneratePipeline::Run::encode_text(Job& job) {
  const Stopwatch stopwatch;
  job.text = conditioning_.states(job.image.plan);
  job.uses.text_encoder.reset();
  job.image.seconds["text"] = stopwatch.seconds();
}

// A batch that fails is repeated in halves: less memory is needed, and an image that breaks the denoiser fails alone.
void GeneratePipeline::Run::denoise_and_finish(const Batch& batch) {
  try {
    denoise_batch(batch);
  } catch (const std::exception& error) {
    if (batch.size() == 1 || ends_batch(error)) {
      throw;
    }
    const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
    log_warning((is_out_of_memory(error) ? "out of memory" : std::string(error.what())) +
                "; retrying with batch size " + std::to_string(batch.size() / 2));
    for (const auto& half : {Batch(batch.begin(), middle), Batch(middle, batch.end())}) {
      attempt(half, [&] { denoise_and_finish(half); });
    }
    return;
  }
  for (auto* job : batch) {
    attempt(Batch{job}, [&] { finish(*job); });
  }
}

void GeneratePipeline::Run::denoise_batch(const Batch& batch) const {
  const Stopwatch stopwatch;
  std::vector<std::uint64_t> seeds;
  std::vector<TextStates> states;
  for (const auto* job : batch) {
    seeds.push_back(job->image.plan.request.seed);
    states.push_back(job->text);
  }
  const TextStates text = stack(states);
  const auto run = [&](torch::ScalarType dtype) {
    return denoise(components_, batch.front()->image.plan, seeds, text, dtype, callbacks_.progress);
  };
  const torch::Tensor latents =
      run_with_float32_fallback("the denoiser", components_.placement().dtype, run).to(torch::kCPU);
  const double seconds = stopwatch.seconds() / static_cast<double>(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto position = static_cast<std::int64_t>(i);
    batch[i]->image.low_latent = latents.slice(0, position, position + 1).clone();
    batch[i]->image.seconds["denoise"] = seconds;
    batch[i]->text = {};
    batch[i]->uses.denoiser.reset();
  }
}

void GeneratePipeline::Run::finish(Job& job) {
  decode_low(job.image);
  job.uses.autoencoder.reset();
  upscale(job.image);
  if (callbacks_.finished) {
    callbacks_.finished(job.index, std::move(job.image));
  }
  job.image = {};
}

void GeneratePipeline::Run::decode_low(GeneratedImage& image) {
  const Stopwatch stopwatch;
  const MemoryPlan memory = plan_stage_memory(components_, image.plan.chain.low);
  if (!image.plan.memory.complete) {
    check_memory(memory, settings_.tiles);
  }
  const auto tiles = plan_tiles(memory, settings_.tiles);
  log_blended_tiling(memory, tiles);
  const std::int64_t factor = components_.manifest().autoencoder->factor;
  const auto decode = [&](torch::ScalarType dtype) {
    return TiledAutoencoder(components_.autoencoder(dtype), factor, tiles).decode(image.low_latent);
  };
  image.low_pixels = run_with_float32_fallback("the decoder", components_.placement().dtype, decode).to(torch::kCPU);
  image.seconds["low_decode"] = stopwatch.seconds();
}

void GeneratePipeline::Run::upscale(GeneratedImage& image) {
  const GeneratePlan& plan = image.plan;
  UpscaleInput input{image.low_pixels, image.low_latent};
  if (&components_ != &upscaler_components_ && plan.upscales()) {
    // Another bundle's autoencoder has latents of its own, and expects pixels within the range that files have.
    input = {image.low_pixels.clamp(-1, 1), torch::Tensor()};
  }
  Hooks hooks{.progress = callbacks_.progress, .intermediate = {}, .timing = sum_of_seconds(image.seconds)};
  if (settings_.keep_intermediates) {
    hooks.intermediate = [&](const std::string& name, const torch::Tensor& tensor) {
      image.intermediates[name] = tensor.to(torch::kCPU);
    };
  }
  UpscaleChain chain(upscaler_components_, settings_.tiles);
  image.pixels = chain.run({plan.couplings, plan.size, SizeFit::crop, plan.memory, plan.pixel_upscaling}, input,
                           plan.request.seed, hooks);
}

void GeneratePipeline::run(const std::vector<GenerateRequest>& requests, const GenerateCallbacks& callbacks) {
  std::size_t taken = 0;
  run({.next = [&]() -> std::optional<GenerateRequest> { return requests[taken++]; },
       .ended = [&] { return taken == requests.size(); }},
      callbacks);
}

void GeneratePipeline::run(const RequestSource& requests, const GenerateCallbacks& callbacks) {
  Run(*this, requests, callbacks).generate();
}

}  // namespace fmboost
