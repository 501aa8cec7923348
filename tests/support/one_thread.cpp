#include <ATen/Parallel.h>

namespace {

// The tensors of tests are small: threads would wait for each other longer than they work.
const bool one_thread = [] {
  at::set_num_threads(1);
  return true;
}();

}  // namespace
