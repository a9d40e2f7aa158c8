#include "server/connection.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <cerrno>
#include <exception>
#include <utility>
#include <vector>

#include "base/request_id.h"
#include "server/problem.h"

namespace fovea::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t kReadSize = 65536;  ///< bytes that one read of a body may bring

/// Bytes of a refused upload that are thrown away before its connection is closed all the same.
constexpr std::size_t kMaxLingerBytes = std::size_t{64} << 20;

constexpr int kBusyRetryAfter = 1;  ///< seconds, when memory or connections have run out for a moment

bool is_http_error(const error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_method).category();
}

/// The answer to bytes that are not a request.
HttpResponse malformed(const error_code& error, const std::string& request_id) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return problem(431, "header_too_large", "the request line and headers are larger than the limit",
                   request_id);
  }
  if (error == http::error::bad_version) {
    return problem(505, "http_version_not_supported", "HTTP/1.1 and HTTP/1.0 are spoken here", request_id);
  }
  return problem(400, "malformed_request", "not well-formed HTTP: " + error.message(), request_id);
}

/// Copies what was parsed, so that nothing a chunked body's trailer adds can change it.
RequestHead read_head(const http::request<http::buffer_body>& message,
                      std::optional<std::uint64_t> content_length) {
  RequestHead head;
  head.method = message.method_string();
  for (const auto& field : message) {
    head.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  head.content_length = content_length;
  const std::string* id = head.header("X-Request-Id");
  head.request_id = id != nullptr && is_acceptable_request_id(*id) ? *id : make_request_id();
  return head;
}

/// What is wrong with a head that could be parsed, whatever it asks for; completes it when nothing is.
std::optional<HttpResponse> check_head(const http::request<http::buffer_body>& message, RequestHead& head) {
  const auto bad = [&](std::string_view detail) {
    return problem(400, "malformed_request", detail, head.request_id);
  };
  if (message.version() != 10 && message.version() != 11)
    return malformed(http::error::bad_version, head.request_id);
  const auto hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() == 11))
    return bad("there must be exactly one Host header");
  if (message.count(http::field::content_type) > 1) return bad("more than one Content-Type header");
  if (const std::string* encoding = head.header("Transfer-Encoding")) {
    if (message.version() == 10) return bad("HTTP/1.0 has no Transfer-Encoding");
    if (!equal_ignoring_case(trim(*encoding), "chunked") ||
        message.count(http::field::transfer_encoding) > 1) {
      return problem(501, "not_implemented", "the only Transfer-Encoding understood is chunked",
                     head.request_id);
    }
  }
  if (const std::string* expect = head.header("Expect");
      expect && !equal_ignoring_case(*expect, "100-continue")) {
    return problem(417, "expectation_failed", "the only expectation understood is 100-continue",
                   head.request_id);
  }
  auto target = parse_target(message.target());
  if (!target) return bad("the request target is malformed: " + target.error().message);
  head.path = std::move(target->path);
  head.query = std::move(target->query);
  return std::nullopt;
}

}  // namespace

class Connection::Parser : public http::request_parser<http::buffer_body> {};

/// A request that is being answered. Its members are used on the connection's strand.
struct Connection::Pending {
  explicit Pending(const asio::any_io_executor& executor)
      : ended(executor, asio::steady_timer::time_point::max()) {}

  void answer_with(HttpResponse answer) {
    response = std::move(answer);
    ended.cancel();
  }
  void abandon() {
    abandoned = true;
    ended.cancel();
  }

  asio::steady_timer ended;  // cancelled, which wakes who waits for it, when one of the next two is set
  std::optional<HttpResponse> response;
  bool abandoned = false;
  std::optional<ComputeQueue::Ticket> ticket;  // for its place in the line, where it has one
  asio::cancellation_signal stop_watching;
};

/// What the log says of one request.
struct Connection::RequestLog {
  Clock::time_point begin = Clock::now();
  std::string method = "-";
  std::string path = "-";
  std::string request_id;
  std::size_t bytes_in = 0;  ///< of the body

  void write(spdlog::logger& logger, const HttpResponse& response, bool sent) const {
    const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
    logger.info("{} \"{}\" {} {:.1f} ms {} B in {} B out id {}{}", escape_for_log(method, 32),
                escape_for_log(path), response.status, took.count(), bytes_in, response.body.size(),
                request_id, sent ? "" : " (not sent)");
  }
};

Connection::Connection(asio::ip::tcp::socket socket, ConnectionContext& context)
    : socket_(std::move(socket)),
      context_(context),
      // A full header beside a full read of the body behind it.
      buffer_(context.options.max_header_bytes + kReadSize),
      timer_(socket_.get_executor()) {}

Connection::~Connection() = default;

void Connection::close() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    // First out of the line: who sees the connection closed may rely on the work not being done any more.
    if (self->pending_) {
      if (self->pending_->ticket) self->context_.queue.withdraw(*self->pending_->ticket);
      self->pending_->abandon();
    }
    error_code ignored;
    self->socket_.close(ignored);
  });
}

