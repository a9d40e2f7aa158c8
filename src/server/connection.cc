#include "server/connection.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <exception>
#include <stop_token>
#include <utility>
#include <vector>

#include "base/request_id.h"
#include "server/problem.h"
#include "server/request_head.h"

namespace fovea::server {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t kReadSize = 65536;  ///< bytes that one read of a chunked body may bring

/// Bytes that one read of a body of known size may bring; memory grows with what arrives, not with what is
/// said.
constexpr std::size_t kDirectReadSize = std::size_t{256} * 1024;

/// Bytes of a refused upload that are thrown away before its connection is closed all the same.
constexpr std::size_t kMaxLingerBytes = std::size_t{64} << 20;

constexpr std::size_t kWatchSize = 4096;  ///< bytes of the next request that are read while one is answered

constexpr int kBusyRetryAfter = 1;  ///< seconds, when memory or connections have run out for a moment

}  // namespace

class Connection::Parser : public http::request_parser<http::buffer_body> {};

/// A request that is being answered. Its members are used on the connection's strand.
struct Connection::Pending {
  explicit Pending(const asio::any_io_executor& executor)
      : changed(executor, asio::steady_timer::time_point::max()) {}

  /// Wakes whoever waits for something to have changed.
  void wake() { changed.cancel(); }

  asio::steady_timer changed;  // never expires
  std::stop_source stop;       // requested when the client has gone
  std::optional<HttpResponse> response;
  bool abandoned = false;  // the connection is being closed: no answer is waited for
  bool watching = false;   // a read is under way
  bool over = false;       // nobody needs to know any more whether the client is there
  asio::cancellation_signal stop_watching;
};

Connection::Connection(asio::ip::tcp::socket socket, std::shared_ptr<asio::ssl::context> tls,
                       std::string peer, AddressCounts::Lease place, ConnectionContext& context)
    : transport_(std::move(socket), std::move(tls)),
      context_(context),
      peer_(std::move(peer)),
      place_(std::move(place)),
      // A full header beside a full read of the body behind it.
      buffer_(context.options.max_header_bytes + kReadSize),
      timer_(transport_.get_executor()) {}

Connection::~Connection() = default;

