#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>

#include "replay.h"

// The references are looked up when the program starts, so that every file is a test of its own under its own name.

namespace {

namespace fs = std::filesystem;
using fmboost::parity::Report;
using Replay = std::function<Report()>;

class ReplayTest : public testing::Test {
 public:
  ReplayTest(std::string name, Replay replay) : name_(std::move(name)), replay_(std::move(replay)) {}

  void TestBody() override {
    const Report report = replay_();
    std::cout << name_ << ": " << report.summary() << std::endl;
    for (const auto& failure : report.failures()) {
      ADD_FAILURE() << name_ << ": " << failure;
    }
    EXPECT_TRUE(report.passed()) << name_;
  }

 private:
  std::string name_;
  Replay replay_;
};

void add_test(const char* suite, const std::string& name, const Replay& replay) {
  testing::RegisterTest(suite, name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                        [=]() -> testing::Test* { return std::make_unique<ReplayTest>(name, replay).release(); });
}

fs::path from_environment(const char* variable, const char* fallback) {
  const char* const value = std::getenv(variable);
  return value != nullptr ? fs::path(value) : fs::path(FMBOOST_TEST_DATA) / fallback;
}

// One test a file, or one that says why there is none.
void add_tests(const char* suite, const std::function<std::vector<fs::path>()>& list,
               const std::function<Report(const fs::path&)>& replay) {
  try {
    for (const auto& file : list()) {
      add_test(suite, file.filename().string(), [=] { return replay(file); });
    }
  } catch (const std::exception& error) {
    Report report;
    report.fail(error.what());
    add_test(suite, "folder", [report] { return report; });
  }
}

void add_golden_tests(const fs::path& folder) {
  add_tests(
      "Golden", [&] { return fmboost::parity::reference_entries(folder); }, fmboost::parity::replay);
}

void add_token_tests(const fs::path& references) {
  const fs::path vocabulary = FMBOOST_CLIP;
  add_tests(
      "TokenIds",
      [&] {
        return fs::is_directory(references) ? fmboost::parity::reference_entries(references) : std::vector{references};
      },
      [=](const fs::path& file) { return fmboost::parity::replay_token_ids(file, vocabulary); });
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  add_golden_tests(from_environment("FMBOOST_GOLDEN", "golden"));
  add_token_tests(from_environment("FMBOOST_CLIP_REFERENCE", "clip/reference_ids.json"));
  return RUN_ALL_TESTS();
}
