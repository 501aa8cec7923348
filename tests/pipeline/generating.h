#pragma once

#include <map>
#include <string>
#include <vector>

#include "fmboost/pipeline/generate.h"

#include "support/tiny_bundle.h"

namespace fmboost::test {

/// What the callbacks of a run received.
struct Outcome {
  std::map<std::size_t, GeneratedImage> images;
  std::map<std::size_t, std::string> errors;
  std::map<std::size_t, std::vector<std::string>> notices;
  std::map<std::string, std::int64_t> progress;  ///< steps done, by stage
};

inline std::shared_ptr<ModelComponents> components_of(const TinyBundle& files,
                                                      torch::ScalarType dtype = torch::kFloat32) {
  return std::make_shared<ModelComponents>(files.open(), Placement{torch::kCPU, dtype});
}

inline Outcome generate(GeneratePipeline pipeline, const std::vector<GenerateRequest>& requests) {
  Outcome outcome;
  pipeline.run(
      requests,
      {.progress = [&](const std::string& stage, std::int64_t done, std::int64_t) { outcome.progress[stage] = done; },
       .finished = [&](std::size_t index, GeneratedImage image) { outcome.images.emplace(index, std::move(image)); },
       .failed = [&](std::size_t index, const std::exception& error) { outcome.errors[index] = error.what(); },
       .notice = [&](std::size_t index, const std::string& notice) { outcome.notices[index].push_back(notice); }});
  return outcome;
}

}  // namespace fmboost::test
