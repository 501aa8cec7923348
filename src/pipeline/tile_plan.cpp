#include "pipeline/tile_plan.h"

#include <algorithm>
#include <cmath>

#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"

namespace fmboost {
namespace {

using torch::indexing::Slice;

// Of the memory for networks that work strip by strip, what goes to the strips; the rest is for what they keep.
constexpr double kShareOfStrips = 0.25;

torch::Tensor cut(const torch::Tensor& x, const Window& w) {
  return x.index({Slice(), Slice(), Slice(w.top, w.top + w.height), Slice(w.left, w.left + w.width)}).contiguous();
}

Window scaled(const Window& window, std::int64_t scale) {
  return {window.top * scale, window.left * scale, window.height * scale, window.width * scale};
}

Pieces pieces_of_side(const MemoryPlan& plan, std::int64_t side, std::int64_t overlap) {
  const double piece = static_cast<double>(side) * static_cast<double>(side);
  return {.side = side,
          .overlap = std::min(overlap, side / 2),
          .strips = {.strip_bytes = static_cast<std::int64_t>(plan.bytes_per_pixel * piece),
                     .kept_bytes = std::max<std::int64_t>(plan.available - plan.in_pieces(piece), 0)}};
}

}  // namespace

Pieces Pieces::halved() const {
  return {.side = side / 2,
          .overlap = overlap,
          .strips = {.strip_bytes = strips.strip_bytes / 4, .kept_bytes = strips.kept_bytes / 2}};
}

Pieces largest_pieces(const MemoryPlan& plan, std::int64_t most, std::int64_t overlap) {
  const auto left = static_cast<double>(std::max<std::int64_t>(plan.available - plan.in_pieces(0), 0));
  const double pixels = left * (plan.in_strips ? kShareOfStrips : 1.0) / std::max(plan.bytes_per_pixel, 1.0);
  const auto side = std::max(static_cast<std::int64_t>(std::sqrt(pixels)), smallest_piece(plan));
  return pieces_of_side(plan, std::min(side, most), overlap);
}

std::optional<Pieces> plan_pieces(const MemoryPlan& plan, const TileOptions& tiles, const Size& size) {
  const std::int64_t whole = std::max(size.width, size.height);
  if (tiles.automatic) {
    return plan.at_once() <= plan.available ? std::nullopt : std::optional(largest_pieces(plan, whole, tiles.overlap));
  }
  const bool at_once = tiles.size == 0 || tiles.size >= whole;
  return at_once ? std::nullopt : std::optional(pieces_of_side(plan, tiles.size, tiles.overlap));
}

void tell_of_windows(const MemoryPlan& plan, const std::optional<Pieces>& pieces) {
  if (pieces && !plan.in_strips) {
    log_info("the autoencoder is a TorchScript program: it works in windows of " + std::to_string(pieces->side) +
             " pixels, which are blended");
  }
}

torch::Tensor PiecewiseAutoencoder::in_windows(const torch::Tensor& x, std::int64_t pixels_in, std::int64_t pixels_out,
                                               const Work& work) const {
  const std::int64_t height = x.size(2) / pixels_in;
  const std::int64_t width = x.size(3) / pixels_in;
  const std::int64_t side = std::max<std::int64_t>(pieces_->side / factor_, 1);
  const std::int64_t shared = std::min(pieces_->overlap / factor_, side - 1);
  const auto windows = plan_windows(height, width, side, shared, /*multiple=*/1);
  std::optional<WindowBlender> blender;
  for (const Window& window : windows) {
    check_interrupt();
    const torch::Tensor result = work(cut(x, scaled(window, pixels_in)));
    if (!blender) {
      blender.emplace(result.size(1), height * pixels_out, width * pixels_out, shared * pixels_out);
    }
    blender->add(scaled(window, pixels_out), result);
  }
  return blender->result();
}

torch::Tensor PiecewiseAutoencoder::encode(const torch::Tensor& pixels) const {
  if (!pieces_) {
    return autoencoder_.encode(pixels);
  }
  if (auto* exact = dynamic_cast<StripAutoencoder*>(&autoencoder_)) {
    return exact->encode_in_strips(pixels, pieces_->strips);
  }
  return in_windows(pixels, factor_, 1, [&](const torch::Tensor& window) { return autoencoder_.encode(window); });
}

torch::Tensor PiecewiseAutoencoder::decode(const torch::Tensor& latent) const {
  if (!pieces_) {
    return autoencoder_.decode(latent);
  }
  if (auto* exact = dynamic_cast<StripAutoencoder*>(&autoencoder_)) {
    return exact->decode_in_strips(latent, pieces_->strips);
  }
  return in_windows(latent, 1, factor_, [&](const torch::Tensor& window) { return autoencoder_.decode(window); });
}

}  // namespace fmboost
