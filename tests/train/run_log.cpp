#include "train/log/run_log.h"

#include <cmath>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

#include "fmboost/core/error.h"
#include "fmboost/image/decode.h"
#include "fmboost/io/files.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"
#include "train/log/record_file.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

std::string metrics_in(const fs::path& folder) {
  return read_text_file(folder / "metrics.jsonl");
}

// Records of all event files, in the order in which TensorBoard reads them.
std::vector<std::string> events(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder / "tensorboard")) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> records;
  for (const auto& file : files) {
    const std::string bytes = read_text_file(file);
    const auto end = scan_records(bytes, [&](std::string_view record) {
      records.emplace_back(record);
      return true;
    });
    EXPECT_EQ(end, static_cast<std::int64_t>(bytes.size())) << file << " ends in something else";
  }
  return records;
}

void append(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::app | std::ios::binary) << text;
}

TEST(RunLog, EachStepIsOneLine) {
  const test::TemporaryFolder folder;
  RunLog log(folder / "run");
  log.scalars(10, {{"loss", 0.5}, {"lr", 3e-5}});
  log.scalars(20, {{"loss", 0.25}, {"lr", 1e-4}});
  EXPECT_EQ(metrics_in(folder / "run"),
            "{\"step\":10,\"loss\":0.5,\"lr\":3e-05}\n{\"step\":20,\"loss\":0.25,\"lr\":0.0001}\n");
}

TEST(RunLog, MetricsOfOneStepAreMerged) {
  const test::TemporaryFolder folder;
  RunLog log(folder / "run");
  log.scalars(10, {{"loss", 0.5}});
  log.scalars(10, {{"psnr", 27.25}});
  log.scalars(20, {{"loss", 0.25}});
  EXPECT_EQ(metrics_in(folder / "run"), "{\"step\":10,\"loss\":0.5,\"psnr\":27.25}\n{\"step\":20,\"loss\":0.25}\n");
}

TEST(RunLog, NonFiniteNumbersAreNull) {
  const test::TemporaryFolder folder;
  RunLog log(folder / "run");
  log.scalars(1, {{"a", std::nan("")}, {"b", std::numeric_limits<double>::infinity()}});
  EXPECT_EQ(metrics_in(folder / "run"), "{\"step\":1,\"a\":null,\"b\":null}\n");
}

TEST(RunLog, ResumedRunRepeatsNoSteps) {
  const test::TemporaryFolder folder;
  {
    RunLog log(folder / "run");
    for (const int step : {10, 20, 30, 40}) {
      log.scalars(step, {{"loss", 1.0 / step}});
    }
  }
  RunLog log(folder / "run", {.resume_step = 20});
  log.scalars(20, {{"psnr", 30}});
  log.scalars(30, {{"loss", 2}});
  EXPECT_EQ(metrics_in(folder / "run"),
            "{\"step\":10,\"loss\":0.1}\n{\"step\":20,\"loss\":0.05,\"psnr\":30.0}\n{\"step\":30,\"loss\":2.0}\n");
  // Each file has a version and a start; steps 10 and 20 are in the first, 20 and 30 in the second.
  EXPECT_EQ(events(folder / "run").size(), 8U);
}

TEST(RunLog, IncompleteRecordsAreRemoved) {
  const test::TemporaryFolder folder;
  {
    RunLog log(folder / "run");
    log.scalars(10, {{"loss", 0.5}});
    log.scalars(20, {{"loss", 0.25}});
  }
  for (const auto& entry : fs::recursive_directory_iterator(folder / "run")) {
    if (entry.is_regular_file()) {
      fs::resize_file(entry.path(), entry.file_size() - 2);
    }
  }
  RunLog log(folder / "run", {.resume_step = 20});
  log.scalars(30, {{"loss", 0.125}});
  EXPECT_EQ(metrics_in(folder / "run"), "{\"step\":10,\"loss\":0.5}\n{\"step\":30,\"loss\":0.125}\n");
  EXPECT_EQ(events(folder / "run").size(), 6U);
}

