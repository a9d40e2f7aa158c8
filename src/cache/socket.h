#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cache/timer.h"

namespace fovea::cache {

/// Waits until a descriptor can be read (or written) or has failed. Errors: kCancelled at the deadline.
Result<void> wait_readable(int descriptor, Clock::time_point deadline);
Result<void> wait_writable(int descriptor, Clock::time_point deadline);

/// A connected stream socket whose every operation has a deadline. Errors: kCancelled at the deadline;
/// kUnavailable: the peer is not there or went away.
class Socket {
 public:
  Socket() = default;
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();

  /// Looking up a name takes the system's time, whatever the deadline.
  static Result<Socket> connect_tcp(const std::string& host, std::uint16_t port, Clock::time_point deadline);
  static Result<Socket> connect_unix(const std::string& path, Clock::time_point deadline);

  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  void close();

  Result<void> send(std::string_view bytes, Clock::time_point deadline) const;
  /// At least one byte; how many.
  Result<std::size_t> receive(std::span<char> into, Clock::time_point deadline) const;

 private:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  static Result<Socket> connect(int family, const void* address, unsigned int size,
                                Clock::time_point deadline);
  int descriptor_ = -1;
};

}  // namespace fovea::cache
