#include "batch/batch_run.h"

#include <chrono>
#include <utility>

#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"

namespace fmboost::tool {
namespace {

constexpr std::size_t kMostQueued = 2;

}  // namespace

BatchRun::BatchRun(BatchSource source, const OutputOptions& output, const RunOptions& run)
    : source_(std::move(source)),
      output_(output),
      run_(run),
      bar_(source_.count, run.quiet),
      results_(source_.count, run, bar_),
      queue_(kMostQueued) {}

int BatchRun::run(const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    queue_.finish();
    throw;
  }
  queue_.finish();
  return results_.exit_code();
}

bool BatchRun::ended() const {
  return source_.ended();
}

bool BatchRun::would_wait() const {
  return source_.would_wait && source_.would_wait();
}

std::optional<BatchItem> BatchRun::next() {
  while (!source_.ended()) {
    check_interrupt();
    std::optional<BatchItem> item = source_.next();
    if (!item || admit(*item)) {
      return item;
    }
  }
  return std::nullopt;
}

bool BatchRun::admit(const BatchItem& item) {
  try {
    if (is_skipped(item.output, output_)) {
      bar_.image_skipped();
      queue_.push([this, file = item.output] { results_.skipped(file); });
      return false;
    }
    check_output(item.output, output_);
    return true;
  } catch (const std::exception& error) {
    failed(item, error);
    return false;
  }
}

void BatchRun::made(const BatchItem& item, MadeImage image) {
  bar_.image_done();
  queue_.push([this, item, image = std::move(image)] { write(item, image); });
}

void BatchRun::failed(const BatchItem& item, const std::exception& error) {
  bar_.image_done();
  queue_.push([this, item, failure = describe(error)] { report_failure(item, failure); });
}

void BatchRun::write(const BatchItem& item, const MadeImage& made) {
  nlohmann::json line = item.fields;
  line.update(made.fields);
  try {
    if (made.extras) {
      made.extras();
    }
    const auto start = std::chrono::steady_clock::now();
    write_image(made.image, item.output, output_);
    line["seconds"]["write"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  } catch (const std::exception& error) {
    report_failure(item, describe(error));
    return;
  }
  results_.done(item.output, line);
}

void BatchRun::report_failure(const BatchItem& item, const Failure& failure) {
  results_.failed(item.title, failure, item.fields);
}

ProgressCallback BatchRun::progress() {
  return bar_.callback();
}

void BatchRun::warn(const std::string& text) {
  bar_.clear();
  log_warning(text);
}

}  // namespace fmboost::tool
