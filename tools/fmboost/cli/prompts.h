#pragma once

#include <string>
#include <vector>

#include "fmboost/pipeline/generate.h"

namespace fmboost::tool {

/// Reads a prompts file, or stdin for "-": one prompt per line, or JSON lines whose settings override `defaults`; blank
/// lines and lines that begin with # are skipped. Throws UsageError naming the line, or when there is no prompt.
std::vector<GenerateRequest> read_prompts(const std::string& file, const GenerateRequest& defaults);

/// "I/N": the items whose index modulo N is I, from 0 to N - 1.
struct Shard {
  std::size_t index = 0;
  std::size_t count = 1;
};
Shard parse_shard(const std::string& text);

}  // namespace fmboost::tool
