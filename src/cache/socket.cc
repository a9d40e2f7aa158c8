#include "cache/socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

namespace fovea::cache {
namespace {

std::unexpected<Error> system_failure(int number) {
  return fail(ErrorCode::kUnavailable, std::error_code(number, std::generic_category()).message());
}

Result<void> wait_for(int descriptor, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd entry{.fd = descriptor, .events = events, .revents = 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::clamp<long>(left, 0, 3'600'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return system_failure(errno);
    if (left <= 0) return fail(ErrorCode::kCancelled, "no answer in time");
  }
}

}  // namespace

Result<void> wait_readable(int descriptor, Clock::time_point deadline) {
  return wait_for(descriptor, POLLIN, deadline);
}

Result<void> wait_writable(int descriptor, Clock::time_point deadline) {
  return wait_for(descriptor, POLLOUT, deadline);
}

Socket::Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

Socket::~Socket() {
  close();
}

void Socket::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

Result<Socket> Socket::connect(int family, const void* address, unsigned int size,
                               Clock::time_point deadline) {
  Socket socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return system_failure(errno);
  if (family != AF_UNIX) {
    const int yes = 1;
    (void)::setsockopt(socket.descriptor_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }
  if (::connect(socket.descriptor_, static_cast<const sockaddr*>(address), size) != 0) {
    // EAGAIN: a unix socket whose queue of connections is full, which cannot be waited for.
    if (errno != EINPROGRESS) return system_failure(errno);
    FOVEA_CHECK_OK(wait_writable(socket.descriptor_, deadline));
    int error = 0;
    socklen_t length = sizeof error;
    (void)::getsockopt(socket.descriptor_, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return system_failure(error);
  }
  return socket;
}

Result<Socket> Socket::connect_tcp(const std::string& host, std::uint16_t port, Clock::time_point deadline) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (code != 0) return fail(ErrorCode::kUnavailable, ::gai_strerror(code));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  Result<Socket> socket = fail(ErrorCode::kUnavailable, "the name has no address");
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    socket = connect(address->ai_family, address->ai_addr, address->ai_addrlen, deadline);
    if (socket) break;
  }
  return socket;
}

Result<Socket> Socket::connect_unix(const std::string& path, Clock::time_point deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kUsage,
                fmt::format("the path of a socket has at most {} bytes", sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return connect(AF_UNIX, &address, sizeof address, deadline);
}

Result<void> Socket::send(std::string_view bytes, Clock::time_point deadline) const {
  while (!bytes.empty()) {
    // A peer that went away must not end the process with SIGPIPE.
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      FOVEA_CHECK_OK(wait_writable(descriptor_, deadline));
    } else if (errno != EINTR) {
      return system_failure(errno);
    }
  }
  return {};
}

Result<std::size_t> Socket::receive(std::span<char> into, Clock::time_point deadline) const {
  for (;;) {
    const ssize_t received = ::recv(descriptor_, into.data(), into.size(), 0);
    if (received > 0) return static_cast<std::size_t>(received);
    if (received == 0) return fail(ErrorCode::kUnavailable, "the connection was closed");
    if (errno == EAGAIN) {
      FOVEA_CHECK_OK(wait_readable(descriptor_, deadline));
    } else if (errno != EINTR) {
      return system_failure(errno);
    }
  }
}

}  // namespace fovea::cache
