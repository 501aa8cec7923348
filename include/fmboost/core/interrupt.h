#pragma once

namespace fmboost {

/// Makes SIGINT and SIGTERM set a flag instead of ending the process; a second signal ends it immediately.
void install_interrupt_handlers();

bool interrupt_requested();

/// The signal that arrived, SIGINT or SIGTERM; 0 before one does.
int interrupt_signal();

/// Throws Interrupted if a signal has arrived. Called between steps, never inside a kernel.
void check_interrupt();

}  // namespace fmboost
