#include "train/log/record_file.h"

#include <array>
#include <cstring>

namespace fmboost {
namespace {

constexpr std::size_t kLengthSize = 8;
constexpr std::size_t kCrcSize = 4;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  constexpr std::uint32_t kReversedPolynomial = 0x82f63b78;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1U) != 0 ? kReversedPolynomial : 0);
    }
    table[i] = crc;
  }
  return table;
}

constexpr auto kCrcTable = make_crc_table();

// The format masks CRCs, because the CRC of data that contains its own CRC detects little.
std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

template <typename Number>
std::string little_endian(Number value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

template <typename Number>
Number number_at(std::string_view bytes, std::size_t offset) {
  Number value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

// The data of the first record of `file`; a null view if it is incomplete or damaged.
std::string_view first_record(std::string_view file) {
  constexpr std::size_t kHeader = kLengthSize + kCrcSize;
  if (file.size() < kHeader + kCrcSize ||
      number_at<std::uint32_t>(file, kLengthSize) != masked_crc(file.substr(0, kLengthSize))) {
    return {};
  }
  const auto length = number_at<std::uint64_t>(file, 0);
  if (length > file.size() - kHeader - kCrcSize) {
    return {};
  }
  const std::string_view data = file.substr(kHeader, length);
  return number_at<std::uint32_t>(file, kHeader + length) == masked_crc(data) ? data : std::string_view();
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  }
  return ~crc;
}

std::string framed_record(std::string_view data) {
  const std::string length = little_endian(static_cast<std::uint64_t>(data.size()));
  std::string record = length + little_endian(masked_crc(length));
  record.append(data);
  return record + little_endian(masked_crc(data));
}

std::int64_t scan_records(std::string_view file, const std::function<bool(std::string_view)>& visit) {
  const std::size_t size = file.size();
  while (true) {
    const std::string_view data = first_record(file);
    if (data.data() == nullptr || !visit(data)) {
      return static_cast<std::int64_t>(size - file.size());
    }
    file.remove_prefix(kLengthSize + kCrcSize + data.size() + kCrcSize);
  }
}

}  // namespace fmboost
