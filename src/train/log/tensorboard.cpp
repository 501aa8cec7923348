#include "train/log/tensorboard.h"

#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <unistd.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "train/log/append_file.h"
#include "train/log/protobuf.h"
#include "train/log/record_file.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

// Field numbers of the protobuf messages.
struct Event {
  static constexpr std::uint32_t wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7;
};
struct SessionLog {
  static constexpr std::uint32_t status = 1;
  static constexpr std::int64_t start = 1;
};
struct Summary {
  static constexpr std::uint32_t value = 1;
};
struct Value {
  static constexpr std::uint32_t tag = 1, simple_value = 2, image = 4;
};
struct ImageField {
  static constexpr std::uint32_t height = 1, width = 2, colorspace = 3, encoded = 4;
};

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// TensorBoard reads the files of a folder in the order of their names, so the time comes first.
fs::path new_file(const fs::path& folder) {
  static std::atomic<int> counter{0};
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::string seconds = std::to_string(static_cast<std::int64_t>(wall_time()));
  seconds.insert(0, seconds.size() < 10 ? 10 - seconds.size() : 0, '0');
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error("cannot create the folder '" + folder.string() + "': " + error.message());
  }
  return folder / ("events.out.tfevents." + seconds + "." + host.data() + "." + std::to_string(::getpid()) + "." +
                   std::to_string(counter++));
}

ProtobufWriter event_at(std::int64_t step) {
  ProtobufWriter event;
  event.real(Event::wall_time, wall_time()).integer(Event::step, step);
  return event;
}

bool is_event_file(const fs::directory_entry& entry) {
  return entry.is_regular_file() && entry.path().filename().string().find("tfevents") != std::string::npos;
}

}  // namespace

class TensorBoardWriter::File {
 public:
  explicit File(const fs::path& file) : file_(file, 0) {}
  void append(const ProtobufWriter& event) { file_.append(framed_record(event.text())); }

 private:
  AppendFile file_;
};

TensorBoardWriter::TensorBoardWriter(const fs::path& folder, std::int64_t first_step)
    : file_(std::make_unique<File>(new_file(folder))) {
  ProtobufWriter version;
  version.real(Event::wall_time, wall_time()).bytes(Event::file_version, "brain.Event:2");
  file_->append(version);
  ProtobufWriter session;
  session.integer(SessionLog::status, SessionLog::start);
  file_->append(event_at(first_step).message(Event::session_log, session));
}

TensorBoardWriter::~TensorBoardWriter() = default;

void TensorBoardWriter::scalars(std::int64_t step, const std::map<std::string, double>& values) {
  ProtobufWriter summary;
  for (const auto& [name, number] : values) {
    ProtobufWriter value;
    value.bytes(Value::tag, name).real(Value::simple_value, static_cast<float>(number));
    summary.message(Summary::value, value);
  }
  file_->append(event_at(step).message(Event::summary, summary));
}

void TensorBoardWriter::image(std::int64_t step, const std::string& name, std::int64_t height, std::int64_t width,
                              int channels, std::span<const std::byte> png) {
  ProtobufWriter image;
  image.integer(ImageField::height, height).integer(ImageField::width, width).integer(ImageField::colorspace, channels);
  image.bytes(ImageField::encoded, {reinterpret_cast<const char*>(png.data()), png.size()});
  ProtobufWriter value;
  value.bytes(Value::tag, name).message(Value::image, image);
  ProtobufWriter summary;
  summary.message(Summary::value, value);
  file_->append(event_at(step).message(Event::summary, summary));
}

void cut_event_files(const fs::path& folder, std::int64_t last_step) {
  if (!fs::is_directory(folder)) {
    return;
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!is_event_file(entry)) {
      continue;
    }
    std::int64_t size = 0;
    {
      const MappedFile file(entry.path());
      const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
      size =
          scan_records(text, [&](std::string_view event) { return protobuf_integer(event, Event::step) <= last_step; });
    }
    if (size < static_cast<std::int64_t>(entry.file_size())) {
      const AppendFile cut(entry.path(), size);
    }
  }
}

}  // namespace fmboost