/// Takes the connection out of a set at the end of its coroutine, also of one that is destroyed and not
/// resumed.
struct Connection::Membership {
  ConnectionSet& set;
  Connection& connection;
  ~Membership() { set.remove(connection); }
};

asio::awaitable<void> Connection::serve() {
  const auto self = shared_from_this();
  const Membership membership{context_.connections, *this};
  try {
    while (co_await serve_request()) {
    }
    if (unread_upload_) co_await linger();
  } catch (const std::exception& error) {
    context_.logger.error("connection ended: {}", escape_for_log(error.what()));
  }
  disarm();
  error_code ignored;
  socket_.close(ignored);
}

asio::awaitable<void> Connection::turn_away(ConnectionSet& overflow) {
  const auto self = shared_from_this();
  const Membership membership{overflow, *this};
  RequestLog log;
  log.request_id = make_request_id();
  const HttpResponse response =
      problem(503, "unavailable", "too many connections are open", log.request_id, kBusyRetryAfter);
  const bool sent = co_await write(response, log.request_id, {.keep_alive = false}, false);
  log.write(context_.logger, response, sent);
  co_await linger();
  disarm();
}

asio::awaitable<bool> Connection::wait_for_data() {
  buffer_.shrink_to_fit();  // thousands of idle connections should cost little
  arm(context_.options.idle_timeout, OnExpiry::kStopReading);
  const auto [error, count] = co_await socket_.async_read_some(buffer_.prepare(4096), kToken);
  disarm();
  if (error) co_return false;
  buffer_.commit(count);
  co_return true;
}

/// One request from its first byte to the end of its answer. False: the connection is to be closed.
asio::awaitable<bool> Connection::serve_request() {
  if (buffer_.size() == 0 && !co_await wait_for_data()) co_return false;
  RequestLog log;
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(context_.options.max_header_bytes));
  parser.body_limit(boost::none);  // read_body() counts, and can still answer
  arm(context_.options.header_timeout, OnExpiry::kStopReading);
  const auto [error, count] = co_await http::async_read_header(socket_, buffer_, parser, kToken);
  disarm();
  if (error && !is_http_error(error)) co_return false;  // reset: nobody is there to be answered
  if (error == http::error::end_of_stream || !context_.connections.set_busy(*this)) co_return false;

  HttpRequest request;
  request.body_lease = ByteBudget::Lease(context_.budget);
  std::optional<HttpResponse> response;
  WireOptions wire{.keep_alive = false};
  if (error) {
    request.head.request_id = make_request_id();
    response = timed_out_
                   ? problem(408, "timeout", "the request's headers took too long", request.head.request_id)
                   : malformed(error, request.head.request_id);
  } else {
    std::optional<std::uint64_t> content_length;
    if (const auto length = parser.content_length()) content_length = *length;
    request.head = read_head(parser.get(), content_length);
    response = check_head(parser.get(), request.head);
    wire = {.keep_alive = !response && parser.keep_alive(), .http_1_0 = parser.get().version() == 10};
    if (!response) response = context_.api.refuse_early(request.head);
    if (!response && !parser.is_done()) response = co_await read_body(parser, request);
  }
  log.method = request.head.method.empty() ? log.method : request.head.method;
  log.path = request.head.path.empty() ? log.path : request.head.path;
  log.request_id = request.head.request_id;
  log.bytes_in = request.body.size();
  unread_upload_ = error || !parser.is_done();

  const bool without_body = request.head.method == "HEAD";
  if (!response) response = co_await answer(std::move(request));
  if (unread_upload_ || context_.draining) wire.keep_alive = false;
  const bool sent = co_await write(*response, log.request_id, wire, without_body);
  context_.connections.set_waiting(*this);
  log.write(context_.logger, *response, sent);
  co_return sent&& wire.keep_alive;
}

/// Reads the body to its end; an answer when it is refused or does not come.
asio::awaitable<std::optional<HttpResponse>> Connection::read_body(Parser& parser, HttpRequest& request) {
  const ServerOptions& options = context_.options;
  const std::string& id = request.head.request_id;
  if (request.head.header("Expect") != nullptr && parser.get().version() == 11 && buffer_.size() == 0 &&
      !co_await write_text("HTTP/1.1 100 Continue\r\n\r\n")) {
    co_return problem(Error{ErrorCode::kCancelled, "the connection ended before the request did"}, id);
  }
  std::string& body = request.body;
  // Memory that is only reserved is not yet used; the lease counts what has arrived.
  body.reserve(static_cast<std::size_t>(request.head.content_length.value_or(0)) + kReadSize);
  const auto begin = Clock::now();
  while (!parser.is_done()) {
    const std::size_t size = body.size();
    body.resize(size + kReadSize);
    auto& window = parser.get().body();
    window.data = body.data() + size;
    window.size = kReadSize;
    window.more = true;
    const auto allowed = options.body_timeout + std::chrono::seconds(size / options.min_body_rate);
    arm(begin + allowed - Clock::now(), OnExpiry::kStopReading);
    const auto [error, count] = co_await http::async_read_some(socket_, buffer_, parser, kToken);
    disarm();
    const std::size_t received = kReadSize - window.size;
    body.resize(size + received);
    if (error && error != http::error::need_buffer) {
      if (timed_out_) co_return problem(408, "timeout", "the request's body took too long", id);
      if (is_http_error(error) && error != http::error::partial_message) co_return malformed(error, id);
      co_return problem(Error{ErrorCode::kCancelled, "the connection ended before the request did"}, id);
    }
    if (body.size() > options.max_body_bytes) co_return context_.api.body_too_large(request.head);
    if (!request.body_lease.grow(received)) {
      co_return problem(503, "unavailable", "too many uploads at once", id, kBusyRetryAfter);
    }
  }
  co_return std::nullopt;
}

