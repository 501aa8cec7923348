#include <ATen/Parallel.h>

namespace fmboost::test {
namespace {

/// The networks here are too small for several threads, which would wait for each other on a busy machine.
struct OneThread {
  OneThread() { at::set_num_threads(1); }
};

const OneThread one_thread;

}  // namespace
}  // namespace fmboost::test