void Connection::close() {
  asio::post(transport_.get_executor(), [self = shared_from_this()] {
    // First the work: who sees the connection closed may rely on its being told to stop.
    if (const auto pending = self->pending_) {
      pending->abandoned = true;
      pending->stop.request_stop();
      pending->wake();
    }
    error_code ignored;
    self->transport_.socket().close(ignored);
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
    if (co_await handshake()) {
      while (co_await serve_request()) {
      }
      co_await say_goodbye();
      if (unread_upload_) co_await linger();
    }
  } catch (const std::exception& error) {
    context_.logger.error("connection ended: {}", escape_for_log(error.what()));
  }
  disarm();
  error_code ignored;
  transport_.socket().close(ignored);
}

asio::awaitable<void> Connection::turn_away(ConnectionSet& overflow, std::string why) {
  const auto self = shared_from_this();
  const Membership membership{overflow, *this};
  AccessRecord record{.request_id = make_request_id(), .client = peer_};
  const HttpResponse response = problem(503, "unavailable", why, record.request_id, kBusyRetryAfter);
  record.status = response.status;
  record.notes = response.notes;
  record.sent =
      co_await handshake() && co_await write(response, record.request_id, {.keep_alive = false}, false);
  context_.metrics.count_shed("connections");
  write_access(record, context_.logger, context_.metrics);
  if (record.sent) {
    co_await say_goodbye();
    co_await linger();
  }
  disarm();
}

asio::awaitable<bool> Connection::handshake() {
  if (!transport_.is_tls()) co_return true;
  arm(context_.options.header_timeout, OnExpiry::kClose);
  const auto [error] = co_await transport_.async_handshake(kToken);
  disarm();
  co_return !error;
}

/// Tells a TLS client that the end of the stream is the end and no attack; waits for its word within limits.
asio::awaitable<void> Connection::say_goodbye() {
  if (!transport_.is_tls() || !transport_.socket().is_open()) co_return;
  arm(context_.options.linger_timeout, OnExpiry::kStopReading);
  co_await transport_.async_shutdown(kToken);  // the connection ends whatever comes of it
  disarm();
}

asio::awaitable<bool> Connection::wait_for_data() {
  buffer_.shrink_to_fit();  // thousands of idle connections should cost little
  arm(context_.options.idle_timeout, OnExpiry::kStopReading);
  const auto [error, count] = co_await transport_.async_read_some(buffer_.prepare(4096), kToken);
  disarm();
  if (error) co_return false;
  buffer_.commit(count);
  co_return true;
}

/// One request from its first byte to the end of its answer. False: the connection is to be closed.
asio::awaitable<bool> Connection::serve_request() {
  if (buffer_.size() == 0 && !co_await wait_for_data()) co_return false;
  AccessRecord record{.client = peer_};
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(context_.options.max_header_bytes));
  parser.body_limit(boost::none);  // read_body() counts, and can still answer
  arm(context_.options.header_timeout, OnExpiry::kStopReading);
  const auto [error, count] = co_await http::async_read_header(transport_, buffer_, parser, kToken);
  disarm();
  if (error && !is_http_error(error)) co_return false;  // reset: nobody is there to be answered
  if (error == http::error::end_of_stream || !context_.connections.set_busy(*this)) co_return false;

  HttpRequest request;
  request.body_lease = ByteBudget::Lease(context_.budget);
  std::optional<HttpResponse> response;
  WireOptions wire{.keep_alive = false};
  bool whole = false;  // the request was read to its end
  if (error) {
    request.head.request_id = make_request_id();
    response = timed_out_
                   ? problem(408, "timeout", "the request's headers took too long", request.head.request_id)
                   : malformed(error, request.head.request_id);
  } else {
    std::optional<std::uint64_t> content_length;
    if (const auto length = parser.content_length()) content_length = *length;
    request.head = read_head(parser.get(), content_length);
    request.head.received = record.begin;
    request.head.client = client_address(*context_.gate.policy(), peer_, request.head);
    response = check_head(parser.get(), request.head);
    wire = {.keep_alive = !response && parser.keep_alive(), .http_1_0 = parser.get().version() == 10};
    if (!response) response = context_.api.refuse_early(request.head);
    whole = parser.is_done();
    if (!response && !whole) {
      response = co_await read_body(parser, request);
      whole = !response;
    }
    record.client = request.head.client;
  }
  if (!request.head.method.empty()) record.method = request.head.method;
  if (!request.head.path.empty()) record.path = request.head.path;
  record.endpoint = Api::endpoint_of(request.head);
  record.request_id = request.head.request_id;
  record.bytes_in = request.body.size();
  unread_upload_ = !whole;
  if (++requests_ == context_.options.max_requests_per_connection) wire.keep_alive = false;

  const bool without_body = request.head.method == "HEAD";
  if (!response) response = co_await answer(std::move(request));
  if (unread_upload_ || context_.draining) wire.keep_alive = false;
  record.status = response->status;
  if (response->stream) {
    if (wire.http_1_0) wire.keep_alive = false;  // the end of the connection is the end of the answer
    record.sent = co_await write_stream(*response, record.request_id, wire, record);
    record.notes = response->stream->notes();
    co_await end_answer();
  } else {
    co_await end_answer();
    record.sent = co_await write(*response, record.request_id, wire, without_body);
    record.bytes_out = response->body.size();
    record.notes = std::move(response->notes);
  }
  context_.connections.set_waiting(*this);
  write_access(record, context_.logger, context_.metrics);
  co_return record.sent&& wire.keep_alive;
}

