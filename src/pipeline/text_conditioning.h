#pragma once

#include "denoising.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fmboost/text/tokenizer.h"

namespace fmboost {

/// Prompts to text states, each prompt encoded once and alone, so that a picture does not depend on its neighbours.
class TextConditioning {
 public:
  explicit TextConditioning(ModelParts& parts);

  /// Encodes what these plans need and forgets the rest. Throws Error for prompts that are no text.
  void prepare(const std::vector<GeneratePlan>& plans);

  /// The states of a batch, stacked.
  TextStates states(const std::vector<GeneratePlan>& plans) const;

  /// What a user should know of a prompt: empty, words that were cut, words that are not known. One line each; `name`
  /// is what they call it. Throws Error for what is no text.
  std::vector<std::string> notices(const std::string& prompt, const std::string& name) const;

 private:
  torch::Tensor encode(const std::string& prompt);

  ModelParts& parts_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::map<std::string, torch::Tensor> encoded_;
};

}  // namespace fmboost
