#include <ATen/Parallel.h>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <torch/cuda.h>

#include "fmboost/core/memory_probe.h"
#include "fmboost/core/placement.h"

#include "cli/common_options.h"
#include "cli/option_groups.h"
#include "commands/command.h"

namespace fmboost::tool {
namespace {

using nlohmann::json;

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) == 0) {
      return line.substr(line.find(':') + 2);
    }
  }
  return "unknown";
}

json describe_devices() {
  const Placement automatic = resolve_placement("auto", "auto");
  json result = {{"auto", to_string(automatic)}, {"devices", json::array()}};
  result["devices"].push_back({{"name", "cpu"},
                               {"model", cpu_name()},
                               {"threads", at::get_num_threads()},
                               {"fast_bfloat16", cpu_has_fast_bfloat16()},
                               {"available_memory", available_memory(torch::kCPU)}});
  for (int i = 0; i < static_cast<int>(torch::cuda::device_count()); ++i) {
    const torch::Device device(torch::kCUDA, static_cast<torch::DeviceIndex>(i));
    result["devices"].push_back({{"name", device.str()}, {"available_memory", available_memory(device)}});
  }
  return result;
}

}  // namespace

std::function<int()> add_devices(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  app.add_flag("--json", options->json, "Print one JSON line on stdout")->group(kOutputGroup);
  add_verbosity_options(app, *options);
  return [options] {
    configure_verbosity(*options);
    const json description = describe_devices();
    if (options->json) {
      std::cout << description.dump() << "\n";
      return 0;
    }
    for (const auto& device : description["devices"]) {
      std::cout << device["name"].get<std::string>();
      if (device.contains("model")) {
        std::cout << ": " << device["model"].get<std::string>() << ", " << device["threads"] << " threads"
                  << (device["fast_bfloat16"].get<bool>() ? ", fast bfloat16" : "");
      }
      std::cout << ", " << format_bytes(device["available_memory"].get<std::int64_t>()) << " available\n";
    }
    std::cout << "auto: " << description["auto"].get<std::string>() << "\n";
    return 0;
  };
}

}  // namespace fmboost::tool
