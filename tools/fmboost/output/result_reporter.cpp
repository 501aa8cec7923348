#include "output/result_reporter.h"

#include <c10/util/Exception.h>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <unistd.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/io/files.h"
#include "fmboost/pipeline/memory_plan.h"

#include "cli/flag_names.h"
#include "output/output_names.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

void write_to_stdout(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      throw Error(std::string("cannot write to stdout: ") + std::strerror(errno));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written > 0 ? written : 0));
  }
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) {
    text += (text.empty() ? "" : ", ") + part;
  }
  return text;
}

}  // namespace

int exit_code_of(const std::exception& error) {
  if (const auto* known = dynamic_cast<const Error*>(&error)) {
    return static_cast<int>(known->code());
  }
  return static_cast<int>(is_out_of_memory(error) ? ExitCode::memory : ExitCode::runtime);
}

std::string message_of(const std::exception& error) {
  if (dynamic_cast<const Error*>(&error) == nullptr && is_out_of_memory(error)) {
    return with_flag_names("out of memory; use a smaller image size, `tile` or `batch_size`");
  }
  if (const auto* torch_error = dynamic_cast<const c10::Error*>(&error)) {
    const std::string text = torch_error->what_without_backtrace();
    return text.substr(0, text.find('\n'));
  }
  return with_flag_names(error.what());
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || ::access(folder.c_str(), W_OK) != 0) {
    throw Error("cannot write into the folder '" + folder.string() +
                "': " + (error ? error.message() : std::string(std::strerror(errno))));
  }
}

void check_output(const fs::path& file, const OutputOptions& options) {
  if (file == kStdout) {
    return;
  }
  std::error_code error;
  constexpr std::size_t kLongestName = 255;  // of Linux' file systems, in bytes
  const bool exists = fs::exists(file, error);
  if (file.filename().native().size() > kLongestName) {
    error = std::make_error_code(std::errc::filename_too_long);
  }
  if (error) {
    throw Error("cannot write '" + file.string() + "': " + error.message() +
                (error == std::errc::filename_too_long ? " (at most 255 bytes); choose another name with -o" : ""));
  }
  if (!options.force && exists) {
    throw Error("'" + file.string() +
                "' already exists; use --force to overwrite it, --skip-existing to skip it, or another -o");
  }
  if (fs::is_directory(file, error)) {
    throw Error("'" + file.string() + "' is a folder");
  }
  make_folder(file.has_parent_path() ? file.parent_path() : fs::path("."));
}

bool is_skipped(const fs::path& file, const OutputOptions& options) {
  std::error_code error;  // check_output() reports it
  return options.skip_existing && file != kStdout && fs::exists(file, error);
}

EncodeOptions encoding_of(const fs::path& file, const OutputOptions& options) {
  return {.format = file == kStdout ? ImageFormat::png : image_format_from_suffix(file),
          .quality = options.quality,
          .compression_level = options.png_level,
          .bit_depth = options.bit_depth};
}

void write_image(const Image& image, const fs::path& file, const OutputOptions& options) {
  const EncodeOptions encoding = encoding_of(file, options);
  if (const auto lost = lost_in_format(image, encoding); !lost.empty()) {
    log_warning("not kept in '" + file.string() + "': " + joined(lost));
  }
  if (file == kStdout) {
    write_to_stdout(encode_image(image, encoding));
  } else {
    write_file_atomically(file, encode_image(image, encoding), options.force);
  }
}

ResultReporter::ResultReporter(std::optional<std::size_t> images, const RunOptions& options, ProgressBar& bar)
    : images_(images), options_(options), bar_(bar) {}

void ResultReporter::done(const fs::path& file, const nlohmann::json& fields) {
  bar_.clear();
  ++results_;
  if (file == kStdout) {
    return;  // stdout carries the image
  }
  if (options_.json) {
    nlohmann::json line = fields;
    line["output"] = file.string();
    line["error"] = nullptr;
    std::cout << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  } else {
    std::cout << file.string() << std::endl;
  }
}

void ResultReporter::failed(const std::string& what, const Failure& failure, nlohmann::json fields) {
  bar_.clear();
  ++results_;
  ++failures_;
  last_code_ = failure.code;
  log_error((images_ == 1 ? std::string() : what + ": ") + failure.message);
  log_debug(failure.details);
  if (options_.json) {
    fields["output"] = nullptr;
    fields["error"] = failure.message;
    std::cout << fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  }
}

void ResultReporter::skipped(const fs::path& file, const std::string& reason) {
  bar_.clear();
  ++results_;
  log_info("'" + file.string() + "' skipped: " + reason);
}

int ResultReporter::exit_code() const {
  if (failures_ == 0) {
    return 0;
  }
  return images_.value_or(results_) == 1 ? last_code_ : static_cast<int>(ExitCode::items);
}

}  // namespace fmboost::tool
