#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace fmboost {

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
std::uint32_t crc32c(std::string_view bytes);

/// A record as TensorFlow frames it: length (8 bytes), masked CRC of the length, data, masked CRC of the data, all
/// little-endian. https://www.tensorflow.org/tutorials/load_data/tfrecord
std::string framed_record(std::string_view data);

/// Calls `visit` with each record until it returns false or a record is incomplete or damaged. Returns the offset after
/// the last record for which it returned true.
std::int64_t scan_records(std::string_view file, const std::function<bool(std::string_view data)>& visit);

}  // namespace fmboost
