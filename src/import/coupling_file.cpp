#include "import/coupling_file.h"

#include <charconv>

#include "fmboost/core/error.h"
#include "fmboost/nn/cfm_unet_options.h"

#include "import/imported_model.h"
#include "import/network_check.h"
#include "nn/cfm/cfm_unet.h"
#include "nn/cfm/cfm_unet_json.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

CfmUnetOptions read_options(const fs::path& file, const std::map<std::string, std::string>& metadata) {
  const auto config = metadata.find("config");
  if (config == metadata.end()) {
    throw ModelError("'" + file.string() + "' has no network configuration in its metadata ('config'); " +
                     "convert the checkpoint with scripts/convert_cfm_checkpoint.py");
  }
  return parse_cfm_unet_options(config->second, file.string() + "', metadata 'config");
}

int read_noising_step(const fs::path& file, const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find("noising_step");
  if (found == metadata.end()) {
    return CouplingSource().noising_step;
  }
  int step = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [parsed, error] = std::from_chars(found->second.data(), end, step);
  if (error != std::errc() || parsed != end || step < -1 || step > 999) {
    throw ModelError("'" + file.string() + "': the noising step in its metadata must be from -1 to 999, found '" +
                     found->second + "'");
  }
  return step;
}

}  // namespace

CouplingSource open_coupling(const fs::path& file, std::int64_t channels) {
  check_weight_file(file);
  WeightFile content = open_weights(file);
  const CfmUnetOptions options = read_options(file, content.metadata);
  const bool fits = options.in_channels == channels || options.in_channels == 2 * channels;
  if (!fits || options.out_channels != channels) {
    throw ModelError(c10::str("'", file.string(), "' was made for other latents: it maps ", options.in_channels,
                              " channels to ", options.out_channels, "; latents of ", channels, " channels need ",
                              2 * channels, " (or ", channels, " without context) to ", channels));
  }
  check_network(*CfmUnet(options), content.tensors, "the coupling network", file.string());
  return {std::move(content.tensors), to_json(options), read_noising_step(file, content.metadata)};
}

json coupling_entries(const CouplingSource& source, const std::vector<std::int64_t>& factors, const std::string& file) {
  json entries = json::array();
  for (const auto factor : factors) {
    entries.push_back({{"file", file},
                       {"factor", factor},
                       {"network", source.network},
                       {"path", "linear"},
                       {"upsampling", "pixel"},
                       {"noising_step", source.noising_step},
                       {"solver", "euler"},
                       {"steps", 4},
                       {"back_projection", 2}});
  }
  return entries;
}

}  // namespace fmboost
