#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "recognize/recognition.h"

namespace spdlog {
class logger;
}

namespace fovea::server {

struct ServerOptions {
  std::string host = "127.0.0.1";  ///< address or name to listen on; "0.0.0.0" or "::" for every interface
  std::uint16_t port = 8080;       ///< 0: any free one

  std::size_t max_body_bytes = std::size_t{20} * 1000 * 1000;       ///< of one request; more is answered 413
  std::size_t max_buffered_bytes = std::size_t{256} * 1000 * 1000;  ///< of all requests' bodies together
  std::size_t max_header_bytes = 16384;                             ///< request line and headers; else 431
  /// Open connections. When there are more, the one that has waited longest for a request is closed.
  /// Lowered to what the process's limit of open files allows.
  std::size_t max_connections = 1000;
  std::size_t queue_capacity = 64;  ///< requests that may wait behind the one that is computed; else 429
  std::size_t io_threads = 2;

  std::chrono::milliseconds idle_timeout{60'000};    ///< for the next request on a kept connection
  std::chrono::milliseconds header_timeout{10'000};  ///< for a request's line and headers, all together
  /// For a body, besides what it may take at min_body_rate.
  std::chrono::milliseconds body_timeout{30'000};
  std::size_t min_body_rate = 4096;                 ///< bytes a second
  std::chrono::milliseconds write_timeout{30'000};  ///< for sending one answer
  /// How long the rest of a refused upload is read and thrown away, so that its sender gets to see the
  /// refusal instead of a reset connection.
  std::chrono::milliseconds linger_timeout{5'000};
  std::chrono::milliseconds drain_timeout{30'000};  ///< for requests in flight when the server is stopped

  bool handle_signals = false;  ///< SIGINT and SIGTERM call stop(); a second one ends the drain at once

  std::string default_task = recognize::Request{}.task;
  std::vector<std::string> task_names;     ///< told to who asks for an unknown task; empty: the default task
  std::shared_ptr<spdlog::logger> logger;  ///< null: one that writes to standard error
};

/// The HTTP server. One thread computes, in the order requests came; `io_threads` others speak HTTP, so that
/// health checks, refusals and uploads never wait for a recognition.
///
/// The backend must outlive the server. Its recognize() is called on the compute thread only; has_task() is
/// called on any thread, meanwhile; models() is asked once, by the constructor.
class Server {
 public:
  Server(recognize::Backend& backend, ServerOptions options);
  /// stop() and wait().
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds, and serves from then on in threads of its own. To be called once. Errors: kUsage, with what to do
  /// about it (the port is taken or not permitted, the host is unknown); kIo.
  Result<void> start();

  /// The port that is listened on, after start().
  [[nodiscard]] std::uint16_t port() const;

  /// "http://host:port", after start().
  [[nodiscard]] std::string url() const;

  /// Begins to stop: closes the listening socket, lets requests in flight finish within drain_timeout,
  /// answers 503 to what still arrives on open connections, then closes them. Does not wait. Thread-safe,
  /// idempotent; not for signal handlers (see handle_signals).
  void stop();

  /// Returns when the server has stopped; at once if it was not started. A recognition that runs beyond the
  /// drain is waited for, for it cannot be interrupted, but is not answered. Thread-safe.
  void wait();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fovea::server
