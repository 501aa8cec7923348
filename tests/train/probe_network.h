#pragma once

#include <cstdint>
#include <torch/types.h>
#include <vector>

#include "fmboost/io/safetensors.h"

#include "nn/cfm/cfm_unet.h"
#include "train/distributed/process_group.h"

namespace fmboost::test {

/// A small CFM UNet with weights from a formula, channels-last as in training.
CfmUnet probe_network();

/// The gradients of the mean loss over this process's share of a batch of 8.
struct ProbeRun {
  NamedTensors gradients;    ///< of one backward pass
  NamedTensors accumulated;  ///< of two backward passes over half the share each
  std::size_t buckets = 0;
  std::size_t overlapped = 0;  ///< buckets that were sent before the backward pass had ended
};

/// Averaged over the processes, each of which takes every size-th sample.
ProbeRun run_probe(ProcessGroup& group, std::int64_t bucket_bytes);

}  // namespace fmboost::test
