#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "metrics/metrics.h"
#include "recognize/backend.h"
#include "server/gate.h"
#include "server/image_fetcher.h"
#include "server/review_desk.h"
#include "server/tls.h"

namespace spdlog {
class logger;
}

namespace fovea::server {

struct ServerOptions {
  std::string host = "127.0.0.1";  ///< address or name to listen on; "0.0.0.0" or "::" for every interface
  std::uint16_t port = 8080;       ///< 0: any free one

  std::size_t max_buffered_bytes = std::size_t{256} * 1000 * 1000;  ///< of all requests' bodies together
  std::size_t max_header_bytes = 16384;                             ///< request line and headers; else 431
  /// Open connections. When there are more, the one that has waited longest for a request is closed.
  /// Lowered to what the process's limit of open files allows.
  std::size_t max_connections = 1000;
  std::size_t max_requests_per_connection = 0;  ///< then it is closed in an orderly way; 0: no limit
  std::size_t max_stream_bytes = std::size_t{256} * 1024;  ///< that a reader of a stream may be behind
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

  Policy policy;  ///< who may ask for how much; may be replaced while the server runs
  TlsFiles tls;   ///< may be read again while the server runs

  bool handle_signals = false;      ///< SIGINT and SIGTERM call stop(); a second one ends the drain at once
  std::function<void()> on_hangup;  ///< with handle_signals: SIGHUP calls it, on an I/O thread

  ImageFetchOptions images;  ///< pictures that chats name by URL

  ReviewDesk* reviews = nullptr;  ///< what answers under /reviews, or none; outlives the server

  std::string default_task = recognize::Request{}.task;
  std::shared_ptr<spdlog::logger> logger;     ///< null: one that writes to standard error
  std::shared_ptr<metrics::Metrics> metrics;  ///< null: one of the server's own
};

/// The HTTP server. Its `io_threads` speak HTTP and never wait for the backend: health checks, refusals and
/// uploads go on whatever is computed.
///
/// The backend must outlive the server, and may be asked on any thread.
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

  /// "http://host:port" or "https://host:port", after start().
  [[nodiscard]] std::string url() const;

  /// Replaces who may ask for how much. Requests that were let in go on. Thread-safe.
  void set_policy(Policy policy);

  /// Reads certificate and key for the connections to come; on an error the old ones stay. Thread-safe.
  /// Errors: kUsage; also when the server began with TLS and none is wanted now, or the other way round.
  Result<void> set_tls(const TlsFiles& files);

  /// Begins to stop: closes the listening socket, lets requests in flight finish within drain_timeout,
  /// answers 503 to what still arrives on open connections, then closes them. Does not wait. Thread-safe,
  /// idempotent; not for signal handlers (see handle_signals).
  void stop();

  /// Returns when the server has stopped; at once if it was not started. Questions that are still with the
  /// backend after the drain have been told to stop and are waited for, but not answered. Thread-safe.
  void wait();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fovea::server
