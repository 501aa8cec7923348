#include "train/validation.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/flow/ode_solver.h"

#include "train/log/contact_sheet.h"
#include "train/loss/flow_loss.h"

namespace fmboost {

/// Consecutive pairs of one size.
struct Validator::Batch {
  std::vector<std::int64_t> indices;
  LatentBatch pairs;
  torch::Tensor start;  ///< x0
};

/// Sums over pairs, in one tensor so that they can be added over all processes.
struct Validator::Sums {
  torch::Tensor values = torch::zeros({7}, torch::kFloat64);

  void add(const Quality& q, bool original) {
    values += torch::tensor({q.mse, q.psnr_rgb, q.psnr_y, q.ssim_rgb, q.ssim_y, q.color_shift, original ? 1.0 : 0.0},
                            torch::kFloat64);
  }
  double at(std::int64_t i) const { return values[i].item<double>(); }
  Quality mean(std::int64_t pairs) const {
    const auto n = static_cast<double>(pairs);
    return {.mse = at(0) / n,
            .psnr_rgb = at(1) / n,
            .psnr_y = at(2) / n,
            .ssim_rgb = at(3) / n,
            .ssim_y = at(4) / n,
            .color_shift = at(5) / n};
  }
  std::int64_t originals() const { return static_cast<std::int64_t>(at(6)); }
};

namespace {

std::string with_format(const char* format, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

LatentBatch stack(const std::vector<LatentPair>& pairs) {
  LatentBatch batch;
  std::vector<torch::Tensor> latents;
  std::vector<torch::Tensor> contexts;
  for (const auto& pair : pairs) {
    batch.keys.push_back(pair.key);
    latents.push_back(pair.latent);
    contexts.push_back(pair.context);
  }
  batch.latent = torch::stack(latents);
  batch.context = torch::stack(contexts);
  return batch;
}

bool same_sizes(const LatentPair& a, const LatentPair& b) {
  return a.latent.sizes() == b.latent.sizes() && a.context.sizes() == b.context.sizes();
}

// Decodes one image at a time, because decoding needs the most memory.
torch::Tensor decode_one(Autoencoder& autoencoder, const torch::Tensor& latent) {
  return autoencoder.decode(latent.unsqueeze(0)).squeeze(0).to(torch::kCPU, torch::kFloat32).clamp(-1, 1);
}

Quality quality_of(const std::string& key, const torch::Tensor& image, const torch::Tensor& reference) {
  if (image.sizes() != reference.sizes()) {
    throw Error(c10::str("the latent of '", key, "' decodes to ", image.size(2), "x", image.size(1),
                         " pixels, but its original has ", reference.size(2), "x", reference.size(1),
                         ": the data belongs to another autoencoder, or the two were cropped differently"));
  }
  return measure_quality(image, reference);
}

}  // namespace

std::map<std::string, double> ValidationResult::metrics() const {
  return {{"validation/psnr", result.psnr_rgb},
          {"validation/ssim", result.ssim_rgb},
          {"validation/mse", result.mse},
          {"validation/start_psnr", start.psnr_rgb},
          {"validation/start_ssim", start.ssim_rgb},
          {"validation/start_mse", start.mse}};
}

std::string to_text(const ValidationResult& result) {
  std::string compared = "compared with their originals";
  if (result.originals == 0) {
    compared = "compared with their decoded latents, as there are no originals";
  } else if (result.originals < result.pairs) {
    compared = "(" + std::to_string(result.originals) +
               " compared with their originals, the others with their decoded latents)";
  }
  return "PSNR " + with_format("%.2f", result.result.psnr_rgb) + " dB (" + with_format("%.2f", result.start.psnr_rgb) +
         " at the start), SSIM " + with_format("%.4f", result.result.ssim_rgb) + " (" +
         with_format("%.4f", result.start.ssim_rgb) + "), " + std::to_string(result.pairs) + " pairs " + compared +
         ", " + with_format("%.0f", result.seconds) + " s";
}

Validator::Validator(ValidationOptions options, FlowLossOptions flow, std::shared_ptr<const PairDataset> dataset,
                     torch::Device device, ProcessGroup& group)
    : options_(std::move(options)),
      flow_(flow),
      dataset_(std::move(dataset)),
      device_(device),
      group_(group),
      start_(std::make_unique<Sums>()) {
  options_.check();
  flow_.check();
  if (dataset_->size() == 0) {
    throw UsageError("the validation data holds no pairs");
  }
}

Validator::~Validator() = default;

std::optional<ValidationResult> Validator::run(const VelocityFunction& velocity, Autoencoder& autoencoder) {
  const torch::NoGradGuard no_grad;
  const auto begin = std::chrono::steady_clock::now();
  const auto pairs = std::min<std::int64_t>(options_.pairs, static_cast<std::int64_t>(dataset_->size()));
  // Each process takes consecutive pairs, so that rank 0 has those of the sheet.
  const std::int64_t first = pairs * group_.rank() / group_.size();
  const std::int64_t end = pairs * (group_.rank() + 1) / group_.size();
  Sums results;
  if (group_.any(!measure(first, end, velocity, autoencoder, results))) {
    if (!start_known_) {
      reset_start();
    }
    return std::nullopt;
  }
  group_.all_reduce_sum(results.values);
  if (!start_known_) {
    group_.all_reduce_sum(start_->values);
    start_known_ = true;
  }
  return ValidationResult{.pairs = pairs,
                          .originals = results.originals(),
                          .result = results.mean(pairs),
                          .start = start_->mean(pairs),
                          .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
                          .sheet = sheet_rows_.empty() ? torch::Tensor() : contact_sheet(sheet_rows_)};
}

// False after a signal.
bool Validator::measure(std::int64_t first, std::int64_t end, const VelocityFunction& velocity,
                        Autoencoder& autoencoder, Sums& results) {
  try {
    while (first < end) {
      check_interrupt();
      group_.check();
      const Batch batch = load(first, end);
      compare(batch, solve(batch, velocity), autoencoder, results);
      first += static_cast<std::int64_t>(batch.indices.size());
    }
    return true;
  } catch (const Interrupted&) {
    return false;
  }
}

Validator::Batch Validator::load(std::int64_t first, std::int64_t end) const {
  Batch batch;
  std::vector<LatentPair> pairs;
  for (std::int64_t i = first; i < std::min(end, first + options_.batch_size); ++i) {
    LatentPair pair = dataset_->get(static_cast<std::size_t>(i), options_.seed);
    if (!pairs.empty() && !same_sizes(pair, pairs.front())) {
      break;
    }
    pairs.push_back(std::move(pair));
    batch.indices.push_back(i);
  }
  batch.pairs = stack(pairs);
  // x0 is the path's point at t = 0. solve() decides whether the network sees the context.
  FlowLossOptions at_start = flow_;
  at_start.objective = Objective::velocity;  // needs only one start
  at_start.sigma_min = 0;
  at_start.noising_step_max.reset();  // measures the least noisy step of a range
  at_start.with_context = true;
  FlowNoise noise = draw_flow_noise(at_start, batch.pairs.latent.sizes(), options_.seed, batch.indices);
  noise.t.zero_();
  const FlowBatch flow = make_flow_batch(at_start, batch.pairs, noise);
  batch.start = flow.x;
  batch.pairs.context = flow.context;
  return batch;
}

torch::Tensor Validator::solve(const Batch& batch, const VelocityFunction& velocity) const {
  const torch::Tensor context = flow_.with_context ? batch.pairs.context.to(device_) : torch::Tensor();
  const auto field = [&](double t, const torch::Tensor& x) {
    check_interrupt();
    return velocity(x, t, context).to(torch::kFloat32);
  };
  torch::Tensor latent = solve_ode(field, batch.start.to(device_), options_.ode);
  for (std::size_t i = 0; i < batch.indices.size(); ++i) {
    if (!latent[static_cast<std::int64_t>(i)].isfinite().all().item<bool>()) {
      throw Error("the result for '" + batch.pairs.keys[i] + "' is not finite");
    }
  }
  return latent;
}

void Validator::compare(const Batch& batch, const torch::Tensor& latent, Autoencoder& autoencoder, Sums& results) {
  for (std::size_t i = 0; i < batch.indices.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const std::string& key = batch.pairs.keys[i];
    const torch::Tensor original = dataset_->original(static_cast<std::size_t>(batch.indices[i]), options_.seed);
    const torch::Tensor reference =
        original.defined() ? original.clamp(-1, 1) : decode_one(autoencoder, batch.pairs.latent[row]);
    const torch::Tensor image = decode_one(autoencoder, latent[row]);
    results.add(quality_of(key, image, reference), original.defined());
    const bool in_sheet = batch.indices[i] < options_.sheet_pairs && group_.is_first();
    if (!start_known_) {
      const torch::Tensor start = decode_one(autoencoder, batch.pairs.context[row]);
      start_->add(quality_of(key, start, reference), original.defined());
      if (in_sheet) {
        sheet_rows_.push_back({start, image, reference});
      }
    } else if (in_sheet) {
      sheet_rows_[static_cast<std::size_t>(batch.indices[i])][1] = image;
    }
  }
}

void Validator::reset_start() {
  *start_ = Sums();
  sheet_rows_.clear();
}

}  // namespace fmboost
