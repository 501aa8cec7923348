#include "scripted_program.h"

namespace fmboost::test {

torch::jit::Module scripted_module(const std::vector<std::string>& methods) {
  torch::jit::Module module("Program");
  module.register_parameter("one", torch::ones({1}), /*is_buffer=*/false);
  module.register_attribute("training", c10::BoolType::get(), true);
  for (const auto& method : methods) {
    module.define(method + "\n");
  }
  return module;
}

void save_program(const std::filesystem::path& file, const std::vector<std::string>& methods) {
  scripted_module(methods).save(file.string());
}

}  // namespace fmboost::test
