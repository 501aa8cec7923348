#include <regex>
#include <set>

#include "import/lora/lora.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

bool contains_pattern(const std::string& text, const std::string& pattern) {
  return std::regex_search(text, std::regex(pattern, std::regex::icase));
}

std::string word(const std::string& letters) {
  return "(^|[^a-z])" + letters + "([^a-z]|$)";
}

// "8steps", "8-step", "8 Steps"
std::optional<int> steps_in(const std::string& text) {
  std::smatch found;
  if (std::regex_search(text, found, std::regex("(^|[^0-9])([0-9]{1,2})[ _-]?steps?", std::regex::icase))) {
    const int steps = std::stoi(found[2].str());
    return steps > 0 ? std::optional(steps) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<FewSteps> named(const std::string& text) {
  constexpr std::size_t kLongest = 1000;
  if (text.size() > kLongest) {
    return std::nullopt;
  }
  const auto steps = steps_in(text);
  if (contains_pattern(text, "(^|[^a-z])hyper[ _-]?sd")) {
    // Its one-step adapters, and those without a number of steps, are made for TCD; the others for trailing DDIM.
    return steps.value_or(1) == 1 ? FewSteps{"a Hyper-SD LoRA", "tcd", false, steps}
                                  : FewSteps{"a Hyper-SD LoRA", "ddim", true, steps};
  }
  if (contains_pattern(text, word("pcm"))) {
    return FewSteps{"a PCM LoRA", "ddim", true, steps ? steps : std::optional(4)};
  }
  if (contains_pattern(text, word("tcd"))) {
    return FewSteps{"a TCD LoRA", "tcd", false, steps};
  }
  if (contains_pattern(text, word("lcm"))) {
    return FewSteps{"an LCM-LoRA", "lcm", false, std::nullopt};
  }
  return std::nullopt;
}

bool has_generic_name(const fs::path& file) {
  const std::string stem = file.stem().string();
  return stem == "pytorch_lora_weights" || stem == "adapter_model";
}

}  // namespace

// Published files are named lcm-lora-sdv1-5.safetensors or Hyper-SD15-8steps-lora.safetensors, or
// pytorch_lora_weights.safetensors in a folder of such a name. Trainers write a title, a name and tags into the
// metadata.
std::optional<FewSteps> few_steps_of(const fs::path& file, const std::map<std::string, std::string>& metadata) {
  static const std::set<std::string> kTitles{"title", "name", "modelspec.title", "modelspec.tags", "ss_output_name"};
  const fs::path whole = fs::absolute(file);
  if (auto found = named(whole.filename().string())) {
    return found;
  }
  const std::string folder = whole.parent_path().filename().string();
  if (has_generic_name(whole) && contains_pattern(folder, "lora|hyper[ _-]?sd")) {
    if (auto found = named(folder)) {
      return found;
    }
  }
  for (const auto& [key, value] : metadata) {
    if (auto found = kTitles.contains(key) ? named(value) : std::nullopt) {
      return found;
    }
  }
  return std::nullopt;
}

}  // namespace fmboost
