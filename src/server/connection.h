#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/api.h"
#include "server/byte_budget.h"
#include "server/connection_set.h"
#include "server/http.h"
#include "server/server.h"

namespace fovea::server {

/// What all connections of a server share. Outlives them.
struct ConnectionContext {
  const ServerOptions& options;
  spdlog::logger& logger;
  const std::atomic<bool>& draining;
  Api& api;
  ComputeQueue& queue;
  ByteBudget& budget;
  ConnectionSet& connections;
};

/// One client's connection: reads requests, has them answered, writes the answers. Everything but close()
/// runs on the strand that the socket was made with.
class Connection final : public ConnectionSet::Member, public std::enable_shared_from_this<Connection> {
 public:
  Connection(boost::asio::ip::tcp::socket socket, ConnectionContext& context);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Serves until the connection ends, and then takes it out of the context's set, where it must be.
  boost::asio::awaitable<void> serve();

  /// Tells the client that there is no room for it, closes, and takes the connection out of `overflow`, where
  /// it must be.
  boost::asio::awaitable<void> turn_away(ConnectionSet& overflow);

  /// Ends the connection, whatever it is doing. Thread-safe.
  void close() override;

 private:
  struct Pending;
  struct RequestLog;
  struct Membership;
  class Parser;

  boost::asio::awaitable<bool> serve_request();
  boost::asio::awaitable<bool> wait_for_data();
  boost::asio::awaitable<std::optional<HttpResponse>> read_body(Parser& parser, HttpRequest& request);
  boost::asio::awaitable<HttpResponse> answer(HttpRequest request);
  boost::asio::awaitable<bool> write(const HttpResponse& response, const std::string& request_id,
                                     const WireOptions& wire, bool without_body);
  boost::asio::awaitable<bool> write_text(std::string_view text);
  boost::asio::awaitable<void> linger();
  void watch_for_disconnect(const std::shared_ptr<Pending>& pending);

  enum class OnExpiry { kStopReading, kClose };
  void arm(std::chrono::steady_clock::duration timeout, OnExpiry on_expiry);
  void disarm();

  boost::asio::ip::tcp::socket socket_;
  ConnectionContext& context_;
  boost::beast::flat_buffer buffer_;  // received and not yet consumed: also the start of a pipelined request
  std::shared_ptr<Pending> pending_;  // the request that is being answered, if any
  boost::asio::steady_timer timer_;
  unsigned timer_generation_ = 0;  // tells an expiry that was already queued when its timer was disarmed
  bool timed_out_ = false;
  bool unread_upload_ = false;  // a request was answered without having been read to its end
};

}  // namespace fovea::server
