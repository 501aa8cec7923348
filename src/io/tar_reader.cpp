#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

#include "fmboost/core/error.h"

#include "io/tar.h"

namespace fmboost {
namespace {

constexpr std::size_t kBlock = 512;

// Fields of a header block: POSIX.1-1988 ustar, GNU's tar.h.
struct Field {
  std::size_t offset;
  std::size_t size;
};
constexpr Field kName{0, 100};
constexpr Field kSize{124, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kMagicField{257, 6};
constexpr Field kPrefix{345, 155};

// The extended header of the next member.
struct Overrides {
  std::optional<std::string> name;
  std::optional<std::size_t> size;
};

std::string_view field(std::string_view block, const Field& where) {
  const std::string_view text = block.substr(where.offset, where.size);
  return text.substr(0, text.find('\0'));
}

class TarIndexer {
 public:
  TarIndexer(std::span<const std::byte> archive, const std::string& name)
      : archive_(reinterpret_cast<const char*>(archive.data()), archive.size()), name_(name) {}

  std::vector<TarMember> run() {
    refuse_other_formats();
    while (true) {
      if (archive_.size() - at_ < kBlock) {
        fail("is truncated: it ends at byte " + std::to_string(archive_.size()) + " without a closing block" + last());
      }
      const std::string_view block = archive_.substr(at_, kBlock);
      if (block.find_first_not_of('\0') == std::string_view::npos) {
        return std::move(members_);
      }
      check_sum(block);
      at_ += kBlock;
      take(block);
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error("'" + name_ + "' " + what); }

  std::string last() const { return members_.empty() ? "" : ", after '" + members_.back().name + "'"; }

  void refuse_other_formats() const {
    if (archive_.empty()) {
      fail("is empty");
    }
    if (archive_.starts_with("\x1f\x8b") || archive_.starts_with("\x28\xb5\x2f\xfd") || archive_.starts_with("BZh") ||
        archive_.starts_with("\xfd"
                             "7zXZ")) {
      fail("is compressed; unpack it to a plain .tar first, for random access to the samples");
    }
  }

  // The sum of all bytes, with blanks in place of the field itself; old writers summed signed characters.
  void check_sum(std::string_view block) const {
    std::int64_t bytes = 0;
    std::int64_t chars = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
      bytes += own ? ' ' : static_cast<unsigned char>(block[i]);
      chars += own ? ' ' : static_cast<signed char>(block[i]);
    }
    const auto expected = octal(field(block, kChecksum));
    if (!expected || (*expected != bytes && *expected != chars)) {
      fail(at_ == 0 ? std::string("is not a tar archive")
                    : "is damaged: there is no valid tar header at byte " + std::to_string(at_) + last());
    }
  }

  static std::optional<std::int64_t> octal(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    text = text.substr(0, text.find_last_not_of(' ') + 1);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
    const bool whole = error == std::errc() && end == text.data() + text.size() && value >= 0;
    return whole ? std::optional(value) : std::nullopt;
  }

  std::size_t size_of(std::string_view block) const {
    const std::string_view raw = block.substr(kSize.offset, kSize.size);
    if ((static_cast<unsigned char>(raw.front()) & 0x80) == 0) {
      if (const auto value = octal(field(block, kSize))) {
        return static_cast<std::size_t>(*value);
      }
      fail("is damaged: a member at byte " + std::to_string(at_) + " has no readable size" + last());
    }
    std::size_t value = static_cast<unsigned char>(raw.front()) & 0x7f;  // GNU: base 256, most significant byte first
    for (const char byte : raw.substr(1)) {
      if (value >> 55 != 0) {
        fail("is damaged: a member at byte " + std::to_string(at_) + " has an impossible size" + last());
      }
      value = value << 8 | static_cast<unsigned char>(byte);
    }
    return value;
  }

  static std::string name_of(std::string_view block) {
    const std::string name(field(block, kName));
    const std::string_view prefix = field(block, kPrefix);
    const bool ustar = block.substr(kMagicField.offset, kMagicField.size) == std::string_view("ustar\0", 6);
    return ustar && !prefix.empty() ? std::string(prefix) + "/" + name : name;
  }

  // Skips the content after a header and returns it.
  std::string_view content(std::size_t size, const std::string& member) {
    if (size > archive_.size() - at_) {
      fail("is truncated: its member '" + member + "' needs " + std::to_string(size) + " bytes, but " +
           std::to_string(archive_.size() - at_) + " are left");
    }
    const std::string_view data = archive_.substr(at_, size);
    at_ += std::min((size + kBlock - 1) / kBlock * kBlock, archive_.size() - at_);
    return data;
  }

  void take(std::string_view block) {
    const char type = block[kType];
    const bool extension = type == 'x' || type == 'g' || type == 'L' || type == 'K';
    const std::string name = extension || !next_.name ? name_of(block) : *next_.name;
    const std::size_t size = extension || !next_.size ? size_of(block) : *next_.size;
    const std::size_t begin = at_;
    const std::string_view data = content(size, name);
    if (type == 'x') {
      read_pax(data);
    } else if (type == 'L') {
      next_.name = std::string(data.substr(0, data.find('\0')));
    }
    if (extension) {
      return;
    }
    if (type == 'S') {
      fail("holds '" + name + "' as a sparse file, which is not supported");
    }
    if (type == '0' || type == '\0' || type == '7') {
      members_.push_back({.name = name, .offset = begin, .size = size});
    }
    next_ = {};
  }

  // Records "LENGTH KEY=VALUE\n", where LENGTH counts the whole record.
  void read_pax(std::string_view records) {
    while (!records.empty() && records.front() != '\0') {
      std::size_t length = 0;
      const auto [end, error] = std::from_chars(records.data(), records.data() + records.size(), length);
      const auto digits = static_cast<std::size_t>(end - records.data());
      if (error != std::errc() || length > records.size() || length < digits + 2 || records[digits] != ' ') {
        fail("is damaged: an extended header before byte " + std::to_string(at_) + " cannot be read" + last());
      }
      read_pax_record(records.substr(digits + 1, length - digits - 2));
      records.remove_prefix(length);
    }
  }

  void read_pax_record(std::string_view record) {
    const std::size_t equals = record.find('=');
    const std::string_view key = record.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? "" : record.substr(equals + 1);
    if (key == "path") {
      next_.name = std::string(value);
    } else if (key == "size") {
      std::size_t size = 0;
      if (std::from_chars(value.data(), value.data() + value.size(), size).ec != std::errc()) {
        fail("is damaged: an extended header gives the size '" + std::string(value) + "'");
      }
      next_.size = size;
    } else if (key.starts_with("GNU.sparse")) {
      fail("contains a sparse file, which is not supported");
    }
  }

  std::string_view archive_;
  const std::string& name_;
  std::size_t at_ = 0;
  Overrides next_;
  std::vector<TarMember> members_;
};

}  // namespace

std::vector<TarMember> index_tar(std::span<const std::byte> archive, const std::string& name) {
  return TarIndexer(archive, name).run();
}

}  // namespace fmboost
