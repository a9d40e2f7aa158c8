#include "config/config.h"

#include <fmt/format.h>

#include <limits>
#include <map>
#include <set>
#include <utility>

#include "base/file.h"
#include "config/reader.h"
#include "config/router_reader.h"

namespace fovea::config {
namespace {

constexpr std::size_t kMaxFileBytes = 1'000'000;
constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMostBytes = std::int64_t{1} << 40;
constexpr std::int64_t kMostMilliseconds = 24 * 60 * 60 * std::int64_t{1000};
constexpr double kMostRate = 1e6;

void read_server(Reader& reader, Config::Server& server) {
  reader.text("host", server.host);
  reader.integer("port", server.port, 0, 65535);
  reader.integer("io_threads", server.io_threads, 1, 256);
  reader.text("default_task", server.default_task);
  reader.word("log_level", server.log_level, {"trace", "debug", "info", "warn", "error", "off"});
  reader.texts("trusted_proxies", server.trusted_proxies);
  reader.texts("image_hosts", server.image_hosts);
}

void read_limits(Reader& reader, Config::Limits& limits) {
  reader.integer("max_body_bytes", limits.max_body_bytes, 1, std::int64_t{1} << 30);
  reader.integer("max_buffered_bytes", limits.max_buffered_bytes, 1, kMostBytes);
  reader.integer("max_header_bytes", limits.max_header_bytes, 1024, 1 << 20);
  reader.integer("max_connections", limits.max_connections, 1, 1'000'000);
  reader.integer("max_connections_per_address", limits.max_connections_per_address, 0, 1'000'000);
  reader.integer("max_requests_per_connection", limits.max_requests_per_connection, 0, kMost);
  reader.integer("max_stream_bytes", limits.max_stream_bytes, 4096, std::int64_t{1} << 30);
  reader.integer("min_body_rate", limits.min_body_rate, 1, kMost);
  reader.number("requests_per_second", limits.requests_per_second, 0, kMostRate);
  reader.integer("burst", limits.burst, 0, kMost);
  reader.integer("idle_timeout_ms", limits.idle_timeout_ms, 1, kMostMilliseconds);
  reader.integer("header_timeout_ms", limits.header_timeout_ms, 1, kMostMilliseconds);
  reader.integer("body_timeout_ms", limits.body_timeout_ms, 1, kMostMilliseconds);
  reader.integer("write_timeout_ms", limits.write_timeout_ms, 1, kMostMilliseconds);
  reader.integer("drain_timeout_ms", limits.drain_timeout_ms, 0, kMostMilliseconds);
  reader.integer("queue_capacity", limits.queue_capacity, 1, 100'000);
}

void read_auth(Reader& reader, Config::Auth& auth) {
  reader.path("key_file", auth.key_file);
  reader.text("admin_token", auth.admin_token);
  reader.flag("open_metrics", auth.open_metrics);
  const toml::node* node = reader.take("keys");
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (list == nullptr) return reader.wrong(*node, "keys", "a list of tables, each headed [[auth.keys]]");
  for (const toml::node& item : *list) {
    const toml::table* table = item.as_table();
    if (table == nullptr) return reader.wrong(item, "keys", "a list of tables, each headed [[auth.keys]]");
    Config::ApiKey key;
    Reader below = reader.reader_of(*table, "auth.keys");
    below.text("name", key.name);
    below.text("key", key.key);
    below.number("requests_per_second", key.requests_per_second, 0, kMostRate);
    below.integer("burst", key.burst, 0, kMost);
    reader.keep(below.finish());
    if (key.name.empty() || key.key.empty())
      reader.error_at(*table, "a key in [[auth.keys]] needs a name and a key");
    auth.keys.push_back(std::move(key));
  }
}

void read_cache(Reader& reader, Config::Cache& cache) {
  reader.flag("enabled", cache.enabled);
  reader.integer("memory_entries", cache.memory_entries, 0, kMost);
  reader.integer("memory_bytes", cache.memory_bytes, 0, kMostBytes);
  reader.text("redis_url", cache.redis_url);
  reader.path("database_path", cache.database_path);
  reader.text("database_url", cache.database_url);
  reader.integer("ttl_s", cache.ttl_s, 0, kMost);
}

void read_engine(Reader& reader, Config::Engine& engine) {
  reader.integer("kv_budget_mb", engine.kv_budget_mb, 0, 1 << 24);
  reader.integer("max_batch", engine.max_batch, 0, 4096);
  reader.integer("vision_batch", engine.vision_batch, 0, 4096);
  reader.integer("threads", engine.threads, 0, 1024);
  reader.word("dtype", engine.dtype, {"f32", "bf16", "int8", "int4"});
  reader.word("kv_cache", engine.kv_cache, {"bf16", "int8"});
  reader.word("pin", engine.pin, {"auto", "always", "never"});
  reader.flag("mlock", engine.mlock);
  reader.flag("huge_pages", engine.huge_pages);
}

/// `models = ["name", "other"]`, or `[models]` with `name = "./folder"`, a line each, in the order of the
/// file.
void read_models(Reader& reader, std::vector<Config::Model>& models) {
  const toml::node* node = reader.take("models");
  if (node == nullptr) return;
  std::set<std::string> names;
  const auto add = [&](const toml::node& at, std::string name, std::string path) {
    if (!names.insert(name).second)
      return reader.error_at(at, fmt::format("the model \"{}\" is named twice", name));
    models.push_back({.name = std::move(name), .path = std::move(path)});
  };
  if (const toml::array* list = node->as_array()) {
    for (const toml::node& item : *list) {
      if (!item.is_string()) return reader.wrong(item, "models", "a list of names in quotes");
      add(item, item.as_string()->get(), {});
    }
    return;
  }
  const toml::table* table = node->as_table();
  if (table == nullptr)
    return reader.wrong(*node, "models", "a list of names, or a table of names and folders");
  std::map<std::uint32_t, std::pair<std::string, const toml::node*>> by_line;  // a table forgets its order
  for (const auto& [key, value] : *table) {
    if (!value.is_string()) {
      return reader.wrong(value, fmt::format("models.{}", key.str()), "a folder in quotes");
    }
    by_line.try_emplace(value.source().begin.line, std::string(key.str()), &value);
  }
  for (const auto& [line, entry] : by_line) {
    add(*entry.second, entry.first, reader.absolute(entry.second->as_string()->get()));
  }
}

Result<Config> read_table(const toml::table& table, const std::string& source,
                          const std::filesystem::path& folder) {
  Config config;
  Reader reader(table, {}, source, folder);
  reader.section("server", [&](Reader& below) { read_server(below, config.server); });
  reader.section("limits", [&](Reader& below) { read_limits(below, config.limits); });
  reader.section("auth", [&](Reader& below) { read_auth(below, config.auth); });
  reader.section("tls", [&](Reader& below) {
    below.path("certificate", config.tls.certificate);
    below.path("key", config.tls.key);
    if (config.tls.certificate.empty() != config.tls.key.empty()) {
      below.error_at(*table.get("tls"), "[tls] needs both certificate and key");
    }
  });
  reader.section("cache", [&](Reader& below) { read_cache(below, config.cache); });
  reader.section("engine", [&](Reader& below) { read_engine(below, config.engine); });
  reader.section("tasks", [&](Reader& below) { below.paths("directories", config.tasks.directories); });
  read_models(reader, config.models);
  reader.section("router", [&](Reader& below) { read_router(below, config.router); });
  read_faults(reader, config.faults);
  FOVEA_CHECK_OK(reader.finish());
  return config;
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& source,
                            const std::filesystem::path& folder) {
  // The library throws what is not TOML; this is start-up, or a reload away from any request.
  try {
    const toml::table table = toml::parse(text, source);
    return read_table(table, source, folder);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::kUsage, fmt::format("{}:{}:{}: {}", source, error.source().begin.line,
                                               error.source().begin.column, error.description()));
  }
}

Result<Config> read_config(const std::filesystem::path& path) {
  FOVEA_TRY(const std::string text, read_file(path, kMaxFileBytes));
  std::error_code error;
  const auto folder = std::filesystem::absolute(path, error).parent_path();
  return parse_config(text, path.string(), folder);
}

}  // namespace fovea::config
