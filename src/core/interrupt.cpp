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

// Without SA_RESTART, a call that waits for input returns when a signal arrives. std::signal() would set it.
void install_interrupt_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
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
