#include "cache/redis_store.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <array>
#include <string>
#include <utility>

#include "base/shorten.h"
#include "cache/socket.h"

namespace fovea::cache {
namespace {

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

struct FreeReader {
  void operator()(redisReader* reader) const { redisReaderFree(reader); }
};

std::string_view text_of(const redisReply& reply) {
  return reply.str == nullptr ? std::string_view() : std::string_view(reply.str, reply.len);
}

/// hiredis forms the commands and reads the replies; the socket is ours, for its blocking calls know a
/// timeout for each read, not a deadline for the whole, and raise SIGPIPE.
class Connection {
 public:
  void close() {
    socket_.close();
    reader_.reset();
    pending_.clear();
  }

  Result<void> open(const RedisOptions& options, Clock::time_point deadline) {
    close();
    FOVEA_TRY(socket_, options.unix_path.empty() ? Socket::connect_tcp(options.host, options.port, deadline)
                                                 : Socket::connect_unix(options.unix_path, deadline));
    reader_.reset(redisReaderCreate());
    if (reader_ == nullptr) return fail(ErrorCode::kUnavailable, "not enough memory");
    return {};
  }

  /// Adds a command to those that send() sends.
  void append(std::span<const std::string_view> arguments) {
    // The format of https://redis.io/docs/reference/protocol-spec: lengths first, so any bytes may be inside.
    pending_ += fmt::format("*{}\r\n", arguments.size());
    for (const std::string_view argument : arguments) {
      pending_ += fmt::format("${}\r\n", argument.size());
      pending_ += argument;
      pending_ += "\r\n";
    }
  }

  Result<void> send(Clock::time_point deadline) {
    if (!socket_.is_open()) return fail(ErrorCode::kUnavailable, "not connected");
    const std::string bytes = std::exchange(pending_, {});
    return socket_.send(bytes, deadline);
  }

  /// The next reply, which may be an error of Redis. `max_bytes`: more are not read into memory.
  Result<Reply> receive(std::size_t max_bytes, Clock::time_point deadline) {
    std::array<char, 16384> buffer;
    for (;;) {
      void* raw = nullptr;
      if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) {
        return fail(ErrorCode::kUnavailable, fmt::format("not an answer of Redis: {}", reader_->errstr));
      }
      if (raw != nullptr) return Reply(static_cast<redisReply*>(raw));
      FOVEA_TRY(const std::size_t size, socket_.receive(buffer, deadline));
      if (reader_->len + size > max_bytes) {
        return fail(ErrorCode::kTooLarge,
                    fmt::format("expected an answer of at most {} bytes, found more", max_bytes));
      }
      if (redisReaderFeed(reader_.get(), buffer.data(), size) != REDIS_OK) {
        return fail(ErrorCode::kUnavailable, "not enough memory");
      }
    }
  }

 private:
  Socket socket_;
  std::unique_ptr<redisReader, FreeReader> reader_;
  std::string pending_;
};

constexpr std::size_t kSmallReply = 65536;
constexpr std::size_t kScanReply = std::size_t{4} << 20;

class RedisStore final : public Store {
 public:
  RedisStore(RedisOptions options, std::size_t max_value_bytes)
      : options_(std::move(options)), max_value_bytes_(max_value_bytes) {}

  Result<void> open(Clock::time_point deadline) override {
    FOVEA_CHECK_OK(named(connection_.open(options_, deadline)));
    if (!options_.password.empty()) {
      // A user came with Redis 6; without one the older form says the same.
      const auto authenticated =
          options_.user.empty() ? call({"AUTH", options_.password}, kSmallReply, deadline)
                                : call({"AUTH", options_.user, options_.password}, kSmallReply, deadline);
      if (!authenticated) return std::unexpected(authenticated.error());
    }
    if (options_.database != 0) {
      FOVEA_CHECK_OK(call({"SELECT", std::to_string(options_.database)}, kSmallReply, deadline));
    }
    FOVEA_CHECK_OK(call({"PING"}, kSmallReply, deadline));
    return {};
  }

  void close() override { connection_.close(); }

  Result<Found> get(const Key& key, Clock::time_point deadline) override {
    const std::string name = options_.prefix + key.hex();
    // One byte more than is allowed tells an entry that is too large from one that just fits.
    const std::array<std::string_view, 4> command = {"GETRANGE", name, "0", max_text_};
    connection_.append(command);
    FOVEA_CHECK_OK(named(connection_.send(deadline)));
    FOVEA_TRY(const Reply reply, named(connection_.receive(max_value_bytes_ + kSmallReply, deadline)));
    const bool another_type = reply->type == REDIS_REPLY_ERROR && text_of(*reply).starts_with("WRONGTYPE");
    if (reply->type != REDIS_REPLY_STRING && !another_type) return refusal(*reply);
    const std::string_view bytes = another_type ? "" : text_of(*reply);
    if (bytes.empty() && !another_type) return Found{};  // GETRANGE of nothing is empty

    std::optional<Answer> answer = bytes.size() <= max_value_bytes_ ? decode_entry(key, bytes) : std::nullopt;
    if (answer) return Found{.answer = std::make_shared<const Answer>(*std::move(answer))};
    FOVEA_CHECK_OK(call({"DEL", name}, kSmallReply, deadline));
    return Found{.damaged = true};
  }

