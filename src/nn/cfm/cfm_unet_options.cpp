#include "fmboost/nn/cfm_unet_options.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

using nlohmann::json;

void require(bool condition, const std::string& field, const std::string& needed) {
  if (!condition) {
    throw ModelError("CFM network configuration: " + field + " must be " + needed);
  }
}

// One place that names the fields, for reading and for writing.
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

// Whether a value is of a field's type, and that type in words. Stricter than the library, which turns true into 1 and
// 2.5 into 2.
struct TypeMatch {
  bool fits;
  const char* needed;
};
TypeMatch match_type(const json& value, std::int64_t) {
  return {value.is_number_integer(), "a whole number"};
}
TypeMatch match_type(const json& value, double) {
  return {value.is_number(), "a number"};
}
TypeMatch match_type(const json& value, bool) {
  return {value.is_boolean(), "true or false"};
}
TypeMatch match_type(const json& value, const std::vector<std::int64_t>&) {
  const bool whole = std::all_of(value.begin(), value.end(), [](const json& item) { return item.is_number_integer(); });
  return {value.is_array() && whole, "a list of whole numbers"};
}

}  // namespace

void CfmUnetOptions::check() const {
  const auto size = [](std::int64_t value, const char* field) {
    require(value > 0 && value <= 65536, field, "between 1 and 65536, found " + std::to_string(value));
  };
  size(in_channels, "in_channels");
  size(model_channels, "model_channels");
  size(out_channels, "out_channels");
  size(num_res_blocks, "num_res_blocks");
  size(dim_head, "dim_head");
  size(num_heads, "num_heads");
  require(model_channels % 32 == 0, "model_channels",
          "a multiple of 32 (the norms have 32 groups), found " + std::to_string(model_channels));
  require(!channel_mult.empty() && channel_mult.size() <= 12, "channel_mult", "a list of 1 to 12 levels");
  for (const auto mult : channel_mult) {
    size(mult, "channel_mult");
  }
  require(dropout >= 0.0 && dropout < 1.0, "dropout", "at least 0 and less than 1");
  require(pool_factor <= 64, "pool_factor", "at most 64");
  require(pool_factor <= 1 || channel_mult.front() == 1, "channel_mult", "1 at its first level when pooling");
}

std::int64_t CfmUnetOptions::size_multiple() const {
  return (std::int64_t{1} << (channel_mult.size() - 1)) * std::max<std::int64_t>(pool_factor, 1);
}

CfmUnetOptions cfm_unet_options_from_json(const json& source) {
  CfmUnetOptions options;
  require(source.is_object(), "it", "a JSON object");
  std::size_t known = 0;
  visit_fields(options, [&](const char* name, auto& field) {
    if (const auto found = source.find(name); found != source.end()) {
      ++known;
      const auto [fits, needed] = match_type(*found, field);
      require(fits, name, std::string(needed) + ", found " + found->dump());
      found->get_to(field);
    }
  });
  if (known != source.size()) {
    const json valid = to_json(options);
    for (const auto& [name, value] : source.items()) {
      require(valid.contains(name), "'" + name + "'", "left out: it is not an option of the published network");
    }
  }
  options.check();
  return options;
}

json to_json(const CfmUnetOptions& options) {
  json result;
  visit_fields(options, [&](const char* name, const auto& field) { result[name] = field; });
  return result;
}

}  // namespace fmboost
