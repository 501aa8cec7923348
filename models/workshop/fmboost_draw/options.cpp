#include "fmboost_draw/options.h"

#include <charconv>
#include <limits>
#include <thread>

#include "fmboost/core/error.h"

namespace fmboost::draw_tool {
namespace {

constexpr int kLargestSide = 4096;
constexpr int kLargestCount = std::numeric_limits<int>::max();

// CLI11 would read 010 as octal and truncate numbers that are too large.
CLI::Validator whole_number(std::int64_t low, std::int64_t high) {
  const auto check = [low, high](std::string& text) {
    std::int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [parsed, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() && error != std::errc::result_out_of_range) {
      return "'" + text + "' is not a whole number";
    }
    if (parsed != end) {
      return "'" + text + "' is not a whole number";
    }
    if (error == std::errc::result_out_of_range || value < low || value > high) {
      return "'" + text + "' is not within " + std::to_string(low) + " .. " + std::to_string(high);
    }
    text = std::to_string(value);
    return std::string();
  };
  return CLI::Validator(check, "");
}

}  // namespace

void add_options(CLI::App& app, const Kind& kind, Options& options) {
  app.add_option("--size", options.request.size, "Side of an image in pixels (default 512; with --crops 128)")
      ->transform(whole_number(kind.smallest, kLargestSide));
  app.add_option("--count", options.count, "Number of seeds to draw (0: endless, needs --raw)")
      ->capture_default_str()
      ->transform(whole_number(0, kLargestCount));
  app.add_option("--seed", options.seed, "First seed (0 .. 99999 are held out for validation)")
      ->capture_default_str()
      ->transform(whole_number(0, std::int64_t{1} << 62));
  app.add_option("--threads", options.threads, "Number of threads (0: one per core); does not affect the images")
      ->capture_default_str()
      ->transform(whole_number(0, 256));
  app.add_option("-o,--output", options.folder, "Output folder for PNG files named KIND_SEED.png");
  app.add_option("--raw", options.raw,
                 "`-`: write 8-bit RGB pixels to stdout, size * size * 3 bytes per image, in order of seeds");
  if (kind.captions) {
    app.add_option("--captions", options.captions,
                   "With --raw: file or pipe for the captions, one JSON line per image");
  }
  if (kind.crops) {
    app.add_option("--crops", options.request.crops,
                   "Crops of --size from each image, mirrored, transposed and channels permuted at random, half of "
                   "them downsampled")
        ->transform(whole_number(1, 4096));
    app.add_option("--canvas", options.request.canvas,
                   "With --crops: side of the image that crops are cut from (default 512)")
        ->transform(whole_number(kind.smallest, kLargestSide));
  }
}

void complete(const Kind& kind, Options& options) {
  Request& request = options.request;
  const std::string help = "; see `fmboost-draw " + std::string(kind.name) + " --help`";
  if (options.folder.empty() == options.raw.empty()) {
    throw UsageError("give either -o FOLDER or --raw - for the images" + help);
  }
  if (!options.raw.empty() && options.raw != "-") {
    throw UsageError("--raw must be `-` (stdout), got '" + options.raw + "'" + help);
  }
  if (options.count == 0 && options.raw.empty()) {
    throw UsageError("--count 0 (endless) needs --raw" + help);
  }
  if (!options.captions.empty() && options.raw.empty()) {
    throw UsageError("--captions needs --raw; -o writes captions.jsonl into its folder" + help);
  }
  if (request.canvas != 0 && request.crops == 0) {
    throw UsageError("--canvas needs --crops; without --crops, --size is the side of the image" + help);
  }
  if (request.size == 0) {
    request.size = request.crops > 0 ? 128 : 512;
  }
  if (request.crops > 0 && request.canvas == 0) {
    request.canvas = 512;
  }
  if (request.crops > 0 && request.canvas < request.size) {
    throw UsageError("crops of " + std::to_string(request.size) + " pixels do not fit into a canvas of " +
                     std::to_string(request.canvas) + help);
  }
  if (options.threads == 0) {
    options.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
}

}  // namespace fmboost::draw_tool
