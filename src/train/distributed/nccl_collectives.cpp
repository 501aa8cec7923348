#include "fmboost/core/error.h"

#include "train/distributed/backend_collectives.h"

#if defined(FMBOOST_HAVE_NCCL_HEADERS) && defined(USE_C10D_NCCL)
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace fmboost {

#if defined(FMBOOST_HAVE_NCCL_HEADERS) && defined(USE_C10D_NCCL)
namespace {

// c10d's classes contain NCCL structures that grow between releases.
void check_header_version() {
  const std::uint64_t library = torch::cuda::nccl::version();
  const auto major = static_cast<int>(library >> 32);
  const auto minor = static_cast<int>(library >> 16 & 0xffff);
  if (major != NCCL_MAJOR || minor != NCCL_MINOR) {
    throw UsageError("this build cannot run several processes on GPUs: it was made with the header of NCCL " +
                     std::to_string(NCCL_MAJOR) + "." + std::to_string(NCCL_MINOR) + ", and LibTorch contains NCCL " +
                     std::to_string(major) + "." + std::to_string(minor) +
                     ". Build it with -DFMBOOST_NCCL_INCLUDE_DIR for that version, or use `device` cpu");
  }
}

}  // namespace

std::unique_ptr<Collectives> make_nccl_collectives(const Rendezvous& rendezvous, const ProcessGroupOptions& options) {
  using Group = c10d::ProcessGroupNCCL;
  check_header_version();
  auto group_options = Group::Options::create();
  group_options->timeout = options.collective_timeout;
  return std::make_unique<BackendCollectives>(
      c10::make_intrusive<Group>(c10::make_intrusive<c10d::PrefixStore>("nccl", rendezvous.store), options.rank,
                                 options.size, std::move(group_options)));
}

#else

std::unique_ptr<Collectives> make_nccl_collectives(const Rendezvous&, const ProcessGroupOptions&) {
  throw UsageError("this build cannot run several processes on GPUs: its LibTorch has no NCCL; use `device` cpu");
}

#endif

}  // namespace fmboost
