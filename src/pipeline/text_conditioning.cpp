#include "pipeline/text_conditioning.h"

#include <algorithm>

#include "fmboost/core/error.h"
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

// A TorchScript program is traced with text of one length and may fail for others.
bool takes_any_text_length(const Manifest& manifest) {
  return is_native(*manifest.denoiser);
}

void check_clip_skip(int clip_skip, const Manifest& manifest) {
  const auto* clip = std::get_if<ClipTextOptions>(&manifest.text_encoder->network);
  if (clip == nullptr) {
    const bool program = !is_native(*manifest.text_encoder);
    throw UsageError("`clip_skip` needs a CLIP text encoder; model '" + manifest.name + "' has " +
                     (program ? "a TorchScript program with a single output (`fmboost import` makes native bundles)"
                              : "a different one"));
  }
  if (clip_skip < 1 || clip_skip > clip->num_hidden_layers) {
    throw UsageError("`clip_skip` must be from 1 (the text encoder's last layer) to " +
                     std::to_string(clip->num_hidden_layers) + " (its first), got " + std::to_string(clip_skip));
  }
}

void add_notices(std::vector<std::string>& lines, const std::string& prompt, const TokenizedPrompt& tokens,
                 const std::string& name, const Manifest& manifest) {
  if (prompt.find_first_not_of(" \t\r\n") == std::string::npos) {
    lines.emplace_back("the " + name + " is empty: the image is generated without one");
  }
  if (!tokens.cut.empty()) {
    lines.push_back("the " + name + " is longer than this model's limit of " +
                    std::to_string(manifest.tokenizer->max_length) + " tokens; this part was cut: '" + tokens.cut +
                    "'" + (takes_any_text_length(manifest) ? "; `long_prompt` chunk uses all of it" : ""));
  }
  if (!tokens.unknown_words.empty()) {
    lines.push_back("words of the " + name + " that are not in this model's vocabulary: " +
                    quoted_list(tokens.unknown_words) + "; `fmboost inspect` lists the vocabulary");
  }
}

}  // namespace

void check_text_options(const GenerateRequest& request, const Manifest& manifest) {
  if (request.long_prompt == LongPrompt::chunk && !takes_any_text_length(manifest)) {
    throw UsageError("`long_prompt` chunk needs a native denoiser, which accepts text of any length; that of model '" +
                     manifest.name + "' is a TorchScript program for " +
                     std::to_string(manifest.tokenizer->max_length) +
                     " tokens (`fmboost import` makes native bundles)");
  }
  if (request.clip_skip) {
    check_clip_skip(*request.clip_skip, manifest);
  }
}

std::vector<std::string> prompt_notices(const GeneratePlan& plan, const Manifest& manifest) {
  std::vector<std::string> lines;
  if (auto notice = start_notice(sampler_options(plan, *manifest.denoiser), NoiseSchedule(plan.schedule));
      !notice.empty()) {
    lines.push_back(std::move(notice));
  }
  add_notices(lines, plan.request.prompt, plan.prompt_tokens, "prompt", manifest);
  if (plan.guided && !plan.request.negative_prompt.empty()) {
    add_notices(lines, plan.request.negative_prompt, plan.negative_tokens, "negative prompt", manifest);
  }
  return lines;
}

TextConditioning::TextConditioning(ModelComponents& components, const Tokenizer& tokenizer)
    : components_(components),
      max_length_(static_cast<std::int64_t>(tokenizer.max_length())),
      empty_prompt_(tokenizer.encode("").ids) {}

// Chunks are encoded as a batch and then joined in their order.
torch::Tensor TextConditioning::encode(const Key& key) {
  // Prompts of neighboring images repeat; a long run must not collect all of its prompts.
  constexpr std::size_t kMostKept = 32;
  if (const auto found = encoded_.find(key); found != encoded_.end()) {
    return found->second;
  }
  check_interrupt();
  const torch::Tensor chunks = torch::tensor(key.ids, torch::kInt64).reshape({-1, max_length_});
  const torch::Tensor states = run_with_float32_fallback(
      "the text encoder", components_.placement().dtype,
      [&](torch::ScalarType dtype) { return components_.text_encoder(dtype).encode(chunks, key.clip_skip); });
  if (encoded_.size() >= kMostKept) {
    encoded_.clear();
  }
  return encoded_.emplace(key, states.flatten(0, 1).unsqueeze(0)).first->second;
}

// The prompt's states, followed by those of empty prompts up to the plan's length.
torch::Tensor TextConditioning::padded(const TokenizedPrompt& tokens, const GeneratePlan& plan) {
  std::vector<torch::Tensor> states{encode({tokens.ids, plan.request.clip_skip})};
  for (std::int64_t i = states.front().size(1) / max_length_; i < plan.text_chunks; ++i) {
    states.push_back(encode({empty_prompt_, plan.request.clip_skip}));
  }
  return torch::cat(states, 1);
}

TextStates TextConditioning::states(const GeneratePlan& plan) {
  TextStates states;
  states.conditional = padded(plan.prompt_tokens, plan);
  if (plan.guided) {
    states.unconditional = padded(plan.negative_tokens, plan);
  }
  return states;
}

TextStates stack(const std::vector<TextStates>& states) {
  std::vector<torch::Tensor> conditional;
  std::vector<torch::Tensor> unconditional;
  for (const auto& one : states) {
    conditional.push_back(one.conditional);
    if (one.unconditional.defined()) {
      unconditional.push_back(one.unconditional);
    }
  }
  return {torch::cat(conditional), unconditional.empty() ? torch::Tensor() : torch::cat(unconditional)};
}

}  // namespace fmboost
