#include "text_conditioning.h"

#include "fmboost/core/interrupt.h"

namespace fmboost {
namespace {

std::string quoted_list(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) {
    text += (text.empty() ? "'" : ", '") + word + "'";
  }
  return text;
}

}  // namespace

TextConditioning::TextConditioning(ModelParts& parts) : parts_(parts), tokenizer_(parts.bundle().load_tokenizer()) {}

torch::Tensor TextConditioning::encode(const std::string& prompt) {
  check_interrupt();
  const torch::Tensor ids = torch::tensor(tokenizer_->encode(prompt).ids, torch::kInt64).unsqueeze(0);
  return run_finite("the text encoder", parts_.placement().dtype,
                    [&](torch::ScalarType dtype) { return parts_.text_encoder(dtype).encode(ids); });
}

void TextConditioning::prepare(const std::vector<GeneratePlan>& plans) {
  std::map<std::string, torch::Tensor> needed;
  const auto need = [&](const std::string& prompt) {
    if (!needed.contains(prompt)) {
      const auto found = encoded_.find(prompt);
      needed.emplace(prompt, found != encoded_.end() ? found->second : encode(prompt));
    }
  };
  for (const auto& plan : plans) {
    need(plan.request.prompt);
    if (plan.guided) {
      need(plan.request.negative_prompt);
    }
  }
  encoded_ = std::move(needed);
}

TextStates TextConditioning::states(const std::vector<GeneratePlan>& plans) const {
  std::vector<torch::Tensor> conditional;
  std::vector<torch::Tensor> unconditional;
  for (const auto& plan : plans) {
    conditional.push_back(encoded_.at(plan.request.prompt));
    if (plan.guided) {
      unconditional.push_back(encoded_.at(plan.request.negative_prompt));
    }
  }
  return {torch::cat(conditional), unconditional.empty() ? torch::Tensor() : torch::cat(unconditional)};
}

std::vector<std::string> TextConditioning::notices(const std::string& prompt, const std::string& name) const {
  std::vector<std::string> lines;
  const TokenizedPrompt tokens = tokenizer_->encode(prompt);
  if (prompt.find_first_not_of(" \t\r\n") == std::string::npos) {
    lines.emplace_back("the " + name + " is empty: the picture is drawn without one");
  }
  if (!tokens.cut.empty()) {
    lines.push_back("the " + name + " is longer than the " + std::to_string(tokenizer_->max_length()) +
                    " tokens this model reads; this was cut: '" + tokens.cut + "'");
  }
  if (!tokens.unknown_words.empty()) {
    lines.push_back("this model does not know " + quoted_list(tokens.unknown_words) + " of the " + name +
                    "; `fmboost inspect` lists the words it knows");
  }
  return lines;
}

}  // namespace fmboost
