// Time and size of the PNG writer, from float pixels, beside stb_image_write at its default level, from bytes.
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#include <stb_image_write.h>
#pragma GCC diagnostic pop

#include <ATen/Parallel.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <vector>

#include "fmboost/image/decode.h"
#include "fmboost/image/encode.h"
#include "fmboost/image/resize.h"
#include "fmboost/io/files.h"

using namespace fmboost;

namespace {

struct Writer {
  std::string name;
  int threads;
  std::function<std::size_t()> write;  ///< returns the size of the file
  std::vector<double> milliseconds = {};
  std::size_t size = 0;
};

std::size_t write_by_stb(const torch::Tensor& samples) {
  std::size_t size = 0;
  const auto width = static_cast<int>(samples.size(1));
  stbi_write_png_to_func(
      [](void* total, void*, int count) { *static_cast<std::size_t*>(total) += static_cast<std::size_t>(count); },
      &size, width, static_cast<int>(samples.size(0)), 3, samples.data_ptr(), 3 * width);
  return size;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The writers take turns, so that all of them meet the same disturbances.
void measure(std::vector<Writer>& writers) {
  constexpr int kRuns = 7;
  for (int run = 0; run < kRuns; ++run) {
    for (auto& writer : writers) {
      at::set_num_threads(writer.threads);
      const auto begin = std::chrono::steady_clock::now();
      writer.size = writer.write();
      const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
      writer.milliseconds.push_back(taken.count());
    }
  }
}

void compare(const std::string& name, const Image& image) {
  const torch::Tensor samples = to_uint8(image.pixels);
  const int threads = at::get_num_threads();
  std::vector<Writer> writers{{"stb", 1, [&] { return write_by_stb(samples); }}};
  for (const int level : {1, 3, 6, 9}) {
    for (const int count : {1, threads}) {
      writers.push_back({"level " + std::to_string(level), count,
                         [&image, level] { return encode_image(image, {.compression_level = level}).size(); }});
    }
  }
  measure(writers);
  at::set_num_threads(threads);
  const double reference = median(writers[0].milliseconds);
  for (const auto& writer : writers) {
    const double time = median(writer.milliseconds);
    std::printf("| %s %dx%d | %s | %d | %.1f | %zu | %.1f | %.2f |\n", name.c_str(), static_cast<int>(image.width()),
                static_cast<int>(image.height()), writer.name.c_str(), writer.threads, time, writer.size / 1024,
                reference / time, static_cast<double>(writer.size) / static_cast<double>(writers[0].size));
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::printf("| image | writer | threads | ms | KiB | times as fast as stb | size against stb |\n");
  std::printf("| --- | --- | --- | --- | --- | --- | --- |\n");
  for (int i = 1; i < count; ++i) {
    const std::filesystem::path file = arguments[i];
    Image image = decode_image(read_file(file), file.string());
    const torch::Tensor pixels = image.pixels.unsqueeze(0);
    for (const std::int64_t side : {1024, 2048}) {
      Image square;
      square.pixels = resize_bicubic(pixels, side, side).squeeze(0).contiguous();
      compare(file.filename().string(), square);
    }
  }
  return 0;
}
