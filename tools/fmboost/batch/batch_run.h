#pragma once

#include <atomic>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fmboost/core/progress.h"

#include "batch/batch_item.h"
#include "batch/batch_record.h"
#include "batch/batch_summary.h"
#include "batch/write_behind.h"
#include "cli/common_options.h"
#include "output/failure.h"
#include "output/progress_bar.h"
#include "output/result_reporter.h"

namespace fmboost::tool {

/// The batch of a command that makes images: decides which items are to be made, writes and reports the results beside
/// the work on the next ones, in the order of the items. Members are called from the thread that makes the images.
class BatchRun {
 public:
  /// `output` and `run` must outlive the batch. Throws UsageError if there is no journal to continue, and Error.
  BatchRun(BatchSource source, const OutputOptions& output, const RunOptions& run, const JournalOptions& journal);
  BatchRun(const BatchRun&) = delete;
  BatchRun& operator=(const BatchRun&) = delete;

  /// Calls `work`, which takes the items and hands over what it makes of them, and then finishes what is queued, also
  /// when `work` throws. Reports the summary. Returns the exit code, or throws what `work` threw.
  int run(const std::function<void()>& work);

  /// The next item to be made; none once there are no more. Items that are not to be made are reported.
  std::optional<BatchItem> next();
  /// Whether it is known, without waiting, that next() returns none.
  bool ended() const;
  /// Whether next() would wait for more items to be known.
  bool would_wait() const;

  void made(const BatchItem& item, MadeImage image);
  void failed(const BatchItem& item, const std::exception& error);

  ProgressCallback progress();
  void warn(const std::string& text);

 private:
  bool admit(BatchItem& item);
  bool is_left_out(BatchItem& item);
  OutputOptions output_of(const BatchItem& item) const;
  void write(const BatchItem& item, const MadeImage& made);
  void write_output(const BatchItem& item, const MadeImage& made);
  void report_failure(const BatchItem& item, const Failure& failure);
  void stop_if_disk_full(const Failure& failure);
  void finish();
  void check_sheet() const;
  void write_sheet();
  void show_summary_if_requested();

  BatchSource source_;
  const OutputOptions& output_;
  const RunOptions& run_;
  ProgressBar bar_;
  ResultReporter results_;
  BatchSummary summary_;
  std::unique_ptr<BatchRecord> record_;  ///< null without a journal
  std::atomic<bool> stopped_ = false;    ///< no more items are made
  bool single_;
  JournalOptions journal_;
  std::vector<nlohmann::json> sheet_lines_;  ///< what a contact sheet without a journal shows
  WriteBehind queue_;                        ///< last, because its tasks use all members above
};

}  // namespace fmboost::tool