TEST(RunLog, ResumeFromStepZeroStartsAnew) {
  const test::TemporaryFolder folder;
  { RunLog(folder / "run").scalars(10, {{"loss", 0.5}}); }
  RunLog log(folder / "run", {.resume_step = 0});
  log.scalars(10, {{"loss", 0.25}});
  EXPECT_EQ(metrics_in(folder / "run"), "{\"step\":10,\"loss\":0.25}\n");
}

TEST(RunLog, ImagesAreWrittenAsPng) {
  const test::TemporaryFolder folder;
  RunLog log(folder / "run");
  torch::Tensor pixels = torch::zeros({3, 5, 7});
  pixels[0].fill_(1);
  const fs::path file = log.image(2500, "validation/sheet", pixels);
  EXPECT_EQ(file, folder / "run" / "images" / "validation-sheet-00002500.png");
  const auto bytes = read_file(file);
  const Image image = decode_image(bytes, "sheet");
  EXPECT_TRUE(torch::allclose(image.pixels, pixels, 0, 1.0 / 127));
  const std::string png(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_THAT(events(folder / "run").back(), HasSubstr(png));
}

TEST(RunLog, TensorBoardCanBeTurnedOff) {
  const test::TemporaryFolder folder;
  RunLog log(folder / "run", {.tensorboard = false});
  log.scalars(1, {{"loss", 1}});
  EXPECT_FALSE(fs::exists(folder / "run" / "tensorboard"));
  EXPECT_TRUE(fs::exists(folder / "run" / "metrics.jsonl"));
}

TEST(RunLog, FolderOfAnotherRunIsRefused) {
  const test::TemporaryFolder folder;
  { RunLog(folder / "run").scalars(1, {{"loss", 1}}); }
  EXPECT_THAT(test::thrown<UsageError>([&] { RunLog log(folder / "run"); }), HasSubstr("belongs to an earlier run"));
}

TEST(RunLog, ForeignFileIsRefused) {
  const test::TemporaryFolder folder;
  append(folder / "metrics.jsonl", "[1, 2]\n");
  EXPECT_THAT(test::thrown<Error>([&] { RunLog(folder.path(), {.resume_step = 5}); }), HasSubstr("metrics.jsonl"));
}

TEST(RunLog, InvalidNamesAndStepsAreRefused) {
  const test::TemporaryFolder folder;
  RunLog log(folder / "run");
  EXPECT_THROW(log.scalars(1, {{"a,b", 1}}), Error);
  EXPECT_THROW(log.scalars(1, {{"step", 1}}), Error);
  EXPECT_THROW(log.scalars(1, {{"", 1}}), Error);
  log.scalars(5, {{"loss", 1}});
  EXPECT_THAT(test::thrown<Error>([&] { log.scalars(4, {{"loss", 1}}); }), HasSubstr("step 4 came after"));
}

TEST(RunLog, UnwritableFileIsNamed) {
  const test::TemporaryFolder folder;
  append(folder / "file", "");
  EXPECT_THAT(test::thrown<Error>([&] { RunLog(folder / "file" / "run"); }),
              StartsWith("cannot create the folder '" + (folder / "file" / "run").string()));
  fs::create_directories(folder / "full" / "metrics.jsonl");
  EXPECT_THAT(test::thrown<Error>([&] { RunLog(folder / "full", {.tensorboard = false, .resume_step = 0}); }),
              HasSubstr("metrics.jsonl"));
}

// Vectors of RFC 3720, appendix B.4.
TEST(RecordFile, ChecksumMatchesTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
}

TEST(RecordFile, ScanStopsAtTheFirstDamage) {
  const std::string first = framed_record("first");
  std::string bytes = first + framed_record("second") + framed_record("");
  const auto count = [](const std::string& file) {
    std::size_t records = 0;
    scan_records(file, [&](std::string_view) { return ++records > 0; });
    return records;
  };
  EXPECT_EQ(count(bytes), 3U);
  EXPECT_EQ(count(bytes.substr(0, bytes.size() - 1)), 2U);
  EXPECT_EQ(count(std::string(100, '\0')), 0U);
  bytes[first.size() + 13] ^= 1;
  EXPECT_EQ(count(bytes), 1U);
}

}  // namespace
}  // namespace fmboost
