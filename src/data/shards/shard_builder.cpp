#include "data/shards/shard_builder.h"

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "data/shards/shard_records.h"
#include "io/npy.h"

namespace fmboost {

ShardBuilder::ShardBuilder(std::filesystem::path folder, std::string name, const PairEncoder& encoder,
                           const EncodeImagesOptions& options)
    : folder_(std::move(folder)), encoder_(encoder), options_(options) {
  record_.file = std::move(name);
  remove_temporaries(folder_ / record_.file);
  remove_temporaries((folder_ / record_.file).replace_extension(".json"));
}

void ShardBuilder::add(ShardSample sample) {
  batch_.push_back(std::move(sample));
  if (static_cast<std::int64_t>(batch_.size()) == options_.batch_size) {
    flush();
  }
}

ShardRecord ShardBuilder::finish() {
  if (!batch_.empty()) {
    flush();
  }
  if (writer_) {
    record_.bytes = static_cast<std::int64_t>(writer_->commit());
  }
  write_shard_record(folder_, record_);
  return std::move(record_);
}

void ShardBuilder::flush() {
  const EncodedPairs pairs = encode_batch();
  if (!writer_) {
    writer_.emplace(folder_ / record_.file);
  }
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    write(batch_[i], pairs.latent[index], pairs.context[index]);
  }
  batch_.clear();
}

EncodedPairs ShardBuilder::encode_batch() const {
  std::vector<torch::Tensor> high;
  std::vector<torch::Tensor> low;
  for (const auto& sample : batch_) {
    high.push_back(sample.crop.high);
    low.push_back(sample.crop.low);
  }
  try {
    return encoder_.encode(torch::stack(high), torch::stack(low));
  } catch (const Error& error) {
    throw Error("cannot encode the images from '" + batch_.front().source + "' to '" + batch_.back().source +
                    "': " + error.what(),
                error.code());
  }
}

std::vector<std::byte> ShardBuilder::array(const ShardSample& sample, const torch::Tensor& latent) const {
  const torch::Tensor stored = encoder_.unscaled(latent).to(options_.stored);
  if (!at::isfinite(stored).all().item<bool>()) {
    throw Error("the latent of '" + sample.source + "' has numbers outside the range of float16; use `store` float32");
  }
  return write_npy(stored);
}

void ShardBuilder::write(const ShardSample& sample, const torch::Tensor& latent, const torch::Tensor& context) {
  if (!sample.jpeg.empty()) {
    writer_->add(sample.key + ".jpg", sample.jpeg);
  }
  // File names need not be UTF-8.
  writer_->add(sample.key + ".json",
               as_bytes(sample.json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  writer_->add(sample.key + ".latent.npy", array(sample, latent));
  writer_->add(sample.key + ".latent_lowres.npy", array(sample, context));
  ++record_.samples;
}

}  // namespace fmboost
