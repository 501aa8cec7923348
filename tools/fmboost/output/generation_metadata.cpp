#include "output/generation_metadata.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/image/decode.h"
#include "fmboost/io/files.h"

namespace fmboost::tool {
namespace {

using nlohmann::json;

constexpr int kSchema = 1;

template <typename T>
void put(json& target, const char* key, const std::optional<T>& value) {
  if (value) {
    target[key] = *value;
  }
}

struct WrongValue : std::exception {};

// JSON's own conversions would cut fractions off and let numbers wrap around.
template <typename Integer>
Integer whole(const json& value) {
  const bool fits = value.is_number_unsigned()  ? std::in_range<Integer>(value.get<std::uint64_t>())
                    : value.is_number_integer() ? std::in_range<Integer>(value.get<std::int64_t>())
                                                : false;
  if (!fits) {
    throw WrongValue();
  }
  return value.get<Integer>();
}

double number(const json& value) {
  return value.is_number() ? value.get<double>() : throw WrongValue();
}

// Each reader takes one key's value into the request.
struct Setting {
  const char* key;
  void (*read)(const json& value, GenerateRequest& request);
};

constexpr Setting kSettings[] = {
    {"prompt", [](const json& v, GenerateRequest& r) { v.get_to(r.prompt); }},
    {"negative_prompt", [](const json& v, GenerateRequest& r) { v.get_to(r.negative_prompt); }},
    {"long_prompt", [](const json& v, GenerateRequest& r) { r.long_prompt = parse_enum<LongPrompt>(v.get<std::string>()); }},
    {"clip_skip", [](const json& v, GenerateRequest& r) { r.clip_skip = whole<int>(v); }},
    {"seed", [](const json& v, GenerateRequest& r) { r.seed = whole<std::uint64_t>(v); }},
    {"size",
     [](const json& v, GenerateRequest& r) { r.size = parse_size(v.is_number() ? v.dump() : v.get<std::string>()); }},
    {"base_size", [](const json& v, GenerateRequest& r) { r.base_size = parse_size(v.get<std::string>()); }},
    {"steps", [](const json& v, GenerateRequest& r) { r.steps = whole<int>(v); }},
    {"guidance", [](const json& v, GenerateRequest& r) { r.guidance = number(v); }},
    {"sampler", [](const json& v, GenerateRequest& r) { r.sampler = v.get<std::string>(); }},
    {"karras", [](const json& v, GenerateRequest& r) { r.karras = v.get<bool>(); }},
    {"upscale", [](const json& v, GenerateRequest& r) { r.upscale = v.get<bool>(); }},
    {"flow_steps", [](const json& v, GenerateRequest& r) { r.flow.steps = whole<int>(v); }},
    {"flow_solver", [](const json& v, GenerateRequest& r) { r.flow.solver = v.get<std::string>(); }},
    {"flow_diffusion",
     [](const json& v, GenerateRequest& r) {
       r.flow.diffusion_form = parse_enum<DiffusionForm>(v.get<std::string>());
     }},
    {"flow_diffusion_norm", [](const json& v, GenerateRequest& r) { r.flow.diffusion_norm = number(v); }},
    {"flow_noise", [](const json& v, GenerateRequest& r) { r.flow.noising_step = whole<int>(v); }},
    {"fidelity", [](const json& v, GenerateRequest& r) { r.flow.fidelity = number(v); }},
    {"back_project", [](const json& v, GenerateRequest& r) { r.flow.back_projection = whole<int>(v); }},
    {"coupling", [](const json& v, GenerateRequest& r) { r.flow.upsampling = parse_enum<Upsampling>(v.get<std::string>()); }},
};

json identity_json(const ModelIdentity& model) {
  return {{"name", model.name}, {"hash", model.hash}};
}

ModelIdentity read_identity(const json& value) {
  return {value.at("name").get<std::string>(), value.at("hash").get<std::string>()};
}

std::string sampler_title(const GeneratePlan& plan) {
  static const std::pair<const char*, const char*> kTitles[] = {
      {"lcm", "LCM"}, {"ddim", "DDIM"}, {"euler", "Euler"}, {"euler-a", "Euler a"}, {"dpm++2m", "DPM++ 2M"}};
  std::string title = plan.sampler;
  for (const auto& [name, text] : kTitles) {
    if (plan.sampler == name) {
      title = text;
    }
  }
  return plan.karras ? title + " Karras" : title;
}

// As A1111 writes values that would break its comma-separated list.
std::string quoted(const std::string& value) {
  return value.find_first_of(",:\n\"") == std::string::npos ? value : json(value).dump();
}

std::string number_text(double value) {
  std::string text = json(value).dump();
  return text.size() > 2 && text.substr(text.size() - 2) == ".0" ? text.substr(0, text.size() - 2) : text;
}

}  // namespace

json settings_json(const GenerateRequest& request) {
  json result = {{"prompt", request.prompt},
                 {"negative_prompt", request.negative_prompt},
                 {"seed", request.seed},
                 {"upscale", request.upscale}};
  if (request.size) {
    result["size"] = to_string(*request.size);
  }
  if (request.base_size) {
    result["base_size"] = to_string(*request.base_size);
  }
  if (request.long_prompt != GenerateRequest{}.long_prompt) {
    result["long_prompt"] = enum_name(request.long_prompt);
  }
  put(result, "clip_skip", request.clip_skip);
  put(result, "steps", request.steps);
  put(result, "guidance", request.guidance);
  put(result, "sampler", request.sampler);
  put(result, "karras", request.karras);
  put(result, "flow_steps", request.flow.steps);
  put(result, "flow_solver", request.flow.solver);
  if (request.flow.diffusion_form) {
    result["flow_diffusion"] = enum_name(*request.flow.diffusion_form);
  }
  put(result, "flow_diffusion_norm", request.flow.diffusion_norm);
  put(result, "flow_noise", request.flow.noising_step);
  put(result, "fidelity", request.flow.fidelity);
  put(result, "back_project", request.flow.back_projection);
  if (request.flow.upsampling) {
    result["coupling"] = enum_name(*request.flow.upsampling);
  }
  return result;
}

void read_settings(const json& source, const std::string& origin, GenerateRequest& request) {
  for (const auto& [key, value] : source.items()) {
    const auto* const found = std::find_if(std::begin(kSettings), std::end(kSettings),
                                           [&, name = key](const Setting& s) { return name == s.key; });
    if (found == std::end(kSettings)) {
      std::string known;
      for (const auto& setting : kSettings) {
        known += std::string(known.empty() ? "" : ", ") + setting.key;
      }
      throw UsageError(origin + ": unknown setting '" + key + "'; known are " + known);
    }
    try {
      found->read(value, request);
    } catch (const UsageError& error) {
      throw UsageError(origin + ": " + error.what());
    } catch (const std::exception&) {
      throw UsageError(origin + ": '" + key + "' cannot be " +
                       value.dump(-1, ' ', false, json::error_handler_t::replace));
    }
  }
}

std::string to_text(const GenerationMetadata& metadata) {
  json body = {{"command", "generate"},
               {"version", FMBOOST_VERSION},
               {"settings", settings_json(metadata.request)},
               {"model", identity_json(metadata.model)},
               {"upscaler", metadata.upscaler ? identity_json(*metadata.upscaler) : json()},
               {"device", metadata.device},
               {"dtype", metadata.dtype},
               {"threads", metadata.threads},
               {"tile", metadata.tiles.automatic ? json("auto") : json(metadata.tiles.size)},
               {"tile_overlap", metadata.tiles.overlap},
               {"quality", metadata.quality}};
  // "schema" comes first, so that the text can be told from others'.
  return "{\"schema\":" + std::to_string(kSchema) + "," + body.dump(-1, ' ', /*ensure_ascii=*/true).substr(1);
}

GenerationMetadata parse_generation_metadata(const std::string& text, const std::string& origin) {
  try {
    const json source = json::parse(text);
    const int schema = source.at("schema").get<int>();
    if (schema > kSchema) {
      throw UsageError("'" + origin + "' was made by a newer fmboost (schema " + std::to_string(schema) +
                       ", known is " + std::to_string(kSchema) + ")");
    }
    if (source.at("command") != "generate") {
      throw UsageError("'" + origin + "' was made by `fmboost " + source.at("command").get<std::string>() +
                       "`; only an image that `generate` made can be made again");
    }
    GenerationMetadata metadata;
    read_settings(source.at("settings"), origin, metadata.request);
    metadata.model = read_identity(source.at("model"));
    if (!source.at("upscaler").is_null()) {
      metadata.upscaler = read_identity(source.at("upscaler"));
    }
    source.at("device").get_to(metadata.device);
    source.at("dtype").get_to(metadata.dtype);
    source.at("threads").get_to(metadata.threads);
    metadata.tiles.automatic = source.at("tile").is_string();
    metadata.tiles.size = metadata.tiles.automatic ? 0 : source.at("tile").get<std::int64_t>();
    source.at("tile_overlap").get_to(metadata.tiles.overlap);
    source.at("quality").get_to(metadata.quality);
    return metadata;
  } catch (const json::exception&) {
    throw UsageError("the fmboost data in '" + origin + "' are damaged");
  }
}

GenerationMetadata read_generation_metadata(const std::filesystem::path& file) {
  const Image image = decode_image(read_file(file), file.string());
  for (const auto& [keyword, text] : image.metadata.text) {
    if (keyword == "fmboost") {
      return parse_generation_metadata(text, file.string());
    }
  }
  throw UsageError("'" + file.string() +
                   "' holds no fmboost data: it was made by another program, or they were stripped");
}

std::string parameters_text(const GeneratePlan& plan, const GenerationMetadata& metadata) {
  std::string text = plan.request.prompt + "\n";
  if (!plan.request.negative_prompt.empty()) {
    text += "Negative prompt: " + plan.request.negative_prompt + "\n";
  }
  text += "Steps: " + std::to_string(plan.steps) + ", Sampler: " + sampler_title(plan) +
          ", CFG scale: " + number_text(plan.guidance) + ", Seed: " + std::to_string(plan.request.seed) +
          ", Size: " + to_string(plan.chain.low) + ", Model hash: " + metadata.model.hash.substr(0, 10) +
          ", Model: " + quoted(metadata.model.name) +
          (plan.request.clip_skip ? ", Clip skip: " + std::to_string(*plan.request.clip_skip) : "") + ", RNG: CPU";
  if (!plan.couplings.empty()) {
    const CouplingEntry& coupling = plan.couplings.back();
    text += ", Hires resize: " + to_string(plan.size) + ", Flow steps: " + std::to_string(coupling.steps) +
            ", Flow solver: " + coupling.solver;
    text += plan.request.flow.fidelity ? ", Fidelity: " + number_text(*plan.request.flow.fidelity) : "";
  }
  return text + ", Version: fmboost " + FMBOOST_VERSION;
}

}  // namespace fmboost::tool
