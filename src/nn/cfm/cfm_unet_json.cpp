#include "nn/cfm/cfm_unet_json.h"

#include <nlohmann/json.hpp>
#include <set>

namespace fmboost {
namespace {

using nlohmann::json;

// The names of the fields, for reading and for writing.
template <typename Options, typename Visitor>
void visit_fields(Options& options, const Visitor& visit) {
  visit("in_channels", options.in_channels);
  visit("model_channels", options.model_channels);
  visit("out_channels", options.out_channels);
  visit("num_res_blocks", options.num_res_blocks);
  visit("attention_resolutions", options.attention_resolutions);
  visit("dropout", options.dropout);
  visit("channel_mult", options.channel_mult);
  visit("conv_resample", options.conv_resample);
  visit("dim_head", options.dim_head);
  visit("num_heads", options.num_heads);
  visit("use_linear_attn", options.use_linear_attn);
  visit("use_scale_shift_norm", options.use_scale_shift_norm);
  visit("pool_factor", options.pool_factor);
}

template <typename T>
void read_field(const JsonReader& reader, const char* name, T& field) {
  field = reader.get<T>(name);
}
void read_field(const JsonReader& reader, const char* name, std::vector<std::int64_t>& field) {
  field = reader.whole_numbers(name);
}

}  // namespace

CfmUnetOptions read_cfm_unet_options(const JsonReader& reader) {
  CfmUnetOptions options;
  std::set<std::string> known;
  visit_fields(options, [&](const char* name, auto& field) {
    known.insert(name);
    if (reader.value().contains(name)) {
      read_field(reader, name, field);
    }
  });
  for (const auto& [name, value] : reader.value().items()) {
    if (!known.contains(name)) {
      throw ModelError(reader.where(name) + ": not an option of the published network");
    }
  }
  try {
    options.check();
  } catch (const ModelError& error) {
    throw ModelError(reader.where() + ": " + error.what());
  }
  return options;
}

CfmUnetOptions parse_cfm_unet_options(const std::string& text, const std::string& origin) {
  return read_cfm_unet_options(JsonReader::parse(text, origin));
}

json to_json(const CfmUnetOptions& options) {
  json result;
  visit_fields(options, [&](const char* name, const auto& field) { result[name] = field; });
  return result;
}

std::string to_json_text(const CfmUnetOptions& options) {
  return to_json(options).dump();
}

}  // namespace fmboost
