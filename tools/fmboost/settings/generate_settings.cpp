#include "settings/generate_settings.h"

#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/core/random.h"
#include "fmboost/diffusion/sampler.h"

#include "cli/option_groups.h"

namespace fmboost::tool {
namespace {

using nlohmann::json;
using Request = Setting<GenerateRequest>;

std::string joined_samplers() {
  std::string text;
  for (const auto& name : sampler_names()) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

// On the command line a negative seed stands for a random one.
json parse_seed(const std::string& argument) {
  const json value = argument_to_json(argument, "INT");
  if (value.is_number_unsigned() || value.get<std::int64_t>() >= 0) {
    return value;
  }
  const std::uint64_t seed = random_seed();
  log_info("random seed " + std::to_string(seed));
  return seed;
}

std::vector<Request> prompt_settings() {
  std::vector<Request> table{
      make_setting<GenerateRequest>(
          {.name = "prompt",
           .group = kPromptGroup,
           .help = "Text prompt (empty: unconditional)",
           .flags = "-p,--prompt"},
          [](auto& r) -> auto& { return r.prompt; }),
      make_setting<GenerateRequest>(
          {.name = "negative_prompt",
           .group = kPromptGroup,
           .help = "Negative prompt (used only with guidance > 1)",
           .flags = "-n,--negative-prompt"},
          [](auto& r) -> auto& { return r.negative_prompt; }),
      make_setting<GenerateRequest>(
          {.name = "long_prompt",
           .group = kPromptGroup,
           .help = "How to handle prompts longer than the text encoder's limit: truncate, or chunk (encode them in "
                   "chunks; native models only)",
           .shown = enum_name(GenerateRequest{}.long_prompt)},
          [](auto& r) -> auto& { return r.long_prompt; }),
      make_setting<GenerateRequest>(
          {.name = "clip_skip",
           .group = kPromptGroup,
           .help = "Layer of the CLIP text encoder to use: 1 is the last, 2 the one before "
                   "it, ... (default: the bundle's)"},
          [](auto& r) -> auto& { return r.clip_skip; })};
  return table;
}

std::vector<Request> size_settings() {
  return {make_setting<GenerateRequest>(
              {.name = "size",
               .group = kSizeGroup,
               .help = "Final size: N (square) or WxH (default: " + std::to_string(kDefaultSide) +
                       " if the bundle has couplings, otherwise the model's native size)"},
              [](auto& r) -> auto& { return r.size; }),
          make_setting<GenerateRequest>(
              {.name = "base_size",
               .group = kSizeGroup,
               .help = "Size of the low-resolution image, N or WxH (default: derived from "
                       "--size)"},
              [](auto& r) -> auto& { return r.base_size; })};
}

std::vector<Request> sampling_settings() {
  std::vector<Request> table{
      make_setting<GenerateRequest>(
          {.name = "seed",
           .group = kSamplingGroup,
           .help = "Random seed; negative: choose one at random and report it",
           .flags = "-s,--seed",
           .shown = std::to_string(GenerateRequest{}.seed)},
          [](auto& r) -> auto& { return r.seed; }),
      make_setting<GenerateRequest>(
          {.name = "steps", .group = kSamplingGroup, .help = "Denoising steps (default: the bundle's)"},
          [](auto& r) -> auto& { return r.steps; }),
      make_setting<GenerateRequest>(
          {.name = "guidance",
           .group = kSamplingGroup,
           .help = "Guidance scale; 1 or less: no guidance (default: the bundle's)",
           .flags = "--guidance,--cfg-scale"},
          [](auto& r) -> auto& { return r.guidance; }),
      make_setting<GenerateRequest>(
          {.name = "sampler", .group = kSamplingGroup, .help = joined_samplers() + " (default: the bundle's)"},
          [](auto& r) -> auto& { return r.sampler; }),
      make_setting<GenerateRequest>(
          {.name = "karras",
           .group = kSamplingGroup,
           .help = "Use Karras noise levels (euler and dpm++2m only)",
           .flags = "--karras,!--no-karras"},
          [](auto& r) -> auto& { return r.karras; }),
      make_setting<GenerateRequest>(
          {.name = "eta",
           .group = kSamplingGroup,
           .help = "Share of fresh noise in each step of tcd, 0 (none) to 1 (default: 0.3)"},
          [](auto& r) -> auto& { return r.eta; }),
      make_setting<GenerateRequest>(
          {.name = "timestep_spacing",
           .group = kSamplingGroup,
           .help = "Timesteps of the sampler: linspace, leading or trailing (default: the bundle's); trailing for "
                   "models distilled to few steps"},
          [](auto& r) -> auto& { return r.timestep_spacing; })};
  table.front().parse = parse_seed;
  return table;
}

template <typename Target>
void append(std::vector<Setting<Target>>& table, std::vector<Setting<Target>> more) {
  table.insert(table.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::vector<Request> make_request_settings() {
  std::vector<Request> table = prompt_settings();
  append(table, size_settings());
  append(table, sampling_settings());
  table.push_back(make_setting<GenerateRequest>(
      {.name = "upscale",
       .group = kUpscalingGroup,
       .help = "Stop at low resolution; --size then gives the size of that image",
       .negated = true},
      [](auto& r) -> auto& { return r.upscale; }));
  append(table, settings_of_part(flow_settings(), &GenerateRequest::flow));
  return table;
}

std::vector<Setting<FlowOptions>> make_flow_settings() {
  return {
      make_setting<FlowOptions>(
          {.name = "fidelity",
           .group = kUpscalingGroup,
           .help = "From 0 (generative: maximum noise, no back-projection) to 1 (faithful: no "
                   "noise, maximum back-projection); --flow-noise and --back-project override "
                   "it (default: the bundle's)"},
          [](auto& f) -> auto& { return f.fidelity; }),
      make_setting<FlowOptions>(
          {.name = "flow_steps", .group = kUpscalingGroup, .help = "Solver steps per coupling (default: the bundle's)"},
          [](auto& f) -> auto& { return f.steps; }),
      make_setting<FlowOptions>(
          {.name = "flow_solver",
           .group = kUpscalingGroup,
           .help = list_choices(flow_solver_names()) + " (default: the bundle's)"},
          [](auto& f) -> auto& { return f.solver; }),
      make_setting<FlowOptions>(
          {.name = "flow_diffusion",
           .group = kUpscalingGroup,
           .help = "Diffusion form of the SDE solvers: " + list_choices(enum_names<DiffusionForm>()) +
                   " (default: the bundle's, otherwise sigma)"},
          [](auto& f) -> auto& { return f.diffusion_form; }),
      make_setting<FlowOptions>(
          {.name = "flow_diffusion_norm",
           .group = kUpscalingGroup,
           .help = "Factor of the diffusion form; 0: no noise (default: the bundle's, otherwise 1)"},
          [](auto& f) -> auto& { return f.diffusion_norm; }),
      make_setting<FlowOptions>(
          {.name = "flow_noise",
           .group = kUpscalingGroup,
           .help = "Noising step from which the flow starts, out of 1000; 0: no noise (default: "
                   "the bundle's)"},
          [](auto& f) -> auto& { return f.noising_step; }),
      make_setting<FlowOptions>(
          {.name = "back_project",
           .group = kUpscalingGroup,
           .help = "Rounds of back-projection, which make the result match the input when "
                   "downsampled (default: the bundle's)"},
          [](auto& f) -> auto& { return f.back_projection; }),
      make_setting<FlowOptions>(
          {.name = "upsampling",
           .group = kUpscalingGroup,
           .help = "Where to upsample the input: pixel (pixel-space upsampling, PSU) or latent "
                   "(latent-space upsampling, LSU) (default: the bundle's)"},
          [](auto& f) -> auto& { return f.upsampling; }),
  };
}

json tile_to_json(const TileOptions& tiles) {
  return tiles.automatic ? json("auto") : json(tiles.size);
}

void read_tile(const json& value, TileOptions& tiles) {
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  const bool digits = !text.empty() && text.size() < 6 && text.find_first_not_of("0123456789") == std::string::npos;
  const bool whole = text == "off" || (value.is_number() && text == "0");
  if (text != "auto" && !whole && (!digits || text == "0")) {
    throw UsageError("`tile` must be auto, off or a number of pixels, not '" + text + "'");
  }
  tiles.automatic = text == "auto";
  tiles.size = tiles.automatic || whole ? 0 : std::stoll(text);
}

std::vector<Setting<TileOptions>> make_tile_settings() {
  std::vector<Setting<TileOptions>> table{
      {.text = {.name = "tile",
                .group = kUpscalingGroup,
                .help = "Tile side for large images: auto (tiles only if the image does not fit into memory), off, or "
                        "pixels",
                .shown = "auto"},
       .type = "TEXT",
       .read = read_tile,
       .write = tile_to_json,
       .parse = [](const std::string& argument) { return json(argument); }},
      make_setting<TileOptions>(
          {.name = "tile_overlap",
           .group = kUpscalingGroup,
           .help = "Minimum overlap of neighboring tiles in pixels (TorchScript networks only; "
                   "native networks need none)",
           .shown = std::to_string(TileOptions{}.overlap)},
          [](auto& t) -> auto& { return t.overlap; })};
  return table;
}

}  // namespace

const std::vector<Request>& request_settings() {
  static const std::vector<Request> table = make_request_settings();
  return table;
}

const std::vector<Setting<FlowOptions>>& flow_settings() {
  static const std::vector<Setting<FlowOptions>> table = make_flow_settings();
  return table;
}

const std::vector<Setting<TileOptions>>& tile_settings() {
  static const std::vector<Setting<TileOptions>> table = make_tile_settings();
  return table;
}

void read_settings(const json& source, const std::string& origin, GenerateRequest& request) {
  const auto& table = request_settings();
  for (const auto& [key, value] : source.items()) {
    const auto found =
        std::find_if(table.begin(), table.end(), [&, name = key](const Request& s) { return name == s.text.name; });
    if (found == table.end()) {
      std::string known;
      for (const auto& setting : table) {
        known += (known.empty() ? "" : ", ") + setting.text.name;
      }
      throw UsageError(origin + ": unknown setting '" + key + "'; known settings: " + known);
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

}  // namespace fmboost::tool
