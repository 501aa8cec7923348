#include "output/contact_sheet.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <torch/types.h>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"
#include "fmboost/image/decode.h"
#include "fmboost/image/encode.h"
#include "fmboost/image/resize.h"
#include "fmboost/io/files.h"

#include "output/bitmap_font.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using torch::indexing::Slice;

constexpr std::size_t kMostImages = 10000;
constexpr std::size_t kTextLines = 2;
constexpr std::int64_t kGap = 6;
constexpr std::uint8_t kPaper = 255;
constexpr std::uint8_t kInk = 30;

/// Cells in rows and columns. Large batches get small images.
struct Layout {
  std::int64_t side = 0;  ///< of a small image, in pixels
  std::int64_t columns = 0;
  std::int64_t rows = 0;

  explicit Layout(std::size_t images) {
    const auto count = static_cast<std::int64_t>(images);
    side = count <= 100 ? 192 : count <= 1000 ? 128 : 66;
    columns = std::max<std::int64_t>(1, std::llround(std::ceil(std::sqrt(static_cast<double>(count)))));
    rows = (count + columns - 1) / columns;
  }
  std::int64_t text_height() const { return static_cast<std::int64_t>(kTextLines + 1) * kGlyphHeight; }
  std::int64_t cell_width() const { return side + kGap; }
  std::int64_t cell_height() const { return side + 2 + text_height() + kGap; }
  std::int64_t width() const { return columns * cell_width() + kGap; }
  std::int64_t height() const { return rows * cell_height() + kGap; }
};

// (3, h, w) uint8 within a square.
torch::Tensor small_image(const fs::path& file, std::int64_t side) {
  const Image image = decode_image(read_file(file), file.string());
  const double scale =
      std::min(1.0, static_cast<double>(side) / static_cast<double>(std::max(image.width(), image.height())));
  const auto scaled = [&](std::int64_t length) {
    return std::max<std::int64_t>(1, std::llround(static_cast<double>(length) * scale));
  };
  const torch::Tensor pixels =
      resize_bicubic(image.pixels.unsqueeze(0), scaled(image.height()), scaled(image.width())).squeeze(0);
  return ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch::kUInt8);
}

std::string title_of(const json& line) {
  const std::string prompt = line.value("prompt", std::string());
  return prompt.empty() ? fs::path(line.at("output").get<std::string>()).filename().string() : prompt;
}

// "seed 7, 1.3 s"
std::string caption_of(const json& line) {
  std::string text = line.contains("seed") ? "seed " + line["seed"].dump() : "";
  double seconds = 0;
  const json stages = line.value("seconds", json::object());  // items() refers to it
  for (const auto& [stage, value] : stages.items()) {
    seconds += value.is_number() && stage != "total" ? value.get<double>() : 0;
  }
  if (seconds > 0) {
    char number[32];
    std::snprintf(number, sizeof number, "%.1f s", seconds);
    text += (text.empty() ? "" : ", ") + std::string(number);
  }
  return text;
}

/// The sheet while it is drawn.
class Sheet {
 public:
  explicit Sheet(const Layout& layout)
      : layout_(layout), pixels_(torch::full({3, layout.height(), layout.width()}, kPaper, torch::kUInt8)) {}

  void add(std::int64_t cell, const json& line, const torch::Tensor& image) {
    const std::int64_t x = kGap + cell % layout_.columns * layout_.cell_width();
    const std::int64_t y = kGap + cell / layout_.columns * layout_.cell_height();
    const std::int64_t left = x + (layout_.side - image.size(2)) / 2;
    const std::int64_t top = y + layout_.side - image.size(1);
    pixels_.index_put_({Slice(), Slice(top, top + image.size(1)), Slice(left, left + image.size(2))}, image);
    auto lines = wrap_text(title_of(line), static_cast<std::size_t>(layout_.side / kGlyphWidth), kTextLines);
    lines.push_back(caption_of(line));
    torch::Tensor text = torch::full({layout_.text_height(), layout_.side}, kPaper, torch::kUInt8);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      draw_text(text, lines[i], 0, static_cast<std::int64_t>(i) * kGlyphHeight, kInk);
    }
    const std::int64_t below = y + layout_.side + 2;
    pixels_.index_put_({Slice(), Slice(below, below + layout_.text_height()), Slice(x, x + layout_.side)}, text);
  }

  Image image() const {
    Image image;
    image.pixels = pixels_.to(torch::kFloat32) / 127.5 - 1;
    return image;
  }

 private:
  Layout layout_;
  torch::Tensor pixels_;
};

}  // namespace

std::vector<json> done_lines(const fs::path& journal) {
  std::vector<json> lines;
  std::map<std::string, std::size_t> places;
  std::istringstream text(read_text_file(journal));
  for (std::string row; std::getline(text, row);) {
    json line = json::parse(row, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object() || !line.contains("output") || !line["output"].is_string()) {
      continue;
    }
    const auto [place, added] = places.emplace(line["output"].get<std::string>(), lines.size());
    if (added) {
      lines.push_back(std::move(line));
    } else {
      lines[place->second] = std::move(line);
    }
  }
  std::erase_if(lines, [](const json& line) { return line.value("status", json()) != "done"; });
  return lines;
}

void write_contact_sheet(const std::vector<json>& lines, const fs::path& base, const fs::path& file, bool replace) {
  if (lines.empty()) {
    throw Error("there are no images for the contact sheet '" + file.string() + "'");
  }
  const std::size_t count = std::min(lines.size(), kMostImages);
  if (count < lines.size()) {
    log_warning("the contact sheet shows the first " + std::to_string(count) + " of " + std::to_string(lines.size()) +
                " images");
  }
  const Layout layout(count);
  Sheet sheet(layout);
  std::int64_t cell = 0;
  std::size_t unreadable = 0;
  for (std::size_t i = 0; i < count; ++i) {
    check_interrupt();
    try {
      sheet.add(cell, lines[i], small_image(base / lines[i].at("output").get<std::string>(), layout.side));
      ++cell;
    } catch (const Error& error) {
      log_debug(error.what());
      ++unreadable;
    }
  }
  if (unreadable > 0) {
    log_warning(std::to_string(unreadable) + " images are not on the contact sheet, because they cannot be read");
  }
  write_file_atomically(file, encode_image(sheet.image(), {.format = image_format_from_suffix(file)}), replace);
}

}  // namespace fmboost::tool
