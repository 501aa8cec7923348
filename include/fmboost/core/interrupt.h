#pragma once

namespace fmboost {

/// Makes SIGINT and SIGTERM set a flag instead of ending the process; a second signal ends it at once.
void install_interrupt_handlers();

bool interrupt_requested();

/// Throws Interrupted once a signal has come. Called between steps, never inside a kernel.
void check_interrupt();

}  // namespace fmboost
