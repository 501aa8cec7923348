#include "data/pair_loader.h"

#include <chrono>
#include <limits>
#include <map>
#include <mutex>
#include <numeric>
#include <random>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"

#include "data/ordered_prefetch.h"

namespace fmboost {
namespace {

using torch::indexing::Slice;

std::string shape_text(const torch::Tensor& x) {
  return c10::str(x.sizes());
}

// The shuffled orders of the epochs in use, two at most.
class EpochOrders {
 public:
  EpochOrders(std::int64_t count, std::uint64_t seed) : count_(count), seed_(seed) {}

  // The dataset's index of the sample with this number in the run.
  std::size_t index_at(std::int64_t number) {
    return static_cast<std::size_t>((*order(number / count_))[static_cast<std::size_t>(number % count_)]);
  }

 private:
  using Order = std::shared_ptr<const std::vector<std::int64_t>>;

  Order order(std::int64_t epoch) {
    const std::lock_guard lock(mutex_);
    Order& order = orders_[epoch];
    if (!order) {
      order = std::make_shared<const std::vector<std::int64_t>>(epoch_order(count_, seed_, epoch));
    }
    const Order found = order;
    while (orders_.size() > 2) {
      orders_.erase(orders_.begin()->first == epoch ? std::prev(orders_.end()) : orders_.begin());
    }
    return found;
  }

  std::int64_t count_;
  std::uint64_t seed_;
  std::mutex mutex_;
  std::map<std::int64_t, Order> orders_;
};

// Cuts the same square out of latent and context. A smaller context is cut at whole latent pixels, so the position is a
// multiple of the factor between them.
void crop_pair(LatentPair& pair, std::int64_t side, std::uint64_t seed) {
  const std::int64_t height = pair.latent.size(1);
  const std::int64_t width = pair.latent.size(2);
  const std::int64_t factor = pair.context.size(1) > 0 ? height / pair.context.size(1) : 0;
  if (side > height || side > width) {
    throw Error("the latent of '" + pair.key + "' is " + shape_text(pair.latent) + ", too small for `crop_size` " +
                std::to_string(side) + " (latent pixels)");
  }
  if (factor < 1 || side % factor != 0) {
    throw Error("`crop_size` " + std::to_string(side) + " does not fit '" + pair.key + "', whose context " +
                shape_text(pair.context) + " is smaller than its latent " + shape_text(pair.latent) +
                ": it must be a multiple of the factor between them");
  }
  const auto place = [&](std::int64_t length, const char* axis) {
    const auto choices = static_cast<std::uint64_t>((length - side) / factor + 1);
    return static_cast<std::int64_t>(derive_seed(seed, axis) % choices) * factor;
  };
  const auto cut = [](const torch::Tensor& x, std::int64_t top, std::int64_t left, std::int64_t size) {
    return x.index({Slice(), Slice(top, top + size), Slice(left, left + size)});
  };
  const std::int64_t top = place(height, "top");
  const std::int64_t left = place(width, "left");
  pair.latent = cut(pair.latent, top, left, side);
  pair.context = cut(pair.context, top / factor, left / factor, side / factor);
}

torch::Tensor stack(const std::vector<LatentPair>& pairs, torch::Tensor LatentPair::*field, const char* what,
                    bool pinned) {
  const torch::Tensor& first = pairs.front().*field;
  std::vector<torch::Tensor> tensors;
  for (const auto& pair : pairs) {
    if ((pair.*field).sizes() != first.sizes()) {
      throw Error(std::string("all samples of a batch must have the same size: the ") + what + " of '" +
                  pairs.front().key + "' is " + shape_text(first) + " and that of '" + pair.key + "' is " +
                  shape_text(pair.*field) + "; set a `crop_size` that fits all of them");
    }
    tensors.push_back(pair.*field);
  }
  const torch::Tensor batch = torch::stack(tensors);
  return pinned ? batch.pin_memory() : batch;
}

}  // namespace

void PairLoaderOptions::check() const {
  const auto require = [](bool fits, const std::string& message) {
    if (!fits) {
      throw UsageError(message);
    }
  };
  require(batch_size >= 1, "`batch_size` must be at least 1, got " + std::to_string(batch_size));
  for (const auto side : crop_sizes) {
    require(side >= 1, "`crop_size` must be at least 1 latent pixel, got " + std::to_string(side));
  }
  require(num_workers >= 0 && num_workers <= 1024,
          "`num_workers` must be from 0 to 1024, got " + std::to_string(num_workers));
  require(prefetch >= 1 && prefetch <= 4096, "`prefetch` must be from 1 to 4096, got " + std::to_string(prefetch));
  require(world_size >= 1 && rank >= 0 && rank < world_size,
          "rank " + std::to_string(rank) + " is not one of " + std::to_string(world_size) + " processes");
}

std::vector<std::int64_t> epoch_order(std::int64_t count, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  // std::shuffle differs between standard libraries; the engine does not. The remainder's bias is below 2^-32 here.
  std::mt19937_64 engine(derive_seed(seed, "epoch-" + std::to_string(epoch)));
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[engine() % i]);
  }
  return order;
}

