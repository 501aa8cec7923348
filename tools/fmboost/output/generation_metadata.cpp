#include "output/generation_metadata.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/image/decode.h"
#include "fmboost/io/files.h"

#include "settings/generate_settings.h"

namespace fmboost::tool {
namespace {

using nlohmann::json;

constexpr int kSchema = 1;

// All settings of a table; a missing or mistyped one throws.
template <typename Target>
void read_all(const json& source, const std::vector<Setting<Target>>& settings, Target& target) {
  for (const auto& setting : settings) {
    setting.read(source.at(setting.text.name), target);
  }
}

json identity_json(const ModelIdentity& model) {
  return {{"name", model.name}, {"hash", model.hash}};
}

ModelIdentity read_identity(const json& value) {
  return {value.at("name").get<std::string>(), value.at("hash").get<std::string>()};
}

std::string sampler_title(const GeneratePlan& plan) {
  static const std::pair<const char*, const char*> kTitles[] = {{"lcm", "LCM"},         {"tcd", "TCD"},
                                                                {"ddim", "DDIM"},       {"euler", "Euler"},
                                                                {"euler-a", "Euler a"}, {"dpm++2m", "DPM++ 2M"}};
  std::string title = plan.sampler;
  for (const auto& [name, text] : kTitles) {
    if (plan.sampler == name) {
      title = text;
    }
  }
  return plan.karras ? title + " Karras" : title;
}

// Quotes values that would break the comma-separated list, as A1111 does.
std::string quoted(const std::string& value) {
  return value.find_first_of(",:\n\"") == std::string::npos ? value : json(value).dump();
}

std::string shortest_number(double value) {
  std::string text = json(value).dump();
  return text.size() > 2 && text.substr(text.size() - 2) == ".0" ? text.substr(0, text.size() - 2) : text;
}

}  // namespace

std::string to_text(const GenerationMetadata& metadata) {
  json body = {{"command", "generate"},
               {"version", FMBOOST_VERSION},
               {"settings", settings_to_json(request_settings(), metadata.request)},
               {"model", identity_json(metadata.model)},
               {"upscaler", metadata.upscaler ? identity_json(*metadata.upscaler) : json()}};
  body.update(settings_to_json(run_settings(), metadata.run));
  body.update(settings_to_json(tile_settings(), metadata.tiles));
  body.update(settings_to_json(quality_settings(), metadata.output));
  // "schema" comes first: decode_image() recognizes the text by it in EXIF.
  return "{\"schema\":" + std::to_string(kSchema) + "," + body.dump(-1, ' ', /*ensure_ascii=*/true).substr(1);
}

GenerationMetadata parse_generation_metadata(const std::string& text, const std::string& origin) {
  const auto fail_damaged = [&]() { throw UsageError("the fmboost metadata in '" + origin + "' are damaged"); };
  GenerationMetadata metadata;
  try {
    const json source = json::parse(text);
    const int schema = source.at("schema").get<int>();
    if (schema > kSchema) {
      throw UsageError("'" + origin + "' was made by a newer fmboost (schema " + std::to_string(schema) +
                       "; the newest supported one is " + std::to_string(kSchema) + ")");
    }
    if (source.at("command") != "generate") {
      throw UsageError("'" + origin + "' was made by `fmboost " + source.at("command").get<std::string>() +
                       "`; only images made by `generate` can be generated again");
    }
    read_settings(source.at("settings"), origin, metadata.request);
    metadata.model = read_identity(source.at("model"));
    if (!source.at("upscaler").is_null()) {
      metadata.upscaler = read_identity(source.at("upscaler"));
    }
    read_all(source, run_settings(), metadata.run);
    read_all(source, tile_settings(), metadata.tiles);
    read_all(source, quality_settings(), metadata.output);
  } catch (const json::exception&) {
    fail_damaged();
  } catch (const WrongValue&) {
    fail_damaged();
  }
  return metadata;
}

GenerationMetadata read_generation_metadata(const std::filesystem::path& file) {
  for (const auto& [keyword, text] : read_metadata(read_file(file), file.string()).text) {
    if (keyword == "fmboost") {
      return parse_generation_metadata(text, file.string());
    }
  }
  throw UsageError("'" + file.string() +
                   "' has no fmboost metadata: another program made it, or its metadata were stripped");
}

std::string parameters_text(const GeneratePlan& plan, const GenerationMetadata& metadata) {
  std::string text = plan.request.prompt + "\n";
  if (!plan.request.negative_prompt.empty()) {
    text += "Negative prompt: " + plan.request.negative_prompt + "\n";
  }
  text += "Steps: " + std::to_string(plan.steps) + ", Sampler: " + sampler_title(plan) +
          ", CFG scale: " + shortest_number(plan.guidance) + ", Seed: " + std::to_string(plan.request.seed) +
          ", Size: " + to_string(plan.chain.low) + ", Model hash: " + metadata.model.hash.substr(0, 10) +
          ", Model: " + quoted(metadata.model.name) +
          (plan.request.clip_skip ? ", Clip skip: " + std::to_string(*plan.request.clip_skip) : "") + ", RNG: CPU";
  if (plan.pixel_upscaling) {
    text += ", Hires resize: " + to_string(plan.size);
    text += plan.request.flow.fidelity ? ", Fidelity: " + shortest_number(*plan.request.flow.fidelity) : "";
  }
  if (!plan.couplings.empty()) {
    const CouplingEntry& coupling = plan.couplings.back();
    text += ", Hires resize: " + to_string(plan.size) + ", Flow steps: " + std::to_string(coupling.steps) +
            ", Flow solver: " + coupling.solver;
    text += plan.request.flow.fidelity ? ", Fidelity: " + shortest_number(*plan.request.flow.fidelity) : "";
  }
  return text + ", Version: fmboost " + FMBOOST_VERSION;
}

}  // namespace fmboost::tool