  Result<void> put(std::span<const Entry> entries, Clock::time_point deadline) override {
    const std::string seconds = std::to_string(options_.ttl.count());
    std::size_t commands = 0;
    for (const Entry& entry : entries) {
      const std::string name = options_.prefix + entry.key.hex();
      const std::string bytes = encode_entry(entry.key, *entry.answer);
      if (bytes.size() > max_value_bytes_) continue;
      const std::array<std::string_view, 5> command = {"SET", name, bytes, "EX", seconds};
      connection_.append(std::span(command).first(options_.ttl.count() > 0 ? 5 : 3));
      ++commands;
    }
    FOVEA_CHECK_OK(named(connection_.send(deadline)));
    Result<void> result;
    for (std::size_t i = 0; i < commands; ++i) {
      FOVEA_TRY(const Reply reply, named(connection_.receive(kSmallReply, deadline)));
      if (reply->type != REDIS_REPLY_STATUS && result) result = refusal(*reply);
    }
    return result;
  }

  Result<std::optional<Usage>> usage(Clock::time_point) override { return std::nullopt; }

  Result<void> newest(std::size_t, const std::function<bool(Entry)>&, Clock::time_point) override {
    return {};
  }

  Result<void> prune(Clock::time_point) override { return {}; }  // the time to live does it

  Result<Usage> count_all(Clock::time_point deadline) override {
    Usage usage;
    const auto count = [&](std::span<const std::string_view> names) -> Result<void> {
      for (const std::string_view name : names)
        connection_.append(std::array<std::string_view, 2>{"STRLEN", name});
      FOVEA_CHECK_OK(named(connection_.send(deadline)));
      for (std::size_t i = 0; i < names.size(); ++i) {
        FOVEA_TRY(const Reply reply, named(connection_.receive(kSmallReply, deadline)));
        if (reply->type != REDIS_REPLY_INTEGER) continue;  // a key of another type
        ++usage.entries;
        usage.bytes += static_cast<std::uint64_t>(reply->integer);
      }
      return {};
    };
    FOVEA_CHECK_OK(for_each_key(count, deadline));
    return usage;
  }

  Result<std::uint64_t> clear(Clock::time_point deadline) override {
    std::uint64_t deleted = 0;
    const auto remove = [&](std::span<const std::string_view> names) -> Result<void> {
      std::vector<std::string_view> command = {"DEL"};
      command.insert(command.end(), names.begin(), names.end());
      connection_.append(command);
      FOVEA_CHECK_OK(named(connection_.send(deadline)));
      FOVEA_TRY(const Reply reply, named(connection_.receive(kSmallReply, deadline)));
      if (reply->type != REDIS_REPLY_INTEGER) return refusal(*reply);
      deleted += static_cast<std::uint64_t>(reply->integer);
      return {};
    };
    FOVEA_CHECK_OK(for_each_key(remove, deadline));
    return deleted;
  }

 private:
  /// Walks over our keys with SCAN, some at a time.
  template <class Function>
  Result<void> for_each_key(const Function& function, Clock::time_point deadline) {
    std::string cursor = "0";
    do {
      FOVEA_TRY(const Reply reply, call({"SCAN", cursor, "MATCH", options_.prefix + "*", "COUNT", "1000"},
                                        kScanReply, deadline));
      const bool formed = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                          reply->element[0]->type == REDIS_REPLY_STRING &&
                          reply->element[1]->type == REDIS_REPLY_ARRAY;
      if (!formed) return fail(ErrorCode::kUnavailable, describe(options_) + ": not an answer to SCAN");
      cursor = text_of(*reply->element[0]);
      std::vector<std::string_view> names;
      names.reserve(reply->element[1]->elements);
      for (std::size_t i = 0; i < reply->element[1]->elements; ++i) {
        names.push_back(text_of(*reply->element[1]->element[i]));
      }
      if (!names.empty()) FOVEA_CHECK_OK(function(names));
    } while (cursor != "0");
    return {};
  }

  /// One command and its reply; a reply that is an error is one.
  Result<Reply> call(const std::vector<std::string>& arguments, std::size_t max_bytes,
                     Clock::time_point deadline) {
    connection_.append(std::vector<std::string_view>(arguments.begin(), arguments.end()));
    FOVEA_CHECK_OK(named(connection_.send(deadline)));
    FOVEA_TRY(Reply reply, named(connection_.receive(max_bytes, deadline)));
    if (reply->type == REDIS_REPLY_ERROR) return refusal(*reply);
    return reply;
  }

  /// Redis's own words: they name what it wants, and repeat no password.
  [[nodiscard]] std::unexpected<Error> refusal(const redisReply& reply) const {
    const std::string_view words = reply.type == REDIS_REPLY_ERROR
                                       ? text_of(reply)
                                       : std::string_view("an answer of an unexpected type");
    return fail(ErrorCode::kUnavailable, fmt::format("{}: {}", describe(options_), shorten(words, 200)));
  }

  template <class T>
  Result<T> named(Result<T> result) const {
    if (!result) return with_context(std::move(result).error(), describe(options_));
    return result;
  }

  const RedisOptions options_;
  const std::size_t max_value_bytes_;
  const std::string max_text_ = std::to_string(max_value_bytes_);
  Connection connection_;
};

}  // namespace

std::unique_ptr<Store> make_redis_store(const RedisOptions& options, std::size_t max_value_bytes) {
  return std::make_unique<RedisStore>(options, max_value_bytes);
}

}  // namespace fovea::cache