/// Reads some more of the body behind what is there. A body of known size goes where it belongs without
/// passing through the parser's buffer, which holds no more of it than came with the headers.
asio::awaitable<error_code> Connection::read_some_body(Parser& parser, HttpRequest& request, bool& done) {
  std::string& body = request.body;
  const std::size_t size = body.size();
  if (!request.head.content_length) {
    body.resize(size + kReadSize);
    auto& window = parser.get().body();
    window.data = body.data() + size;
    window.size = kReadSize;
    window.more = true;
    const auto [error, count] = co_await http::async_read_some(transport_, buffer_, parser, kToken);
    body.resize(size + kReadSize - window.size);
    done = parser.is_done();
    co_return error == http::error::need_buffer ? error_code() : error;
  }
  const auto left = static_cast<std::size_t>(*request.head.content_length) - size;
  if (buffer_.size() > 0) {
    const std::size_t count = std::min(left, buffer_.size());
    body.append(static_cast<const char*>(buffer_.data().data()), count);
    buffer_.consume(count);
    done = count == left;
    co_return error_code();
  }
  body.resize(size + std::min(left, kDirectReadSize));
  const auto [error, count] =
      co_await transport_.async_read_some(asio::buffer(body.data() + size, body.size() - size), kToken);
  body.resize(size + count);
  done = count == left;
  co_return error == asio::error::eof ? error_code(http::error::partial_message) : error;
}

/// Reads the body to its end; an answer when it is refused or does not come.
asio::awaitable<std::optional<HttpResponse>> Connection::read_body(Parser& parser, HttpRequest& request) {
  const ServerOptions& options = context_.options;
  const RequestHead& head = request.head;
  const std::size_t max_body_bytes = context_.gate.policy()->max_body_bytes;
  if (head.header("Expect") != nullptr && parser.get().version() == 11 && buffer_.size() == 0 &&
      !co_await write_text("HTTP/1.1 100 Continue\r\n\r\n")) {
    co_return problem(head, Error{ErrorCode::kCancelled, "the connection ended before the request did"});
  }
  std::string& body = request.body;
  // Memory that is only reserved is not yet used; the lease counts what has arrived.
  body.reserve(static_cast<std::size_t>(head.content_length.value_or(0)) + kReadSize);
  const auto begin = Clock::now();
  for (bool done = false; !done;) {
    const std::size_t size = body.size();
    const auto allowed = options.body_timeout + std::chrono::seconds(size / options.min_body_rate);
    arm(begin + allowed - Clock::now(), OnExpiry::kStopReading);
    const error_code error = co_await read_some_body(parser, request, done);
    disarm();
    if (error) {
      if (timed_out_) co_return problem(head, 408, "timeout", "the request's body took too long");
      if (is_http_error(error) && error != http::error::partial_message) {
        co_return malformed(error, head.request_id);
      }
      co_return problem(head, Error{ErrorCode::kCancelled, "the connection ended before the request did"});
    }
    if (body.size() > max_body_bytes) co_return context_.api.body_too_large(head);
    if (!request.body_lease.grow(body.size() - size)) {
      context_.metrics.count_shed("memory");
      co_return problem(head, 503, "unavailable", "too many uploads at once", kBusyRetryAfter);
    }
  }
  co_return std::nullopt;
}

/// Has the request answered. A client that goes away meanwhile has the work stopped.
asio::awaitable<HttpResponse> Connection::answer(HttpRequest request) {
  const auto executor = transport_.get_executor();
  const auto pending = pending_ = std::make_shared<Pending>(executor);
  request.stop = pending->stop.get_token();
  const std::string id = request.head.request_id;
  context_.api.handle(std::move(request), [pending, executor](HttpResponse response) {
    asio::dispatch(executor, [pending, response = std::move(response)]() mutable {
      pending->response = std::move(response);
      pending->wake();
    });
  });
  if (!pending->response || pending->response->stream) watch_for_disconnect(pending);
  while (!pending->response && !pending->abandoned) co_await pending->changed.async_wait(kToken);
  if (pending->response) co_return std::move(*pending->response);
  co_return problem(Error{ErrorCode::kCancelled, "the connection was closed before the answer was there"},
                    id);
}

/// The next request may be read after this: nothing else reads any more.
asio::awaitable<void> Connection::end_answer() {
  const auto pending = std::exchange(pending_, nullptr);
  if (!pending) co_return;
  pending->over = true;
  pending->stop_watching.emit(asio::cancellation_type::terminal);
  while (pending->watching) co_await pending->changed.async_wait(kToken);
}