class PairLoader::Impl {
 public:
  Impl(std::shared_ptr<const PairDataset> dataset, const PairLoaderOptions& options)
      : dataset_(std::move(dataset)),
        options_(options),
        orders_(static_cast<std::int64_t>(dataset_->size()), options.seed) {}

  void start(std::int64_t first_sample) {
    batches_.reset();  // ends the old threads
    const auto make = [this, first_sample](std::uint64_t number) {
      return batch_at(first_sample + static_cast<std::int64_t>(number) * options_.batch_size * options_.world_size);
    };
    batches_ = std::make_unique<OrderedPrefetch<LatentBatch>>(make, 0, std::numeric_limits<std::uint64_t>::max(),
                                                              options_.num_workers, options_.prefetch);
  }

  LatentBatch next() { return batches_->next(); }

 private:
  // The batch of the step whose samples, over all processes, start with this number.
  LatentBatch batch_at(std::int64_t start) {
    const std::int64_t side = crop_size_at(start);
    LatentBatch batch;
    std::vector<LatentPair> pairs;
    for (std::int64_t i = 0; i < options_.batch_size; ++i) {
      const std::int64_t number = start + i * options_.world_size + options_.rank;
      const std::uint64_t seed = derive_seed(options_.seed, "sample-" + std::to_string(number));
      pairs.push_back(dataset_->get(orders_.index_at(number), seed));
      if (side > 0) {
        crop_pair(pairs.back(), side, derive_seed(seed, "crop"));
      }
      batch.keys.push_back(pairs.back().key);
      batch.numbers.push_back(number);
    }
    batch.latent = stack(pairs, &LatentPair::latent, "latent", options_.pin_memory);
    batch.context = stack(pairs, &LatentPair::context, "context", options_.pin_memory);
    return batch;
  }

  // The crop size of a step, the same in all processes; 0: whole samples.
  std::int64_t crop_size_at(std::int64_t start) const {
    const auto& sizes = options_.crop_sizes;
    if (sizes.empty()) {
      return 0;
    }
    return sizes[derive_seed(options_.seed, "crop-size-" + std::to_string(start)) % sizes.size()];
  }

  std::shared_ptr<const PairDataset> dataset_;
  const PairLoaderOptions& options_;
  EpochOrders orders_;
  std::unique_ptr<OrderedPrefetch<LatentBatch>> batches_;
};

PairLoader::PairLoader(std::shared_ptr<const PairDataset> dataset, PairLoaderOptions options)
    : options_(std::move(options)) {
  options_.check();
  if (dataset->size() == 0) {
    throw UsageError("there are no samples to load");
  }
  impl_ = std::make_unique<Impl>(std::move(dataset), options_);
  impl_->start(0);
}

PairLoader::~PairLoader() = default;

LatentBatch PairLoader::next() {
  const auto begin = std::chrono::steady_clock::now();
  LatentBatch batch = impl_->next();
  seconds_waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  drawn_ += options_.batch_size * options_.world_size;
  return batch;
}

void PairLoader::seek(std::int64_t samples_drawn) {
  if (samples_drawn < 0) {
    throw UsageError("a loader cannot continue at sample " + std::to_string(samples_drawn));
  }
  impl_->start(samples_drawn);
  drawn_ = samples_drawn;
}

}  // namespace fmboost
