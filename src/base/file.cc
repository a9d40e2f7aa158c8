#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <expected>
#include <random>
#include <string_view>
#include <system_error>
#include <utility>

namespace fovea {
namespace {

/// An open file descriptor, closed when it leaves scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

std::string system_message(int number) {
  return std::error_code(number, std::generic_category()).message();
}

struct OpenFile {
  int fd;
  std::size_t size;
};

Result<OpenFile> open_regular(const std::filesystem::path& path) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer. Regular files ignore it.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const int number = errno;
    return fail(number == ENOENT || number == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo,
                fmt::format("{}: cannot open: {}", path.string(), system_message(number)));
  }
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return fail(ErrorCode::kIo, fmt::format("{}: not a regular file", path.string()));
  }
  return OpenFile{fd, static_cast<std::size_t>(info.st_size)};
}

struct TemporaryFile {
  std::filesystem::path path;
  int fd;
};

/// A new file beside `path`, for this call alone: threads of this process, and containers that share a volume
/// and have equal process ids, may write the same path at once. The mode is the umask's, as for any new file.
std::expected<TemporaryFile, int> create_beside(const std::filesystem::path& path) {
  std::random_device random;
  for (int attempt = 0; attempt < 16; ++attempt) {
    std::filesystem::path name = path.string() + fmt::format(".{:08x}.part", random());
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return TemporaryFile{std::move(name), fd};
    if (errno != EEXIST) return std::unexpected(errno);
  }
  return std::unexpected(EEXIST);
}

/// 0 or the system's error number.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return 0;
}

/// A device or a pipe, such as /dev/stdout: to be written to, not to be replaced by a file.
bool is_special(const std::filesystem::path& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  FOVEA_TRY(const OpenFile file, open_regular(path));
  const Descriptor descriptor(file.fd);
  if (file.size > max_bytes) {
    return fail(ErrorCode::kTooLarge,
                fmt::format("{}: {} bytes, over the limit of {}", path.string(), file.size, max_bytes));
  }
  std::string bytes(file.size, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(descriptor.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(ErrorCode::kIo, fmt::format("{}: {}", path.string(), system_message(errno)));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

Result<std::string> read_standard_input(std::size_t max_bytes) {
  std::string bytes;
  std::array<char, 65536> block{};
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(ErrorCode::kIo, fmt::format("standard input: {}", system_message(errno)));
    if (got == 0) return bytes;
    bytes.append(block.data(), static_cast<std::size_t>(got));
    if (bytes.size() > max_bytes) {
      return fail(ErrorCode::kTooLarge,
                  fmt::format("standard input: more than the limit of {} bytes", max_bytes));
    }
  }
}

Result<void> write_file(const std::filesystem::path& path, std::string_view bytes) {
  return write_file(path, std::span(&bytes, 1));
}

Result<void> write_file(const std::filesystem::path& path, std::span<const std::string_view> parts) {
  const auto write_parts = [&](int fd) {
    int number = 0;
    for (auto part = parts.begin(); part != parts.end() && number == 0; ++part) number = write_all(fd, *part);
    return number;
  };
  const auto failed = [&](int number) {
    return fail(ErrorCode::kIo, fmt::format("{}: cannot write: {}", path.string(), system_message(number)));
  };
  if (is_special(path)) {
    const Descriptor special(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    const int number = special.get() < 0 ? errno : write_parts(special.get());
    if (number != 0) return failed(number);
    return {};
  }
  const auto temporary = create_beside(path);
  if (!temporary) return failed(temporary.error());
  const Descriptor descriptor(temporary->fd);
  int number = write_parts(descriptor.get());
  // Before the rename, or a power cut could leave the new name with no content; a full disk may show only
  // here.
  if (number == 0 && ::fsync(descriptor.get()) != 0) number = errno;
  if (number == 0 && ::rename(temporary->path.c_str(), path.c_str()) != 0) number = errno;
  if (number != 0) {
    ::unlink(temporary->path.c_str());
    return failed(number);
  }
  return {};
}

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  FOVEA_TRY(const OpenFile file, open_regular(path));
  const Descriptor descriptor(file.fd);
  if (file.size == 0) return MappedFile(nullptr, 0);
  void* data = ::mmap(nullptr, file.size, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
  if (data == MAP_FAILED) {
    return fail(ErrorCode::kIo, fmt::format("{}: cannot map: {}", path.string(), system_message(errno)));
  }
  return MappedFile(static_cast<const std::byte*>(data), file.size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace fovea
