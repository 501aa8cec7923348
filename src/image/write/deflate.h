#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fmboost {

/// Deflate (RFC 1951) of a part of a stream, without references to what precedes it: parts that were compressed at the
/// same time can be joined. Every part but the last ends at a byte's end. Level 0 stores; 1 to 3 are those of ISA-L,
/// where it is available, 4 to 9 those of zlib. Throws Error.
std::vector<std::byte> deflate_part(std::span<const std::byte> data, int level, bool last);

/// A whole zlib stream (RFC 1950).
std::vector<std::byte> zlib_stream(std::span<const std::byte> data, int level);

/// The two bytes with which a zlib stream begins.
inline constexpr std::byte kZlibHeader[]{std::byte{0x78}, std::byte{0x01}};

/// The checksum of a zlib stream's data.
std::uint32_t adler32_of(std::span<const std::byte> data);
/// That of two parts, the second of which has `size` bytes.
std::uint32_t joined_adler32(std::uint32_t first, std::uint32_t second, std::size_t size);

}  // namespace fmboost
