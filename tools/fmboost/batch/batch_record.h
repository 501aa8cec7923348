#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "batch/batch_item.h"
#include "batch/claims.h"
#include "batch/journal.h"
#include "batch/journal_options.h"
#include "output/failure.h"

namespace fmboost::tool {

/// What a batch with a journal knows of its items: which are to be made, and how they ended.
class BatchRecord {
 public:
  /// Opens `file`; claims are kept beside it. Throws Error.
  BatchRecord(const std::filesystem::path& file, const JournalOptions& options, const OutputOptions& output);

  /// Why an item is not made; none if it is, which is then claimed and has its `replace` set. Throws UsageError if its
  /// output was made with other settings, and Error.
  std::optional<std::string> reason_to_skip(BatchItem& item);
  /// Appends the line of an item whose output is in its place. `line`: the keys of its JSON line. Throws Error.
  void done(const BatchItem& item, const MadeImage& made, nlohmann::json line);
  void failed(const BatchItem& item, const Failure& failure);

 private:
  std::optional<std::string> continued(BatchItem& item, bool from_dead);
  std::optional<std::string> reason_of_done(BatchItem& item, const nlohmann::json& line);
  void refuse_other_settings(const BatchItem& item, const nlohmann::json& line) const;

  JournalOptions options_;
  OutputOptions output_;
  Journal journal_;
  Claims claims_;
};

}  // namespace fmboost::tool
