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

// A program is traced with text of one length, and does not say whether it holds for others.
bool takes_any_text_length(const Manifest& manifest) {
  return is_native(*manifest.denoiser);
}

void check_clip_skip(int clip_skip, const Manifest& manifest) {
  const auto* clip = std::get_if<ClipTextOptions>(&manifest.text_encoder->network);
  if (clip == nullptr) {
    const bool program = !is_native(*manifest.text_encoder);
    throw UsageError("a clip skip chooses a layer of CLIP's text encoder; that of the model '" + manifest.name +
                     (program ? "' is a TorchScript program, with one output (`fmboost import` makes native bundles)"
                              : "' is another network"));
  }
  if (clip_skip < 1 || clip_skip > clip->num_hidden_layers) {
    throw UsageError("the clip skip must be from 1, the text encoder's last layer, to " +
                     std::to_string(clip->num_hidden_layers) + ", its first, not " + std::to_string(clip_skip));
  }
}

}  // namespace

void check_text_options(const GenerateRequest& request, const Manifest& manifest) {
  if (request.long_prompt == LongPrompt::chunk && !takes_any_text_length(manifest)) {
    throw UsageError(
        "chunks of long prompts need a native denoiser, which takes text of any length; that of the model '" +
        manifest.name + "' is a TorchScript program made for " + std::to_string(manifest.tokenizer->max_length) +
        " tokens (`fmboost import` makes native bundles)");
  }
  if (request.clip_skip) {
    check_clip_skip(*request.clip_skip, manifest);
  }
}

TextConditioning::TextConditioning(ModelComponents& components) : components_(components), tokenizer_(components.bundle().load_tokenizer()) {}

TextConditioning::Source TextConditioning::source(const std::string& prompt, const GenerateRequest& request) {
  return {prompt, request.long_prompt, request.clip_skip};
}

std::int64_t TextConditioning::chunks(const std::string& prompt, LongPrompt rule) const {
  return static_cast<std::int64_t>(tokenizer_->encode(prompt, rule).ids.size() / tokenizer_->max_length());
}

std::int64_t TextConditioning::chunks(const GeneratePlan& plan) const {
  const GenerateRequest& request = plan.request;
  const std::int64_t own = chunks(request.prompt, request.long_prompt);
  return plan.guided ? std::max(own, chunks(request.negative_prompt, request.long_prompt)) : own;
}

// Chunks are encoded as a batch and stand one after the other.
torch::Tensor TextConditioning::encode(const Source& source) {
  check_interrupt();
  const auto ids = torch::tensor(tokenizer_->encode(source.prompt, source.long_prompt).ids, torch::kInt64);
  const torch::Tensor chunks = ids.reshape({-1, static_cast<std::int64_t>(tokenizer_->max_length())});
  return run_with_float32_fallback(
             "the text encoder", components_.placement().dtype,
             [&](torch::ScalarType dtype) { return components_.text_encoder(dtype).encode(chunks, source.clip_skip); })
      .flatten(0, 1)
      .unsqueeze(0);
}

void TextConditioning::prepare(const std::vector<GeneratePlan>& plans) {
  std::map<Source, torch::Tensor> needed;
  const auto need = [&](const std::string& prompt, const GenerateRequest& request) {
    const Source wanted = source(prompt, request);
    if (!needed.contains(wanted)) {
      const auto found = encoded_.find(wanted);
      needed.emplace(wanted, found != encoded_.end() ? found->second : encode(wanted));
    }
  };
  for (const auto& plan : plans) {
    need(plan.request.prompt, plan.request);
    if (plan.guided) {
      need(plan.request.negative_prompt, plan.request);
    }
    if (plan.guided && chunks(plan) > 1) {
      need("", plan.request);
    }
  }
  encoded_ = std::move(needed);
}

// The prompt's states, then those of empty prompts up to the plan's length.
torch::Tensor TextConditioning::padded(const std::string& prompt, const GeneratePlan& plan) const {
  std::vector<torch::Tensor> states{encoded_.at(source(prompt, plan.request))};
  const std::int64_t own = states.front().size(1) / static_cast<std::int64_t>(tokenizer_->max_length());
  for (std::int64_t i = own; i < chunks(plan); ++i) {
    states.push_back(encoded_.at(source("", plan.request)));
  }
  return torch::cat(states, 1);
}

TextStates TextConditioning::states(const std::vector<GeneratePlan>& plans) const {
  std::vector<torch::Tensor> conditional;
  std::vector<torch::Tensor> unconditional;
  for (const auto& plan : plans) {
    conditional.push_back(padded(plan.request.prompt, plan));
    if (plan.guided) {
      unconditional.push_back(padded(plan.request.negative_prompt, plan));
    }
  }
  return {torch::cat(conditional), unconditional.empty() ? torch::Tensor() : torch::cat(unconditional)};
}

std::vector<std::string> TextConditioning::notices(const std::string& prompt, const std::string& name,
                                                   const GenerateRequest& request) const {
  std::vector<std::string> lines;
  const TokenizedPrompt tokens = tokenizer_->encode(prompt, request.long_prompt);
  if (prompt.find_first_not_of(" \t\r\n") == std::string::npos) {
    lines.emplace_back("the " + name + " is empty: the image is drawn without one");
  }
  if (!tokens.cut.empty()) {
    lines.push_back("the " + name + " is longer than the " + std::to_string(tokenizer_->max_length()) +
                    " tokens this model reads; this was cut: '" + tokens.cut + "'" +
                    (takes_any_text_length(components_.manifest()) ? "; --long-prompt chunk reads it too" : ""));
  }
  if (!tokens.unknown_words.empty()) {
    lines.push_back("this model does not know " + quoted_list(tokens.unknown_words) + " of the " + name +
                    "; `fmboost inspect` lists the words it knows");
  }
  return lines;
}

}  // namespace fmboost
