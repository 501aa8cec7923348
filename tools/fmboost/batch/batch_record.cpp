#include "batch/batch_record.h"

#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"

#include "output/output_names.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

fs::path claims_folder(const fs::path& journal) {
  fs::path folder = journal;
  return folder.replace_extension("claims");
}

bool is_done(const json& line) {
  return line.value("status", "") == "done";
}

// "steps 4 instead of 2, guidance unset instead of 5"
std::string differences(const json& now, const json& before) {
  const auto text = [](const json& value) { return value.is_null() ? std::string("unset") : value.dump(); };
  json keys = now;
  keys.update(before);
  std::string result;
  for (const auto& [key, ignored] : keys.items()) {
    const json here = now.value(key, json());
    const json there = before.value(key, json());
    if (here != there) {
      result += (result.empty() ? "" : ", ") + key + " " + text(here) + " instead of " + text(there);
    }
  }
  return result;
}

// Why the file is not the one that the line describes; empty if it is.
std::string damage_of(const fs::path& file, const json& line) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  if (error) {
    return "is missing";
  }
  const json bytes = line.value("bytes", json());
  const bool same = bytes.is_number() && bytes == size && line.value("sha256", json()) == sha256_file(file);
  return same ? "" : "has changed since it was made";
}

}  // namespace

BatchRecord::BatchRecord(const fs::path& file, const JournalOptions& options, const OutputOptions& output)
    : options_(options), output_(output), journal_(file, journal_base(options, output)), claims_(claims_folder(file)) {}

std::optional<std::string> BatchRecord::reason_to_skip(BatchItem& item) {
  const std::string name = journal_.name_of(item.output);
  const Claims::Result claim = claims_.take(name);
  if (claim == Claims::Result::held_by_other) {
    return "another process is making it";
  }
  const bool from_dead = claim == Claims::Result::taken_from_dead;
  if (from_dead) {
    remove_temporaries(item.output);
  }
  std::optional<std::string> reason;
  try {
    reason = continued(item, from_dead);
  } catch (...) {
    // What a killed process left stays known, in case the next run continues.
    from_dead ? claims_.abandon(name) : claims_.release(name);
    throw;
  }
  if (reason) {
    claims_.release(name);
  }
  return reason;
}

std::optional<std::string> BatchRecord::continued(BatchItem& item, bool from_dead) {
  journal_.refresh();
  const std::optional<json> line = journal_.find(item.output);
  item.replace = output_.force;
  if (line && is_done(*line) && journal_.is_recent(item.output) && line->value("settings", json()) == item.settings) {
    return "another process made it";
  }
  if (!options_.resume && !options_.retry_failed) {
    return std::nullopt;
  }
  item.replace = item.replace || from_dead;
  if (line && is_done(*line)) {
    return reason_of_done(item, *line);
  }
  return options_.retry_failed && !line ? std::optional<std::string>("it did not fail before") : std::nullopt;
}

std::optional<std::string> BatchRecord::reason_of_done(BatchItem& item, const json& line) {
  if (line.value("settings", json()) != item.settings) {
    refuse_other_settings(item, line);
    return std::nullopt;  // --force
  }
  if (options_.retry_failed) {
    return "it did not fail before";
  }
  std::string damage = damage_of(item.output, line);
  const json input = line.value("input_sha256", json());
  std::error_code unreadable;  // reading it later reports it
  if (damage.empty() && input.is_string() && fs::is_regular_file(item.input, unreadable) &&
      input != sha256_file(item.input)) {
    damage = "was made from another content of '" + item.input.string() + "'";
  }
  if (damage.empty()) {
    return "it was made before";
  }
  log_warning("'" + item.output.string() + "' " + damage + "; it is made again");
  item.replace = true;
  return std::nullopt;
}

void BatchRecord::refuse_other_settings(const BatchItem& item, const json& line) const {
  if (!output_.force) {
    throw UsageError("'" + item.output.string() + "' was made with other settings (" +
                     differences(item.settings, line.value("settings", json::object())) +
                     "); use those, another -o, or --force to make such images again");
  }
}

void BatchRecord::done(const BatchItem& item, const MadeImage& made, json line) {
  const std::string name = journal_.name_of(item.output);
  try {
    line["status"] = "done";
    line["error"] = nullptr;
    line["settings"] = item.settings;
    line["bytes"] = fs::file_size(item.output);
    line["sha256"] = sha256_file(item.output);
    if (!made.input_hash.empty()) {
      line["input_sha256"] = made.input_hash;
    }
    journal_.append(item.output, std::move(line));
  } catch (...) {
    claims_.abandon(name);  // so that --resume knows that the file is one of its own
    throw;
  }
  claims_.release(name);
}

void BatchRecord::failed(const BatchItem& item, const Failure& failure) {
  json line = item.fields;
  line["status"] = "failed";
  line["error"] = failure.message;
  line["settings"] = item.settings;
  try {
    // The line of an image that is still there is not replaced by that of a vain attempt to make it again.
    if (const auto before = journal_.find(item.output);
        !before || !is_done(*before) || !damage_of(item.output, *before).empty()) {
      journal_.append(item.output, std::move(line));
    }
  } catch (const std::exception& error) {
    log_warning(error.what());
  }
  claims_.release(journal_.name_of(item.output));
}

}  // namespace fmboost::tool
