#include "replay.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "kinds.h"

namespace fmboost::parity {
namespace {

namespace fs = std::filesystem;

struct Kind {
  std::string_view name;  ///< the file's name is this, or this and "_" and more
  void (*replay)(Reference&, Report&);
};

constexpr Kind kKinds[] = {
    {"cfm_unet", replay_cfm_unet},         {"forward_diffusion", replay_forward_diffusion},
    {"interpolants", replay_interpolants}, {"ode", replay_ode},
    {"sampler", replay_sampler},           {"sde", replay_sde},
};

bool is_kind(const std::string& stem, std::string_view kind) {
  return stem == kind || stem.starts_with(std::string(kind) + "_");
}

void replay_tensors(const fs::path& file, Report& report) {
  const auto* const kind = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& candidate) {
    return is_kind(file.stem().string(), candidate.name);
  });
  if (kind == std::end(kKinds)) {
    throw Error("no kind of reference is called that");
  }
  Reference reference(file);
  kind->replay(reference, report);
  for (const auto& name : reference.unused()) {
    report.fail("nobody knows its tensor '" + name + "'");
  }
}

void replay_any(const fs::path& file, Report& report) {
  if (fs::is_directory(file)) {
    throw Error("it is a folder; references lie side by side");
  }
  if (file.extension() == ".safetensors") {
    replay_tensors(file, report);
  } else if (file.extension() == ".json" && is_kind(file.stem().string(), "training_schedules")) {
    replay_training_schedules(nlohmann::json::parse(read_text_file(file)), report);
  } else {
    throw Error("no kind of reference is called that");
  }
}

}  // namespace

std::vector<fs::path> reference_entries(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw Error("'" + folder.string() + "' is not a folder of references");
  }
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename() != "README.md") {
      entries.push_back(entry.path());
    }
  }
  if (entries.empty()) {
    throw Error("'" + folder.string() + "' holds no references");
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

Report replay(const fs::path& file) {
  return make_report([&](Report& report) { replay_any(file, report); });
}

}  // namespace fmboost::parity
