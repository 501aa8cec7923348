#pragma once

#include <compare>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fmboost/text/tokenizer.h"

#include "pipeline/denoising.h"

namespace fmboost {

/// Throws UsageError where a request asks for what the bundle's networks cannot do: chunks of long prompts, or a layer
/// of the text encoder.
void check_text_options(const GenerateRequest& request, const Manifest& manifest);

/// Prompts to text states, each prompt encoded once and alone, so that an image does not depend on its neighbors.
class TextConditioning {
 public:
  explicit TextConditioning(ModelComponents& components);

  /// How many chunks of max_length() states the plan's prompts take: those of the longer one, the other is filled up
  /// with the states of empty prompts. Throws Error for prompts that are no text.
  std::int64_t chunks(const GeneratePlan& plan) const;

  /// Encodes what these plans need and forgets the rest. Throws Error for prompts that are no text.
  void prepare(const std::vector<GeneratePlan>& plans);

  /// The states of a batch, stacked; its plans have the same number of chunks.
  TextStates states(const std::vector<GeneratePlan>& plans) const;

  /// What a user should know of one of the plan's prompts: empty, words that were cut, words that are not known. One
  /// line each; `name` is what they call it. Throws Error for what is no text.
  std::vector<std::string> notices(const std::string& prompt, const std::string& name,
                                   const GenerateRequest& request) const;

 private:
  /// What text states depend on.
  struct Source {
    std::string prompt;
    LongPrompt long_prompt;
    std::optional<int> clip_skip;
    auto operator<=>(const Source&) const = default;
  };
  static Source source(const std::string& prompt, const GenerateRequest& request);
  std::int64_t chunks(const std::string& prompt, LongPrompt rule) const;
  torch::Tensor encode(const Source& source);
  torch::Tensor padded(const std::string& prompt, const GeneratePlan& plan) const;

  ModelComponents& components_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::map<Source, torch::Tensor> encoded_;  ///< (1, chunks * max_length, width)
};

}  // namespace fmboost
