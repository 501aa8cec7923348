#include "inputs/examples.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/model/bundle.h"

namespace fmboost::tool {

int print_examples(const RunOptions& run) {
  const Bundle bundle(model_folder(run.model));
  const auto& examples = bundle.manifest().examples;
  if (examples.empty()) {
    throw ModelError("the bundle '" + bundle.folder().string() +
                     "' lists no example prompts; add some as `examples` to its bundle.json, or choose another bundle "
                     "with -m");
  }
  for (const auto& prompt : examples) {
    const std::string text = run.json ? nlohmann::json{{"prompt", prompt}}.dump() : prompt;
    std::cout << text << "\n";
  }
  return 0;
}

}  // namespace fmboost::tool
