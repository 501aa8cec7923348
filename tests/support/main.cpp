#include <ATen/Parallel.h>
#include <gtest/gtest.h>

// The main function of every test program. The tensors of tests are small: threads would wait for each other longer
// than they compute, and ctest runs several programs side by side.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  at::set_num_threads(1);
  return RUN_ALL_TESTS();
}