/// Has the request answered, and drops it when its client goes away before its turn has come.
asio::awaitable<HttpResponse> Connection::answer(HttpRequest request) {
  const std::string id = request.head.request_id;
  const auto pending = pending_ = std::make_shared<Pending>(socket_.get_executor());
  pending->ticket = context_.api.handle(
      std::move(request), [pending, executor = socket_.get_executor()](HttpResponse response) {
        asio::dispatch(executor, [pending, response = std::move(response)]() mutable {
          pending->answer_with(std::move(response));
        });
      });
  if (pending->ticket && !pending->response) watch_for_disconnect(pending);
  while (!pending->response && !pending->abandoned) co_await pending->ended.async_wait(kToken);
  pending->stop_watching.emit(asio::cancellation_type::terminal);
  pending_.reset();
  if (pending->response) co_return std::move(*pending->response);
  co_return problem(Error{ErrorCode::kCancelled, "the client went away before its turn came"}, id);
}

void Connection::watch_for_disconnect(const std::shared_ptr<Pending>& pending) {
  auto on_readable = [self = shared_from_this(), pending](error_code error) {
    if (error || pending->response) return;
    // Only looked at: what comes may be the next request.
    char byte = 0;
    const auto received = ::recv(self->socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (received > 0) return;
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
      self->watch_for_disconnect(pending);  // woken for bytes that had been read already
      return;
    }
    // A client that has only closed its sending side looks the same as one that is gone. It loses its place
    // in the line, but not a recognition that has begun.
    if (!self->context_.queue.withdraw(*pending->ticket)) return;
    pending->abandon();
  };
  socket_.async_wait(asio::ip::tcp::socket::wait_read,
                     asio::bind_cancellation_slot(pending->stop_watching.slot(), std::move(on_readable)));
}

asio::awaitable<bool> Connection::write(const HttpResponse& response, const std::string& request_id,
                                        const WireOptions& wire, bool without_body) {
  const std::string head = serialize_head(response, request_id, wire);
  const std::array<asio::const_buffer, 2> buffers{
      asio::buffer(head), without_body ? asio::const_buffer() : asio::buffer(response.body)};
  arm(context_.options.write_timeout, OnExpiry::kClose);
  const auto [error, count] = co_await asio::async_write(socket_, buffers, kToken);
  disarm();
  co_return !error;
}

asio::awaitable<bool> Connection::write_text(std::string_view text) {
  arm(context_.options.write_timeout, OnExpiry::kClose);
  const auto [error, count] = co_await asio::async_write(socket_, asio::buffer(text), kToken);
  disarm();
  co_return !error;
}

/// Closing a socket with unread bytes resets the connection, and a reset can overtake the answer: so the rest
/// of the upload is thrown away, within limits, until the client has seen the answer and closes.
asio::awaitable<void> Connection::linger() {
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  buffer_.clear();
  buffer_.shrink_to_fit();
  arm(context_.options.linger_timeout, OnExpiry::kClose);
  std::vector<char> scratch(kReadSize);
  for (std::size_t total = 0; total < kMaxLingerBytes;) {
    const auto [error, count] = co_await socket_.async_read_some(asio::buffer(scratch), kToken);
    if (error) break;
    total += count;
  }
}

/// Starts the one timer, in place of what it was set to before.
void Connection::arm(Clock::duration timeout, OnExpiry on_expiry) {
  const unsigned generation = ++timer_generation_;
  timer_.expires_after(timeout);
  timer_.async_wait([self = shared_from_this(), generation, on_expiry](error_code error) {
    if (error || generation != self->timer_generation_) return;
    self->timed_out_ = true;
    error_code ignored;
    if (on_expiry == OnExpiry::kClose) {
      self->socket_.close(ignored);
    } else {
      // Unlike cancelling the read this also ends the reads after it, and an answer can still be written.
      self->socket_.shutdown(asio::ip::tcp::socket::shutdown_receive, ignored);
    }
  });
}

void Connection::disarm() {
  ++timer_generation_;
  timer_.cancel();
}

}  // namespace fovea::server
