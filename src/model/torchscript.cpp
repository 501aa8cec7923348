#include "model/torchscript.h"

#include <algorithm>
#include <caffe2/serialize/file_adapter.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "fmboost/core/error.h"
#include "fmboost/core/memory_probe.h"

#include "model/torchscript_operators.h"

namespace fmboost {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw ModelError("'" + file.string() + "' " + what);
}

// The first line of a LibTorch error, which is the useful one.
std::string first_line(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

// The first line that is not empty.
std::string first_text_line(const std::string& text) {
  const auto start = text.find_first_not_of('\n');
  return start == std::string::npos ? std::string() : text.substr(start, text.find('\n', start) - start);
}

// The last line of an interpreter error, which follows the stack of the program.
std::string last_line(const std::exception& error) {
  const std::string text = error.what();
  const auto last = text.find_last_not_of('\n');
  if (last == std::string::npos) {
    return {};
  }
  const auto newline = text.rfind('\n', last);
  const auto start = newline == std::string::npos ? 0 : newline + 1;
  return text.substr(start, last + 1 - start);
}

// Refuses code that would run while loading, before the operators can be checked: methods __setstate__ of its classes,
// and those of LibTorch classes, of which its pickles may contain objects.
void refuse_code_that_runs_on_loading(const std::filesystem::path& file) {
  try {
    caffe2::serialize::PyTorchStreamReader reader(file.string());
    for (const auto& name : reader.getAllRecords()) {
      const bool is_code = name.starts_with("code/");
      if (!is_code && !name.ends_with(".pkl")) {
        continue;
      }
      const auto [data, size] = reader.getRecord(name);
      const std::string_view text(static_cast<const char*>(data.get()), size);
      if (is_code && text.find("__setstate__") != std::string_view::npos) {
        fail(file, "is refused: it runs its own code while loading (__setstate__)");
      }
      if (text.find("__torch__.torch.classes.") != std::string_view::npos) {
        fail(file, "is refused: it contains objects of LibTorch classes, not only tensors");
      }
    }
  } catch (const c10::Error& error) {
    fail(file, "is not a TorchScript archive, or it is damaged: " + first_line(error));
  }
}

// With an adapter, LibTorch reads the archive that was checked above; with a file name, it would read files with
// certain first bytes in another format.
torch::jit::Module load_archive(const std::filesystem::path& file) {
  refuse_code_that_runs_on_loading(file);
  try {
    return torch::jit::load(std::make_shared<caffe2::serialize::FileAdapter>(file.string()), torch::kCPU);
  } catch (const c10::Error& error) {
    fail(file, "cannot be loaded as TorchScript: " + first_line(error));
  } catch (const std::exception& error) {  // from the parser of its code
    fail(file, "cannot be loaded as TorchScript: " + first_text_line(error.what()));
  }
}

torch::jit::Module load_checked(const std::filesystem::path& file, std::size_t inputs) {
  torch::jit::Module module = load_archive(file);
  const auto method = module.find_method("forward");
  if (!method) {
    fail(file, "has no method 'forward'");
  }
  const auto& schema = method->function().getSchema();
  const std::size_t found = schema.arguments().size() - 1;  // without self
  if (found != inputs || schema.returns().size() != 1) {
    fail(file, c10::str("must take ", inputs, " tensors and return one; it takes ", found, " and returns ",
                        schema.returns().size()));
  }
  const auto graph = method->graph()->copy();
  torch::jit::Inline(*graph);
  const auto refused = refused_operators(*graph);
  if (!refused.empty()) {
    std::string list;
    for (const auto& name : refused) {
      list += (list.empty() ? "" : ", ") + name;
    }
    fail(file, "is refused: a network may only compute with tensors, but it uses " + list);
  }
  module.eval();
  return module;
}

}  // namespace

void check_torchscript(const std::filesystem::path& file, std::size_t inputs) {
  load_checked(file, inputs);
}

TorchScriptProgram::TorchScriptProgram(const std::filesystem::path& file, std::size_t inputs,
                                       const Placement& placement)
    : file_(file), placement_(placement), module_(load_checked(file, inputs)) {
  module_.to(placement.device, placement.dtype);
}

torch::Tensor TorchScriptProgram::run(const std::vector<torch::Tensor>& inputs,
                                      std::initializer_list<std::size_t> keep_float32) {
  const c10::InferenceMode no_gradients;
  // The optimizing executor re-specializes programs after the first runs, which takes time for every new size and may
  // change results between the first and the second image.
  const torch::jit::GraphOptimizerEnabledGuard plain(false);
  std::vector<torch::jit::IValue> stack;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const bool keep = std::find(keep_float32.begin(), keep_float32.end(), i) != keep_float32.end();
    const auto dtype = !inputs[i].is_floating_point() ? inputs[i].scalar_type()
                       : keep                         ? torch::kFloat32
                                                      : placement_.dtype;
    stack.emplace_back(inputs[i].to(placement_.device, dtype));
  }
  try {
    const torch::jit::IValue result = module_.forward(std::move(stack));
    if (!result.isTensor()) {
      fail(file_, "must return a tensor, but returned " + result.tagKind());
    }
    return result.toTensor().to(torch::kFloat32);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) {
      throw MemoryError("out of memory while running '" + file_.string() + "'");
    }
    const auto* from_torch = dynamic_cast<const c10::Error*>(&error);
    fail(file_, "failed while running: " + (from_torch != nullptr ? first_line(*from_torch) : last_line(error)));
  }
}

void TorchScriptProgram::probe(const std::vector<torch::Tensor>& inputs, at::IntArrayRef expected,
                               std::initializer_list<std::size_t> keep_float32) {
  const torch::Tensor result = run(inputs, keep_float32);
  if (result.sizes() != expected) {
    fail(file_, c10::str("returned ", result.sizes(), " for inputs that should give ", expected));
  }
}

}  // namespace fmboost
