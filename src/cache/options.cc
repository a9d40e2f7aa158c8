#include "cache/options.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "cache/postgres_store.h"

namespace fovea::cache {
namespace {

constexpr std::string_view kRedisForms =
    "expected redis://[user[:password]@]host[:port][/database] or unix:///path[?db=1]";

/// Never shows the URL: it may hold a password.
std::unexpected<Error> redis_failure(const std::string& what) {
  return fail(ErrorCode::kUsage, fmt::format("the URL of Redis: {}; {}", what, kRedisForms));
}

template <class Integer>
std::optional<Integer> parse_number(std::string_view text) {
  Integer number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

Result<std::string> decode_percent(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned char byte = 0;
    const char* first = text.data() + i + 1;
    if (i + 2 >= text.size() || std::from_chars(first, first + 2, byte, 16).ptr != first + 2) {
      return redis_failure("a % without two hexadecimal digits");
    }
    decoded += static_cast<char>(byte);
    i += 2;
  }
  if (decoded.find('\0') != std::string::npos) return redis_failure("a zero byte");
  return decoded;
}

/// What is before `separator`, and what is after it; without one, `text` and nothing.
std::pair<std::string_view, std::optional<std::string_view>> cut(std::string_view text, char separator) {
  const auto at = text.find(separator);
  if (at == std::string_view::npos) return {text, std::nullopt};
  return {text.substr(0, at), text.substr(at + 1)};
}

Result<int> parse_database_number(std::string_view text) {
  const auto number = parse_number<int>(text);
  if (!number || *number < 0) return redis_failure("the database must be a number from 0");
  return *number;
}

Result<RedisOptions> parse_unix_url(std::string_view rest) {
  RedisOptions options;
  auto [path, query] = cut(rest, '?');
  FOVEA_TRY(options.unix_path, decode_percent(path));
  if (options.unix_path.empty() || options.unix_path.front() != '/') {
    return redis_failure("the path of the socket must begin with /");
  }
  while (query && !query->empty()) {
    auto [pair, others] = cut(*query, '&');
    query = others;
    const auto [name, value] = cut(pair, '=');
    FOVEA_TRY(const std::string decoded, decode_percent(value.value_or("")));
    if (name == "db") {
      FOVEA_TRY(options.database, parse_database_number(decoded));
    } else if (name == "user") {
      options.user = decoded;
    } else if (name == "password") {
      options.password = decoded;
    } else {
      return redis_failure("what follows ? can be db, user and password");
    }
  }
  return options;
}

Result<RedisOptions> parse_tcp_url(std::string_view rest) {
  RedisOptions options;
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    const auto [user, password] = cut(rest.substr(0, at), ':');
    FOVEA_TRY(options.user, decode_percent(user));
    FOVEA_TRY(options.password, decode_percent(password.value_or("")));
    rest.remove_prefix(at + 1);
  }
  const auto [place, database] = cut(rest, '/');
  if (database && !database->empty()) {
    FOVEA_TRY(options.database, parse_database_number(*database));
  }
  std::string_view host = place;
  std::optional<std::string_view> port;
  if (place.starts_with('[')) {  // an IPv6 address
    const auto end = place.find(']');
    if (end == std::string_view::npos) return redis_failure("a [ without a ]");
    host = place.substr(1, end - 1);
    const std::string_view after = place.substr(end + 1);
    if (!after.empty() && after.front() != ':') return redis_failure("after ] can stand a port only");
    if (!after.empty()) port = after.substr(1);
  } else {
    std::tie(host, port) = cut(place, ':');
  }
  if (!host.empty()) options.host = host;
  if (port) {
    const auto number = parse_number<std::uint16_t>(*port);
    if (!number || *number == 0) return redis_failure("the port must be a number from 1 to 65535");
    options.port = *number;
  }
  return options;
}

}  // namespace

Result<Mode> parse_mode(std::string_view text) {
  if (text == "use") return Mode::kUse;
  if (text == "refresh") return Mode::kRefresh;
  if (text == "off") return Mode::kOff;
  return fail(ErrorCode::kInvalidArgument, "cache: expected use, refresh or off");
}

std::filesystem::path default_database_path() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the program sets no variables.
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state != '\0') return std::filesystem::path(state) / "fovea" / "answers.db";
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the program sets no variables.
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : ".") / ".local" / "state" / "fovea" / "answers.db";
}

Result<RedisOptions> parse_redis_url(std::string_view url) {
  if (url.starts_with("redis://")) return parse_tcp_url(url.substr(8));
  if (url.starts_with("unix://")) return parse_unix_url(url.substr(7));
  if (url.starts_with("rediss://")) {
    return redis_failure("TLS is not spoken; use a unix socket, the loopback interface or a tunnel");
  }
  return redis_failure("it begins with neither redis:// nor unix://");
}

Result<DatabaseOptions> parse_database(std::string_view text) {
  if (text.empty())
    return fail(ErrorCode::kUsage, "the database: expected a file, a URL or none, found nothing");
  if (text == "none") return DatabaseOptions{};
  if (text.starts_with("sqlite:") && text.size() > 7) {
    return SqliteOptions{.path = std::filesystem::path(text.substr(7))};
  }
  const bool url = text.starts_with("postgres://") || text.starts_with("postgresql://");
  const bool words = !text.contains('/') && text.contains('=');
  if (url || words || (text.contains("host=") && text.contains("dbname="))) {
    FOVEA_CHECK_OK(check_conninfo(std::string(text)));
    return PostgresOptions{std::string(text)};
  }
  if (text.contains("://")) {
    return fail(ErrorCode::kUsage,
                "the database: expected a file, sqlite:FILE, postgresql://… or none, found a URL of "
                "another kind");
  }
  return SqliteOptions{.path = std::filesystem::path(text)};
}

std::string describe(const RedisOptions& options) {
  const std::string database = options.database == 0 ? "" : fmt::format(", database {}", options.database);
  if (!options.unix_path.empty()) return fmt::format("Redis at {}{}", options.unix_path, database);
  return fmt::format("Redis at {}:{}{}", options.host, options.port, database);
}

std::string describe(const DatabaseOptions& options) {
  if (const auto* sqlite = std::get_if<SqliteOptions>(&options)) {
    return fmt::format("SQLite, {}", sqlite->path.string());
  }
  if (const auto* postgres = std::get_if<PostgresOptions>(&options))
    return describe_conninfo(postgres->conninfo);
  return "none";
}

}  // namespace fovea::cache
