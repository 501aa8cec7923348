#include "import/esrgan_names.h"

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

// The tensors under a wrapper that training code puts around a state dict.
Weights unwrapped(Weights tensors) {
  for (const char* prefix : {"params_ema.", "params.", "state_dict.", "module."}) {
    if (Weights inner = take_prefix(tensors, prefix); !inner.empty()) {
      return inner;
    }
  }
  return tensors;
}

bool has(const Weights& tensors, const std::string& name) {
  return tensors.contains(name);
}

std::int64_t size_of(const Weights& tensors, const std::string& name, std::size_t dimension,
                     const std::string& origin) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || dimension >= found->second.shape.size()) {
    throw ModelError("'" + origin + "' lacks the tensor '" + name + "' of an ESRGAN network");
  }
  return found->second.shape[dimension];
}

Weights renamed_with(Weights tensors, const std::function<std::string(const std::string&)>& rename) {
  Weights result;
  for (auto& [name, weight] : tensors) {
    put(result, rename(name), std::move(weight));
  }
  return result;
}

// model.0, model.1.sub.N, and behind them convolutions at indices that depend on the scale: one for each doubling, then
// two at full size.
Weights from_first_esrgan(Weights tensors) {
  static const std::regex convolution(R"(model\.(\d+)\.(weight|bias))");
  static const std::regex block(R"(model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.(weight|bias))");
  static const std::regex trunk(R"(model\.1\.sub\.\d+\.(weight|bias))");
  std::set<int> indices;
  std::smatch match;
  for (const auto& [name, weight] : tensors) {
    if (std::regex_match(name, match, convolution)) {
      indices.insert(std::stoi(match[1].str().substr(0, 4)));
    }
  }
  std::map<int, std::string> names;
  int position = 0;
  const int last = static_cast<int>(indices.size()) - 1;
  for (const int index : indices) {
    names[index] = position == 0          ? "conv_first"
                   : position == last     ? "conv_last"
                   : position == last - 1 ? "conv_hr"
                                          : "conv_up" + std::to_string(position);
    ++position;
  }
  return renamed_with(std::move(tensors), [&](const std::string& name) {
    std::smatch parts;
    if (std::regex_match(name, parts, block)) {
      return "body." + parts[1].str() + ".rdb" + parts[2].str() + ".conv" + parts[3].str() + "." + parts[4].str();
    }
    if (std::regex_match(name, parts, trunk)) {
      return "conv_body." + parts[1].str();
    }
    if (std::regex_match(name, parts, convolution)) {
      return names.at(std::stoi(parts[1].str().substr(0, 4))) + "." + parts[2].str();
    }
    return name;
  });
}

Weights from_early_basicsr(Weights tensors) {
  static const std::vector<std::pair<std::regex, std::string>> rules = {
      {std::regex(R"(^RRDB_trunk\.(\d+)\.RDB(\d)\.)"), "body.$1.rdb$2."},
      {std::regex(R"(^trunk_conv\.)"), "conv_body."},
      {std::regex(R"(^upconv(\d)\.)"), "conv_up$1."},
      {std::regex(R"(^HRconv\.)"), "conv_hr."}};
  return renamed_with(std::move(tensors), [&](std::string name) {
    for (const auto& [pattern, replacement] : rules) {
      name = std::regex_replace(name, pattern, replacement);
    }
    return name;
  });
}

// The square root of `squares` if it is 1, 2, 3 or 4; else 0.
std::int64_t side_of(std::int64_t squares) {
  for (const std::int64_t side : {1, 2, 3, 4, 8}) {
    if (side * side == squares) {
      return side;
    }
  }
  return 0;
}

RrdbNetOptions rrdb_options(const Weights& tensors, const std::string& origin) {
  RrdbNetOptions options;
  options.features = size_of(tensors, "conv_first.weight", 0, origin);
  options.channels = size_of(tensors, "conv_last.weight", 0, origin);
  options.growth = size_of(tensors, "body.0.rdb1.conv1.weight", 0, origin);
  const std::int64_t squares = size_of(tensors, "conv_first.weight", 1, origin);
  options.pixel_unshuffle = side_of(squares / std::max<std::int64_t>(options.channels, 1));
  options.blocks = 0;
  while (has(tensors, c10::str("body.", options.blocks, ".rdb1.conv1.weight"))) {
    ++options.blocks;
  }
  options.upsamplings = 0;
  while (has(tensors, c10::str("conv_up", options.upsamplings + 1, ".weight"))) {
    ++options.upsamplings;
  }
  return options;
}

SrvggNetOptions srvgg_options(const Weights& tensors, const std::string& origin) {
  SrvggNetOptions options;
  options.features = size_of(tensors, "body.0.weight", 0, origin);
  options.channels = size_of(tensors, "body.0.weight", 1, origin);
  std::int64_t last = 0;
  while (has(tensors, c10::str("body.", last + 2, ".weight"))) {
    last += 2;
  }
  options.convolutions = last / 2 - 1;
  options.scale = side_of(size_of(tensors, c10::str("body.", last, ".weight"), 0, origin) /
                          std::max<std::int64_t>(options.channels, 1));
  return options;
}

bool matches_any(const Weights& tensors, const std::string& part) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const auto& item) { return item.first.find(part) != std::string::npos; });
}

}  // namespace

std::optional<EsrganWeights> esrgan_weights(Weights tensors, const std::string& origin) {
  tensors = unwrapped(std::move(tensors));
  if (matches_any(tensors, "model.1.sub.0.RDB1.")) {
    tensors = from_first_esrgan(std::move(tensors));
  } else if (matches_any(tensors, "RRDB_trunk.0.RDB1.")) {
    tensors = from_early_basicsr(std::move(tensors));
  }
  if (has(tensors, "body.0.rdb1.conv1.weight")) {
    const RrdbNetOptions options = rrdb_options(tensors, origin);
    options.check();
    return EsrganWeights{std::move(tensors), options};
  }
  const auto slope = tensors.find("body.1.weight");
  if (has(tensors, "body.0.weight") && slope != tensors.end() && slope->second.shape.size() == 1) {
    const SrvggNetOptions options = srvgg_options(tensors, origin);
    options.check();
    return EsrganWeights{std::move(tensors), options};
  }
  return std::nullopt;
}

}  // namespace fmboost
