#include "fmboost/core/interrupt.h"

#include <atomic>
#include <csignal>
#include <cstdlib>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

// A signal handler may only touch lock-free atomics.
std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_signal(int signal_number) {
  if (requested.exchange(true)) {
    std::_Exit(128 + signal_number);
  }
}

}  // namespace

void install_interrupt_handlers() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupt_requested() {
  return requested.load();
}

void check_interrupt() {
  if (interrupt_requested()) {
    throw Interrupted();
  }
}

}  // namespace fmboost
