#include "server/server.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <csignal>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "server/answering.h"
#include "server/api.h"
#include "server/byte_budget.h"
#include "server/connection.h"
#include "server/connection_set.h"
#include "server/rate_limiter.h"

namespace fovea::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

/// Files that the process needs open besides connections: models, logs, caches, connections being closed.
constexpr std::size_t kOtherFiles = 128;

/// Connections over the limit that are being told so; when there are more, the oldest of them is closed.
constexpr std::size_t kMaxTurnedAway = 32;

/// How long accepting pauses when the system has no file descriptor or memory left.
constexpr std::chrono::milliseconds kAcceptPause{100};

std::size_t connection_limit(std::size_t wanted) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return wanted;
  const auto open_files = static_cast<std::size_t>(files.rlim_cur);
  return std::clamp<std::size_t>(open_files > kOtherFiles ? open_files - kOtherFiles : 1, 1, wanted);
}

std::shared_ptr<spdlog::logger> logger_or_default(std::shared_ptr<spdlog::logger> logger) {
  if (logger) return logger;
  return std::make_shared<spdlog::logger>("server", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
}

ServerOptions completed(ServerOptions options) {
  options.max_connections = connection_limit(std::max<std::size_t>(options.max_connections, 1));
  options.io_threads = std::max<std::size_t>(options.io_threads, 1);
  options.min_body_rate = std::max<std::size_t>(options.min_body_rate, 1);
  options.logger = logger_or_default(std::move(options.logger));
  if (!options.metrics) options.metrics = std::make_shared<metrics::Metrics>();
  return options;
}

std::unexpected<Error> cannot_listen(const ServerOptions& options, const error_code& error) {
  const std::string where = fmt::format("cannot listen on {}:{}", options.host, options.port);
  if (error == asio::error::address_in_use) {
    return fail(
        ErrorCode::kUsage,
        where + ": the port is taken; stop the program that listens there, or choose another port (0: any)");
  }
  if (error == asio::error::access_denied) {
    return fail(ErrorCode::kUsage,
                where + ": not permitted; ports below 1024 need privileges, choose a higher one");
  }
  if (error == error_code(EADDRNOTAVAIL, boost::system::system_category())) {
    return fail(ErrorCode::kUsage,
                where + ": this machine has no such address; 127.0.0.1 and 0.0.0.0 always work");
  }
  return fail(ErrorCode::kIo, fmt::format("{}: {}", where, error.message()));
}

}  // namespace

/// The order of the members is the order in which they may be needed: the io_context destroys the coroutines,
/// and what these refer to goes last.
struct Server::Impl {
  Impl(recognize::Backend& backend, ServerOptions given)
      : options(completed(std::move(given))),
        gate(options.policy),
        budget(options.max_buffered_bytes),
        connections(options.max_connections),
        overflow(kMaxTurnedAway),
        io(static_cast<int>(options.io_threads)),
        control(asio::make_strand(io)),
        acceptor(control),
        signals(control),
        hangups(control),
        drain_timer(control),
        api({.backend = backend,
             .gate = gate,
             .metrics = *options.metrics,
             .in_flight = in_flight,
             .draining = draining,
             .drain = [this] { stop(); },
             .default_task = options.default_task,
             .stream_capacity = options.max_stream_bytes,
             .reviews = options.reviews,
             .images = options.images}),
        context{options, *options.logger, *options.metrics, draining, gate, api, budget, connections} {}

  Result<void> listen();
  asio::awaitable<void> accept();
  void take_in(tcp::socket socket);
  asio::awaitable<void> wait_for_signals();
  asio::awaitable<void> wait_for_hangups();
  std::shared_ptr<asio::ssl::context> tls();
  void run();
  void stop();
  void drain();
  void finish();

  const ServerOptions options;
  std::atomic<bool> draining{false};
  std::uint16_t port = 0;
  InFlight in_flight;
  Gate gate;
  AddressCounts addresses;
  ByteBudget budget;
  ConnectionSet connections;
  ConnectionSet overflow;  // those that are being turned away
  asio::io_context io;
  asio::strand<asio::io_context::executor_type> control;  // guards the next five
  tcp::acceptor acceptor;
  asio::signal_set signals;
  asio::signal_set hangups;
  asio::steady_timer drain_timer;
  bool finished = false;
  std::mutex tls_mutex;  // guards tls_context
  std::shared_ptr<asio::ssl::context> tls_context;
  Api api;
  ConnectionContext context;
  std::mutex threads_mutex;  // guards threads
  std::vector<std::thread> threads;
};

