#include "registry/digests.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>
#include <vector>

#include "base/file.h"

namespace fovea::registry {
namespace {

namespace fs = std::filesystem;

class OpenFile {
 public:
  explicit OpenFile(const fs::path& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

std::unexpected<Error> failure(const fs::path& file) {
  const int error = errno;
  return fail(error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
              fmt::format("{}: {}", file.string(), std::strerror(error)));  // NOLINT(concurrency-mt-unsafe)
}

Result<std::string> read_and_digest(int descriptor, const fs::path& file) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  bool fine = context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  std::vector<char> piece(std::size_t{1} << 20);
  while (fine) {
    const ssize_t size = ::read(descriptor, piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failure(file);
    if (size == 0) break;
    fine = EVP_DigestUpdate(context.get(), piece.data(), static_cast<std::size_t>(size)) == 1;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  fine = fine && EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1;
  if (!fine) return fail(ErrorCode::kInternal, "SHA-256 is not available");
  return fmt::format("{:02x}", fmt::join(digest.begin(), digest.begin() + size, ""));
}

/// All that tells one state of one file from another, as the start of a line of the store.
std::string key_of(const struct stat& status) {
  return fmt::format("{} {} {} {}.{:09} {}.{:09} ", status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                     status.st_ctim.tv_nsec);
}

bool is_digest(std::string_view text) {
  constexpr std::size_t kDigits = 64;
  return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Lines "KEY DIGEST", the newest last; none of a store that others could have written.
std::vector<std::string> read_store(const fs::path& store) {
  struct stat status{};
  constexpr mode_t kOthers = S_IWGRP | S_IWOTH;
  constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  if (::stat(store.c_str(), &status) != 0 || status.st_uid != ::geteuid() ||
      (status.st_mode & kOthers) != 0) {
    return {};
  }
  const auto text = read_file(store, kMostBytes);
  std::vector<std::string> lines;
  if (!text) return lines;
  std::istringstream stream(*text);
  for (std::string line; std::getline(stream, line);) lines.push_back(std::move(line));
  return lines;
}

/// Best effort: whoever cannot write here reads the file again next time.
void remember(const fs::path& store, std::string line) {
  std::error_code error;
  fs::create_directories(store.parent_path(), error);
  std::vector<std::string> lines = read_store(store);
  lines.push_back(std::move(line));
  if (lines.size() > FileDigests::kMostEntries)
    lines.erase(lines.begin(), lines.end() - FileDigests::kMostEntries);
  if (write_file(store, fmt::format("{}\n", fmt::join(lines, "\n")))) {
    fs::permissions(store, fs::perms::owner_read | fs::perms::owner_write, error);
  }
}

}  // namespace

fs::path FileDigests::default_store() {
  // NOLINTBEGIN(concurrency-mt-unsafe): the program sets no variables.
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  // NOLINTEND(concurrency-mt-unsafe)
  if (state != nullptr && fs::path(state).is_absolute()) return fs::path(state) / "fovea" / "digests";
  if (home != nullptr && fs::path(home).is_absolute()) {
    return fs::path(home) / ".local" / "state" / "fovea" / "digests";
  }
  return {};
}

Result<std::string> FileDigests::of(const fs::path& file) const {
  const OpenFile opened(file);
  struct stat before{};
  if (opened.descriptor() < 0 || ::fstat(opened.descriptor(), &before) != 0) return failure(file);
  const bool large = static_cast<std::uintmax_t>(before.st_size) >= kRememberedBytes;
  const std::string key = key_of(before);
  if (large && !store_.empty()) {
    for (const std::string& line : read_store(store_)) {
      if (line.starts_with(key) && is_digest(std::string_view(line).substr(key.size()))) {
        return line.substr(key.size());
      }
    }
  }
  FOVEA_TRY(std::string digest, read_and_digest(opened.descriptor(), file));
  struct stat after{};
  const auto changed = Clock::time_point(std::chrono::duration_cast<Clock::duration>(
      std::chrono::seconds(before.st_ctim.tv_sec) + std::chrono::nanoseconds(before.st_ctim.tv_nsec)));
  const bool settled =
      ::fstat(opened.descriptor(), &after) == 0 && key_of(after) == key && changed + kSettled <= now_();
  if (large && settled && !store_.empty()) remember(store_, key + digest);
  return digest;
}

}  // namespace fovea::registry
