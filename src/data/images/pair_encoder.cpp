#include "data/images/pair_encoder.h"

#include "fmboost/core/error.h"
#include "fmboost/core/memory_probe.h"

namespace fmboost {
namespace {

AutoencoderEntry autoencoder_of(const Bundle& bundle) {
  if (!bundle.manifest().autoencoder) {
    throw ModelError("the bundle '" + bundle.folder().string() + "' has no autoencoder to encode images with");
  }
  return *bundle.manifest().autoencoder;
}

}  // namespace

PairEncoder::PairEncoder(std::shared_ptr<Autoencoder> autoencoder, AutoencoderEntry entry, Upsampling upsampling,
                         Placement placement)
    : autoencoder_(std::move(autoencoder)), entry_(std::move(entry)), upsampling_(upsampling), placement_(placement) {
  if (upsampling == Upsampling::identity) {
    throw UsageError("`upsampling` identity has no low-resolution image to encode");
  }
}

PairEncoder::PairEncoder(const Bundle& bundle, const Placement& placement, Upsampling upsampling)
    : PairEncoder(bundle.load_autoencoder(placement), autoencoder_of(bundle), upsampling, placement) {}

EncodedPairs PairEncoder::encode(const torch::Tensor& high, const torch::Tensor& low) const {
  std::unique_lock<std::mutex> turn;
  if (!placement_.device.is_cpu()) {
    turn = std::unique_lock(gpu_);
  }
  const torch::NoGradGuard no_gradients;
  const torch::Tensor small =
      upsampling_ == Upsampling::pixel ? upsample_bilinear(low, high.size(2), high.size(3)) : low;
  EncodedPairs pairs{autoencoder_->encode(high).to(torch::kCPU, torch::kFloat32),
                     autoencoder_->encode(small).to(torch::kCPU, torch::kFloat32)};
  if (!at::isfinite(pairs.latent).all().item<bool>() || !at::isfinite(pairs.context).all().item<bool>()) {
    throw Error("the autoencoder returned numbers that are not finite in " + dtype_name(placement_.dtype) +
                (placement_.dtype == torch::kFloat32 ? "" : "; use `dtype` float32"));
  }
  return pairs;
}

void PairEncoder::check_sizes(const ImageCropOptions& crop) const {
  const bool small_is_encoded = upsampling_ != Upsampling::pixel;
  if (crop.high % entry_.factor != 0 || (small_is_encoded && crop.low % entry_.factor != 0)) {
    throw UsageError("`low` " + std::to_string(crop.low) + " and `high` " + std::to_string(crop.high) +
                     " do not fit this autoencoder: " +
                     (small_is_encoded ? "both must be multiples of " : "`high` must be a multiple of ") +
                     std::to_string(entry_.factor));
  }
}

void PairEncoder::check_memory(std::int64_t side, std::int64_t batch_size) const {
  constexpr double kMargin = 1.2;  // for what libraries allocate beyond the tensors
  const auto pixels = static_cast<double>(side * side * batch_size);
  const auto needed = static_cast<std::int64_t>(autoencoder_->bytes_per_pixel() * pixels * kMargin);
  const std::int64_t available = available_memory(placement_.device);
  if (needed > available) {
    throw MemoryError("a batch of " + std::to_string(batch_size) + " images of " + std::to_string(side) + "x" +
                      std::to_string(side) + " needs about " + format_bytes(needed) + " of memory, and " +
                      format_bytes(available) + " are available; use a smaller `batch_size` or `high`");
  }
}

}  // namespace fmboost