Result<void> Server::Impl::listen() {
  error_code error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(options.host, std::to_string(options.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return fail(ErrorCode::kUsage, fmt::format("cannot listen on \"{}\": {}; give an address of this machine",
                                               options.host, error ? error.message() : "no such host"));
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.open(endpoint.protocol(), error);
  // So that a restart need not wait for the last connections of the server before it to be forgotten.
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (!error) port = acceptor.local_endpoint(error).port();
  if (error) return cannot_listen(options, error);
  return {};
}

asio::awaitable<void> Server::Impl::accept() {
  asio::steady_timer pause(control);
  while (acceptor.is_open()) {
    tcp::socket socket(asio::make_strand(io));
    const auto [error] = co_await acceptor.async_accept(socket, kToken);
    if (!error) {
      try {
        take_in(std::move(socket));
      } catch (const std::exception& refused) {  // out of memory: this client goes without, the next may not
        options.logger->error("cannot take in a connection: {}", refused.what());
      }
    } else if (error != asio::error::operation_aborted && error != asio::error::connection_aborted) {
      options.logger->warn("cannot accept a connection: {}", error.message());
      connections.close_longest_waiting();
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(kToken);
    }
  }
}

void Server::Impl::take_in(tcp::socket socket) {
  if (finished) return;
  error_code ignored;
  socket.set_option(tcp::no_delay(true),
                    ignored);  // answers are written whole; waiting to fill a packet is in vain
  const auto executor = socket.get_executor();
  const auto remote = socket.remote_endpoint(ignored);
  std::string peer = ignored ? std::string("-") : remote.address().to_string();
  auto place = addresses.add(peer, gate.policy()->max_connections_per_address);
  const bool welcome = place.has_value();
  const auto connection = std::make_shared<Connection>(
      std::move(socket), tls(), std::move(peer), std::move(place).value_or(AddressCounts::Lease()), context);
  if (welcome && connections.add(connection)) {
    asio::co_spawn(executor, connection->serve(), asio::detached);
  } else if (overflow.add(connection)) {
    asio::co_spawn(
        executor,
        connection->turn_away(overflow, welcome ? "too many connections are open"
                                                : "too many connections are open from this address"),
        asio::detached);
  }
}

std::shared_ptr<asio::ssl::context> Server::Impl::tls() {
  const std::scoped_lock lock(tls_mutex);
  return tls_context;
}

asio::awaitable<void> Server::Impl::wait_for_hangups() {
  while (true) {
    const auto [error, signal] = co_await hangups.async_wait(kToken);
    if (error || finished) co_return;
    if (options.on_hangup) options.on_hangup();
  }
}

asio::awaitable<void> Server::Impl::wait_for_signals() {
  const auto [first_error, first] = co_await signals.async_wait(kToken);
  if (first_error) co_return;
  options.logger->info("signal {}: finishing the requests in flight; once more to stop at once", first);
  stop();
  if (finished) co_return;  // nobody would cancel the next wait
  const auto [second_error, second] = co_await signals.async_wait(kToken);
  if (!second_error) finish();
}

/// What an I/O thread does. Handlers do not throw but for want of memory, which must not end the process.
void Server::Impl::run() {
  while (!io.stopped()) {
    try {
      io.run();
    } catch (const std::exception& error) {
      options.logger->error("a connection's handler failed: {}", error.what());
    }
  }
}

void Server::Impl::stop() {
  if (!draining.exchange(true)) asio::post(control, [this] { drain(); });
}

void Server::Impl::drain() {
  error_code ignored;
  acceptor.close(ignored);
  drain_timer.expires_after(options.drain_timeout);
  drain_timer.async_wait([this](error_code error) {
    if (error) return;
    options.logger->warn("requests were still in flight after {} ms; closing them",
                         options.drain_timeout.count());
    finish();
  });
  connections.when_quiet([this] { asio::post(control, [this] { finish(); }); });
}

/// Ends everything that keeps the io_context busy, so that its threads run out of work and end.
void Server::Impl::finish() {
  finished = true;
  drain_timer.cancel();
  error_code ignored;
  signals.cancel(ignored);
  hangups.cancel(ignored);
  connections.close_all();
  overflow.close_all();
}

Server::Server(recognize::Backend& backend, ServerOptions options)
    : impl_(std::make_unique<Impl>(backend, std::move(options))) {}

// What could throw is the want of memory for one posted task; threads that cannot be told to end leave
// nothing but the end of the process, which is what an exception from here means.
// NOLINTNEXTLINE(bugprone-exception-escape)
Server::~Server() {
  stop();
  wait();
}

Result<void> Server::start() {
  if (impl_->options.tls.enabled()) {
    FOVEA_TRY(impl_->tls_context, make_tls_context(impl_->options.tls));
  }
  FOVEA_CHECK_OK(impl_->listen());
  if (impl_->options.handle_signals) {
    error_code error;
    impl_->signals.add(SIGINT, error);
    if (!error) impl_->signals.add(SIGTERM, error);
    if (!error) impl_->hangups.add(SIGHUP, error);
    if (error) return fail(ErrorCode::kIo, "cannot handle signals: " + error.message());
    asio::co_spawn(impl_->control, impl_->wait_for_signals(), asio::detached);
    asio::co_spawn(impl_->control, impl_->wait_for_hangups(), asio::detached);
  }
  asio::co_spawn(impl_->control, impl_->accept(), asio::detached);
  const std::scoped_lock lock(impl_->threads_mutex);
  for (std::size_t i = 0; i < impl_->options.io_threads; ++i) {
    impl_->threads.emplace_back([this] { impl_->run(); });
  }
  return {};
}

std::uint16_t Server::port() const {
  return impl_->port;
}

std::string Server::url() const {
  const bool is_ipv6 = impl_->options.host.contains(':');
  return fmt::format("{}://{}{}{}:{}", impl_->options.tls.enabled() ? "https" : "http", is_ipv6 ? "[" : "",
                     impl_->options.host, is_ipv6 ? "]" : "", impl_->port);
}

void Server::set_policy(Policy policy) {
  impl_->gate.set_policy(std::move(policy));
}

Result<void> Server::set_tls(const TlsFiles& files) {
  if (files.enabled() != impl_->options.tls.enabled()) {
    return fail(ErrorCode::kUsage, "TLS is turned on and off by a restart only");
  }
  if (!files.enabled()) return {};
  FOVEA_TRY(auto context, make_tls_context(files));
  const std::scoped_lock lock(impl_->tls_mutex);
  impl_->tls_context = std::move(context);
  return {};
}

void Server::stop() {
  impl_->stop();
}

void Server::wait() {
  const std::scoped_lock lock(impl_->threads_mutex);
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
  impl_->in_flight.wait_until_none();
}

}  // namespace fovea::server
