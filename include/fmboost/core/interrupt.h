#pragma once

namespace fmboost {

/// Makes SIGINT and SIGTERM set a flag instead of ending the process; a second signal ends it immediately.
void install_interrupt_handlers();

bool interrupt_requested();

/// Throws Interrupted if a signal has arrived. Called between steps, never inside a kernel.
void check_interrupt();

}  // namespace fmboost
