// LibTorch ships Gloo's code without its headers; those of the distribution date from 2022. This file uses only
// pointers to devices of Gloo's own types, which are the same in both. LibTorch defines USE_C10D_GLOO if it contains
// the code.
#include "fmboost/core/error.h"

#include "train/distributed/backend_collectives.h"

#if defined(FMBOOST_HAVE_GLOO_HEADERS) && defined(USE_C10D_GLOO)
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif

namespace fmboost {

#if defined(FMBOOST_HAVE_GLOO_HEADERS) && defined(USE_C10D_GLOO)
namespace {

bool is_loopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

// GLOO_SOCKET_IFNAME is PyTorch's variable. The loopback interface needs no name resolution.
std::shared_ptr<gloo::transport::Device> make_device(const ProcessGroupOptions& options) {
  using Group = c10d::ProcessGroupGloo;
  if (const auto interface = environment_variable("GLOO_SOCKET_IFNAME"); interface && !interface->empty()) {
    return Group::createDeviceForInterface(*interface);
  }
  return is_loopback(options.master_address) ? Group::createDeviceForHostname("127.0.0.1")
                                             : Group::createDefaultDevice();
}

}  // namespace

std::unique_ptr<Collectives> make_gloo_collectives(const Rendezvous& rendezvous, const ProcessGroupOptions& options) {
  using Group = c10d::ProcessGroupGloo;
  auto group_options = Group::Options::create(options.collective_timeout);
  group_options->devices.push_back(make_device(options));
  return std::make_unique<BackendCollectives>(
      c10::make_intrusive<Group>(c10::make_intrusive<c10d::PrefixStore>("gloo", rendezvous.store), options.rank,
                                 options.size, std::move(group_options)));
}

#else

std::unique_ptr<Collectives> make_gloo_collectives(const Rendezvous&, const ProcessGroupOptions&) {
  throw UsageError("this build cannot run several processes: it was made without Gloo's headers (libgloo-dev)");
}

#endif

}  // namespace fmboost
