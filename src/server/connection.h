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

#include "server/access_log.h"
#include "server/api.h"
#include "server/byte_budget.h"
#include "server/connection_set.h"
#include "server/gate.h"
#include "server/http.h"
#include "server/rate_limiter.h"
#include "server/server.h"
#include "server/transport.h"

namespace fovea::server {

/// What all connections of a server share. Outlives them.
struct ConnectionContext {
  const ServerOptions& options;
  spdlog::logger& logger;
  metrics::Metrics& metrics;
  const std::atomic<bool>& draining;
  const Gate& gate;
  Api& api;
  ByteBudget& budget;
  ConnectionSet& connections;
};

/// One client's connection: reads requests, has them answered, writes the answers. Everything but close()
/// runs on the strand that the socket was made with.
class Connection final : public ConnectionSet::Member, public std::enable_shared_from_this<Connection> {
 public:
  /// `tls` null: plain. `peer`: the address at the other end; `place`: its place among that address's
  /// connections, where it was given one.
  Connection(boost::asio::ip::tcp::socket socket, std::shared_ptr<boost::asio::ssl::context> tls,
             std::string peer, AddressCounts::Lease place, ConnectionContext& context);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Serves until the connection ends, and then takes it out of the context's set, where it must be.
  boost::asio::awaitable<void> serve();

  /// Tells the client that there is no room for it, closes, and takes the connection out of `overflow`, where
  /// it must be.
  boost::asio::awaitable<void> turn_away(ConnectionSet& overflow, std::string why);

  /// Ends the connection, whatever it is doing. Thread-safe.
  void close() override;

 private:
  struct Pending;
  struct Membership;
  class Parser;

  boost::asio::awaitable<bool> handshake();
  boost::asio::awaitable<bool> serve_request();
  boost::asio::awaitable<bool> wait_for_data();
  boost::asio::awaitable<boost::system::error_code> read_some_body(Parser& parser, HttpRequest& request,
                                                                   bool& done);
  boost::asio::awaitable<std::optional<HttpResponse>> read_body(Parser& parser, HttpRequest& request);

  // answer() leaves pending_ behind, for a stream to be written; end_answer() lets it go.
  boost::asio::awaitable<HttpResponse> answer(HttpRequest request);
  boost::asio::awaitable<void> end_answer();
  void watch_for_disconnect(const std::shared_ptr<Pending>& pending);

  boost::asio::awaitable<bool> write(const HttpResponse& response, const std::string& request_id,
                                     const WireOptions& wire, bool without_body);
  boost::asio::awaitable<bool> write_stream(const HttpResponse& response, const std::string& request_id,
                                            const WireOptions& wire, AccessRecord& record);
  boost::asio::awaitable<bool> write_text(std::string_view text);
  boost::asio::awaitable<void> say_goodbye();
  boost::asio::awaitable<void> linger();

  enum class OnExpiry { kStopReading, kClose };
  void arm(std::chrono::steady_clock::duration timeout, OnExpiry on_expiry);
  void disarm();

  Transport transport_;
  ConnectionContext& context_;
  const std::string peer_;
  const AddressCounts::Lease place_;
  boost::beast::flat_buffer buffer_;  // received and not yet consumed: also the start of a pipelined request
  std::shared_ptr<Pending> pending_;  // the request that is being answered, if any
  boost::asio::steady_timer timer_;
  unsigned timer_generation_ = 0;  // tells an expiry that was already queued when its timer was disarmed
  std::size_t requests_ = 0;       // that were begun
  bool timed_out_ = false;
  bool unread_upload_ = false;  // a request was answered without having been read to its end
};

}  // namespace fovea::server
