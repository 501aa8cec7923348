#include "fmboost_draw/output.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/image/encode.h"
#include "fmboost/io/files.h"

#include "fmboost_draw/in_order.h"

namespace fmboost::draw_tool {
namespace {

namespace fs = std::filesystem;

std::string caption_line(std::uint64_t seed, const Drawing& drawing) {
  nlohmann::ordered_json line = {{"seed", seed}, {"caption", drawing.caption}};
  line["scene"] = nlohmann::ordered_json::parse(drawing.scene);
  return line.dump() + "\n";
}

void write_png(const fs::path& file, drawing::Image image) {
  fmboost::Image encoded;
  const auto bytes = torch::from_blob(image.rgb.data(), {image.height, image.width, 3}, torch::kUInt8);
  encoded.pixels = bytes.permute({2, 0, 1}).to(torch::kFloat32).div(127.5).sub(1).contiguous();
  write_file_atomically(file, encode_image(encoded, {}));
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error("cannot make the folder '" + folder.string() + "': " + error.message());
  }
}

/// A file descriptor that is written to until its reader closes it.
class Pipe {
 public:
  Pipe(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  /// False once the reader has closed the pipe.
  bool write(const void* data, std::size_t size) const {
    const auto* bytes = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = ::write(fd_, bytes, size);
      if (written < 0 && errno == EPIPE) {
        return false;
      }
      if (written < 0 && errno != EINTR) {
        throw Error("cannot write to " + name_ + ": " + std::strerror(errno));
      }
      bytes += std::max<ssize_t>(written, 0);
      size -= static_cast<std::size_t>(std::max<ssize_t>(written, 0));
    }
    return true;
  }

 private:
  int fd_;
  std::string name_;
};

int open_captions(const std::string& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    throw Error("cannot write '" + file + "': " + std::strerror(errno));
  }
  return fd;
}

bool write_images(const Pipe& out, const std::vector<drawing::Image>& images) {
  return std::all_of(images.begin(), images.end(),
                     [&](const auto& image) { return out.write(image.rgb.data(), image.rgb.size()); });
}

}  // namespace

void write_files(const Kind& kind, const Options& options) {
  install_interrupt_handlers();
  const fs::path folder = options.folder;
  make_folder(folder);
  InOrder drawings(kind, options.request, options.seed, options.threads);
  std::string captions;
  for (std::int64_t i = 0; i < options.count; ++i) {
    check_interrupt();
    const std::uint64_t seed = options.seed + static_cast<std::uint64_t>(i);
    const Drawing drawing = drawings.next();
    for (std::size_t crop = 0; crop < drawing.images.size(); ++crop) {
      const std::string part = options.request.crops > 0 ? "_" + std::to_string(crop) : "";
      write_png(folder / (std::string(kind.name) + "_" + std::to_string(seed) + part + ".png"), drawing.images[crop]);
    }
    captions += kind.captions ? caption_line(seed, drawing) : "";
  }
  if (kind.captions) {
    write_file_atomically(folder / "captions.jsonl", as_bytes(captions));
  }
}

void write_raw(const Kind& kind, const Options& options) {
  std::signal(SIGPIPE, SIG_IGN);  // a write then fails with EPIPE instead
  const Pipe out(STDOUT_FILENO, "stdout");
  const bool with_captions = !options.captions.empty();
  const Pipe captions(with_captions ? open_captions(options.captions) : -1, "'" + options.captions + "'");
  InOrder drawings(kind, options.request, options.seed, options.threads);
  for (std::int64_t i = 0; options.count == 0 || i < options.count; ++i) {
    const Drawing drawing = drawings.next();
    if (with_captions) {
      const std::string line = caption_line(options.seed + static_cast<std::uint64_t>(i), drawing);
      if (!captions.write(line.data(), line.size())) {
        return;
      }
    }
    if (!write_images(out, drawing.images)) {
      return;
    }
  }
}

}  // namespace fmboost::draw_tool