/// Reads ahead, which is the only way to see a client leave. What comes may be the next request, and is kept;
/// a client that sends more of them than the buffer holds is not watched any further.
void Connection::watch_for_disconnect(const std::shared_ptr<Pending>& pending) {
  const std::size_t room = buffer_.max_size() - buffer_.size();
  if (room == 0) return;
  auto on_read = [self = shared_from_this(), pending](error_code error, std::size_t count) {
    pending->watching = false;
    self->buffer_.commit(count);
    if (pending->over) {
      pending->wake();
    } else if (error) {
      // A client that has only closed its sending side looks the same as one that is gone. Its work is
      // stopped; should there be an answer all the same, it is sent.
      pending->stop.request_stop();
    } else {
      self->watch_for_disconnect(pending);
    }
  };
  pending->watching = true;
  transport_.async_read_some(buffer_.prepare(std::min(room, kWatchSize)),
                             asio::bind_cancellation_slot(pending->stop_watching.slot(), std::move(on_read)));
}

asio::awaitable<bool> Connection::write(const HttpResponse& response, const std::string& request_id,
                                        const WireOptions& wire, bool without_body) {
  const std::string head = serialize_head(response, request_id, wire);
  const std::array<asio::const_buffer, 2> buffers{
      asio::buffer(head), without_body ? asio::const_buffer() : asio::buffer(response.body)};
  arm(context_.options.write_timeout, OnExpiry::kClose);
  const auto [error, count] = co_await asio::async_write(transport_, buffers, kToken);
  disarm();
  co_return !error;
}

/// Writes an answer while it is made. False, and the work stopped: the client did not take it.
asio::awaitable<bool> Connection::write_stream(const HttpResponse& response, const std::string& request_id,
                                               const WireOptions& wire, AccessRecord& record) {
  BodyStream& stream = *response.stream;
  const auto pending = pending_;
  stream.set_waker([pending, self = shared_from_this(), weak = std::weak_ptr(response.stream)] {
    asio::post(self->transport_.get_executor(), [pending, self, weak] {
      const auto written = weak.lock();
      if (!pending->over && written && written->is_broken()) {
        error_code ignored;
        self->transport_.socket().close(ignored);  // a write that waits for the slow reader may never end
      }
      pending->wake();
    });
  });
  bool sent = co_await write_text(serialize_head(response, request_id, wire));
  while (sent) {
    const BodyStream::Piece piece = stream.take();
    if (piece.broken || pending->abandoned) {
      sent = false;
    } else if (!piece.text.empty()) {
      record.bytes_out += piece.text.size();
      sent = co_await write_text(
          wire.http_1_0 ? piece.text : fmt::format("{:x}\r\n{}\r\n", piece.text.size(), piece.text));
    } else if (piece.finished) {
      sent = wire.http_1_0 || co_await write_text("0\r\n\r\n");
      break;
    } else {
      co_await pending->changed.async_wait(kToken);
    }
  }
  stream.set_waker(nullptr);
  if (!sent) {
    stream.break_off();
    pending->stop.request_stop();
  }
  co_return sent;
}

asio::awaitable<bool> Connection::write_text(std::string_view text) {
  arm(context_.options.write_timeout, OnExpiry::kClose);
  const auto [error, count] = co_await asio::async_write(transport_, asio::buffer(text), kToken);
  disarm();
  co_return !error;
}

/// Closing a socket with unread bytes resets the connection, and a reset can overtake the answer: so the rest
/// of the upload is thrown away, within limits, until the client has seen the answer and closes.
asio::awaitable<void> Connection::linger() {
  error_code ignored;
  transport_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  buffer_.clear();
  buffer_.shrink_to_fit();
  arm(context_.options.linger_timeout, OnExpiry::kClose);
  std::vector<char> scratch(kReadSize);
  for (std::size_t total = 0; total < kMaxLingerBytes;) {
    const auto [error, count] = co_await transport_.socket().async_read_some(asio::buffer(scratch), kToken);
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
      self->transport_.socket().close(ignored);
    } else {
      // Unlike cancelling the read this also ends the reads after it, and an answer can still be written.
      self->transport_.socket().shutdown(asio::ip::tcp::socket::shutdown_receive, ignored);
    }
  });
}

void Connection::disarm() {
  ++timer_generation_;
  timer_.cancel();
}

}  // namespace fovea::server
