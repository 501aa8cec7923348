#include "fmboost/core/interrupt.h"

#include <atomic>
#include <csignal>
#include <cstdlib>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

// A signal handler may only touch lock-free atomics.
std::atomic<int> requested{0};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_signal(int signal_number) {
  if (requested.exchange(signal_number) != 0) {
    std::_Exit(128 + signal_number);
  }
}

}  // namespace

void install_interrupt_handlers() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupt_requested() {
  return requested.load() != 0;
}

int interrupt_signal() {
  return requested.load();
}

void check_interrupt() {
  if (interrupt_requested()) {
    throw Interrupted();
  }
}

}  // namespace fmboost
