#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fmboost/text/tokenizer.h"

#include "pipeline/denoising.h"

namespace fmboost {

/// Throws UsageError if a request asks for more than the bundle's networks can do: chunks of long prompts, or a layer
/// of the text encoder.
void check_text_options(const GenerateRequest& request, const Manifest& manifest);

/// Warnings about the prompts of a plan (empty, cut, or with words outside the vocabulary) and about timesteps that
/// start too low. One line each.
std::vector<std::string> prompt_notices(const GeneratePlan& plan, const Manifest& manifest);

/// Encodes prompts to text states. Each prompt is encoded alone, so that an image does not depend on the other images
/// of its batch.
class TextConditioning {
 public:
  /// `components` must outlive it.
  TextConditioning(ModelComponents& components, const Tokenizer& tokenizer);

  /// The states of one image, with a batch size of 1; each has plan.text_chunks chunks.
  TextStates states(const GeneratePlan& plan);

 private:
  /// What text states depend on.
  struct Key {
    std::vector<std::int64_t> ids;
    std::optional<int> clip_skip;
    auto operator<=>(const Key&) const = default;
  };
  torch::Tensor encode(const Key& key);
  torch::Tensor padded(const TokenizedPrompt& tokens, const GeneratePlan& plan);

  ModelComponents& components_;
  std::int64_t max_length_;
  std::vector<std::int64_t> empty_prompt_;  ///< ids
  std::map<Key, torch::Tensor> encoded_;    ///< recent states, (1, chunks * max_length, width) each
};

/// The states of several images with the same number of chunks as one batch.
TextStates stack(const std::vector<TextStates>& states);

}  // namespace fmboost
