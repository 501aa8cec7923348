#include "batch/batch_run.h"

#include <cerrno>
#include <chrono>
#include <iostream>
#include <system_error>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"

#include "output/contact_sheet.h"
#include "output/output_names.h"

namespace fmboost::tool {
namespace {

constexpr std::size_t kMostQueued = 2;

}  // namespace

BatchRun::BatchRun(BatchSource source, const OutputOptions& output, const RunOptions& run,
                   const JournalOptions& journal)
    : source_(std::move(source)),
      output_(output),
      run_(run),
      bar_(source_.count, run.quiet),
      results_(source_.count, run, bar_),
      summary_(source_.count),
      single_(source_.count == 1),
      journal_(journal),
      queue_(kMostQueued) {
  if (const auto file = journal_file(journal, output); !file.empty() && output.output != kStdout) {
    record_ = std::make_unique<BatchRecord>(file, journal, output);
  }
  check_sheet();
  install_summary_handler();
}

int BatchRun::run(const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    finish();
    throw;
  }
  finish();
  write_sheet();
  return stopped_ ? static_cast<int>(ExitCode::runtime) : results_.exit_code();
}

void BatchRun::finish() {
  queue_.finish();
  if (single_) {
    return;
  }
  bar_.clear();
  log_info(summary_.text());
  if (stopped_) {
    log_error(std::string("the disk is full, so the batch was stopped; free some space") +
              (record_ ? " and continue with --resume" : ""));
  }
  if (run_.json && output_.output != kStdout) {
    std::cout << nlohmann::json{{"summary", summary_.json()}}.dump(-1, ' ', false,
                                                                   nlohmann::json::error_handler_t::replace)
              << std::endl;
  }
}

// Before the work, not after it.
void BatchRun::check_sheet() const {
  if (!journal_.sheet.empty()) {
    OutputOptions options = output_;
    options.force = output_.force || journal_.resume || journal_.retry_failed;
    encoding_of(journal_.sheet, options);
    check_output(journal_.sheet, options);
  }
}

void BatchRun::write_sheet() {
  if (journal_.sheet.empty()) {
    return;
  }
  const auto lines = record_ ? done_lines(journal_file(journal_, output_)) : sheet_lines_;
  const auto base = record_ ? journal_base(journal_, output_) : std::filesystem::path();
  const bool replace = output_.force || journal_.resume || journal_.retry_failed;
  write_contact_sheet(lines, base, journal_.sheet, replace);
}

void BatchRun::show_summary_if_requested() {
  if (summary_requested()) {
    bar_.clear();
    std::cerr << summary_.text() + "\n";
  }
}

bool BatchRun::ended() const {
  return stopped_ || source_.ended();
}

bool BatchRun::would_wait() const {
  return source_.would_wait && source_.would_wait();
}

std::optional<BatchItem> BatchRun::next() {
  while (!ended()) {
    check_interrupt();
    show_summary_if_requested();
    std::optional<BatchItem> item = source_.next();
    if (!item || admit(*item)) {
      return item;
    }
  }
  return std::nullopt;
}

OutputOptions BatchRun::output_of(const BatchItem& item) const {
  OutputOptions options = output_;
  options.force = item.replace;
  return options;
}

bool BatchRun::admit(BatchItem& item) {
  item.replace = output_.force;
  try {
    if (is_left_out(item)) {
      bar_.image_skipped();
      return false;
    }
    check_output(item.output, output_of(item));
    return true;
  } catch (const UsageError&) {
    throw;
  } catch (const std::exception& error) {
    failed(item, error);
    return false;
  }
}

bool BatchRun::is_left_out(BatchItem& item) {
  std::optional<std::string> reason;
  if (is_skipped(item.output, output_)) {
    reason = "it already exists";
  } else if (record_ && item.output != kStdout) {
    reason = record_->reason_to_skip(item);
  }
  if (reason) {
    queue_.push([this, file = item.output, reason = *reason] {
      results_.skipped(file, reason);
      summary_.skipped(reason);
    });
  }
  return reason.has_value();
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
    const auto start = std::chrono::steady_clock::now();
    write_output(item, made);
    line["seconds"]["write"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (record_ && item.output != kStdout) {
      record_->done(item, made, line);
    }
  } catch (const std::exception& error) {
    report_failure(item, describe(error));
    return;
  }
  results_.done(item.output, line);
  summary_.done();
  if (!journal_.sheet.empty() && !record_) {
    line["output"] = item.output.string();
    sheet_lines_.push_back(std::move(line));
  }
}

void BatchRun::write_output(const BatchItem& item, const MadeImage& made) {
  if (made.extras) {
    made.extras();
  }
  if (!made.written) {
    write_image(made.image, item.output, output_of(item));
  }
}

void BatchRun::report_failure(const BatchItem& item, const Failure& failure) {
  stop_if_disk_full(failure);
  if (record_ && item.output != kStdout && !stopped_) {
    record_->failed(item, failure);  // a full disk has no room for it
  }
  results_.failed(item.title, failure, item.fields);
  summary_.failed(failure.message);
}

void BatchRun::stop_if_disk_full(const Failure& failure) {
  for (const int reason : {ENOSPC, EDQUOT}) {
    if (failure.details.find(std::generic_category().message(reason)) != std::string::npos) {
      stopped_ = true;
    }
  }
}

ProgressCallback BatchRun::progress() {
  return [this, draw = bar_.callback()](const std::string& stage, std::int64_t done, std::int64_t total) {
    show_summary_if_requested();
    draw(stage, done, total);
  };
}

void BatchRun::warn(const std::string& text) {
  bar_.clear();
  log_warning(text);
}

}  // namespace fmboost::tool
