#include "image/write/deflate.h"

#include <memory>
#include <zlib.h>

#if FMBOOST_HAS_ISAL
#include <isa-l/igzip_lib.h>
#endif

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

[[noreturn]] void fail_deflating() {
  throw Error("the image data could not be compressed");
}

// Room for data that do not compress, in stored blocks, and for the ends of a stream.
std::size_t deflate_bound(std::size_t size) {
  return size + size / 1000 + 1024;
}

std::vector<std::byte> deflate_by_zlib(std::span<const std::byte> data, int level, bool last) {
  z_stream stream{};
  constexpr int kRaw = -15;  // the largest window, without header and checksum
  if (deflateInit2(&stream, level, Z_DEFLATED, kRaw, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    fail_deflating();
  }
  const std::unique_ptr<z_stream, decltype(&deflateEnd)> owner(&stream, &deflateEnd);
  std::vector<std::byte> out(deflate_bound(data.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, last ? Z_FINISH : Z_SYNC_FLUSH);
  if (result != (last ? Z_STREAM_END : Z_OK) || stream.avail_in != 0 || stream.avail_out == 0) {
    fail_deflating();
  }
  out.resize(out.size() - stream.avail_out);
  return out;
}

#if FMBOOST_HAS_ISAL
constexpr int kFastestOfZlib = 4;

std::vector<std::byte> deflate_fast(std::span<const std::byte> data, int level, bool last) {
  constexpr std::uint32_t kBufferSizes[]{ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT,
                                         ISAL_DEF_LVL3_DEFAULT};
  const auto stream = std::make_unique<isal_zstream>();
  isal_deflate_init(stream.get());
  std::vector<std::uint8_t> buffer(kBufferSizes[level]);
  std::vector<std::byte> out(deflate_bound(data.size()));
  stream->level = static_cast<std::uint32_t>(level);
  stream->level_buf = buffer.data();
  stream->level_buf_size = static_cast<std::uint32_t>(buffer.size());
  stream->flush = SYNC_FLUSH;
  stream->end_of_stream = last ? 1 : 0;
  stream->next_in = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(data.data()));
  stream->avail_in = static_cast<std::uint32_t>(data.size());
  stream->next_out = reinterpret_cast<std::uint8_t*>(out.data());
  stream->avail_out = static_cast<std::uint32_t>(out.size());
  if (isal_deflate(stream.get()) != COMP_OK || stream->avail_in != 0 || stream->avail_out == 0) {
    fail_deflating();
  }
  out.resize(stream->total_out);
  return out;
}
#endif

}  // namespace

std::vector<std::byte> deflate_part(std::span<const std::byte> data, int level, bool last) {
#if FMBOOST_HAS_ISAL
  if (level > 0 && level < kFastestOfZlib) {
    return deflate_fast(data, level, last);
  }
#endif
  return deflate_by_zlib(data, level, last);
}

std::uint32_t adler32_of(std::span<const std::byte> data) {
  return static_cast<std::uint32_t>(adler32_z(1, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

std::uint32_t joined_adler32(std::uint32_t first, std::uint32_t second, std::size_t size) {
  return static_cast<std::uint32_t>(adler32_combine(first, second, static_cast<z_off_t>(size)));
}

std::vector<std::byte> zlib_stream(std::span<const std::byte> data, int level) {
  std::vector<std::byte> stream(std::begin(kZlibHeader), std::end(kZlibHeader));
  const std::vector<std::byte> part = deflate_part(data, level, /*last=*/true);
  stream.insert(stream.end(), part.begin(), part.end());
  const std::uint32_t checksum = adler32_of(data);
  for (int shift = 24; shift >= 0; shift -= 8) {
    stream.push_back(static_cast<std::byte>(checksum >> shift & 0xff));
  }
  return stream;
}

}  // namespace fmboost
