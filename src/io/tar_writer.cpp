#include <archive.h>
#include <archive_entry.h>
#include <exception>

#include "fmboost/core/error.h"

#include "io/tar.h"

namespace fmboost {

struct TarWriter::Archive {
  explicit Archive(const std::filesystem::path& path);
  ~Archive() { archive_write_free(handle); }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  // Throws for a failed call of the library, with the error of the file if there was one.
  void check(int result) const {
    if (result == ARCHIVE_OK) {
      return;
    }
    if (error) {
      std::rethrow_exception(error);
    }
    const char* reason = archive_error_string(handle);
    throw Error("cannot write '" + target.string() + "': " + (reason == nullptr ? "unknown reason" : reason));
  }

  std::filesystem::path target;
  AtomicFile file;
  std::exception_ptr error;
  std::size_t written = 0;
  archive* handle = nullptr;
};

namespace {

// An exception must not propagate through the C library.
template <typename Archive>
la_ssize_t write_block(archive*, void* client, const void* data, std::size_t size) {
  auto& self = *static_cast<Archive*>(client);
  try {
    if (!self.error) {  // closing after an error would write again
      self.file.write({static_cast<const std::byte*>(data), size});
      self.written += size;
      return static_cast<la_ssize_t>(size);
    }
  } catch (...) {
    self.error = std::current_exception();
  }
  return -1;
}

}  // namespace

TarWriter::Archive::Archive(const std::filesystem::path& path) : target(path), file(path), handle(archive_write_new()) {
  constexpr int kRecord = 10240;                    // the record size of tar, to which archives are padded
  archive_write_set_format_pax_restricted(handle);  // ustar if it can represent the name
  archive_write_set_bytes_per_block(handle, 100 * kRecord);
  archive_write_set_bytes_in_last_block(handle, kRecord);
  check(archive_write_open2(handle, this, nullptr, write_block<Archive>, nullptr, nullptr));
}

TarWriter::TarWriter(const std::filesystem::path& file) : archive_(std::make_unique<Archive>(file)) {}

TarWriter::~TarWriter() = default;

void TarWriter::add(const std::string& name, std::span<const std::byte> content) {
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_uid(entry.get(), 0);
  archive_entry_set_gid(entry.get(), 0);
  archive_entry_set_mtime(entry.get(), 0, 0);
  archive_->check(archive_write_header(archive_->handle, entry.get()));
  const la_ssize_t written = archive_write_data(archive_->handle, content.data(), content.size());
  archive_->check(written == static_cast<la_ssize_t>(content.size()) ? ARCHIVE_OK : ARCHIVE_FATAL);
}

std::size_t TarWriter::commit() {
  archive_->check(archive_write_close(archive_->handle));
  archive_->file.commit();
  return archive_->written;
}

}  // namespace fmboost
