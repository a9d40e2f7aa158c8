#include "serve_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <iterator>
#include <set>

namespace fovea::cli {
namespace {

constexpr const char* kKeysVariable = "FOVEA_API_KEYS";

Result<std::vector<server::ApiKey>> keys_of_environment() {
  std::vector<server::ApiKey> keys;
  const char* value =
      std::getenv(kKeysVariable);  // NOLINT(concurrency-mt-unsafe): nothing here sets variables
  std::string_view rest = value == nullptr ? "" : value;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    const std::string_view text = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    if (text.empty()) continue;
    auto key = server::parse_api_key(text, fmt::format("environment-{}", keys.size() + 1));
    if (!key) return with_context(std::move(key).error(), kKeysVariable);
    keys.push_back(std::move(*key));
  }
  return keys;
}

Result<std::vector<server::ApiKey>> keys_of(const config::Config::Auth& auth) {
  FOVEA_TRY(auto keys, keys_of_environment());
  if (!auth.key_file.empty()) {
    FOVEA_TRY(auto more, server::read_key_file(auth.key_file));
    std::move(more.begin(), more.end(), std::back_inserter(keys));
  }
  for (const auto& given : auth.keys) {
    auto key = server::parse_api_key(given.name + ":" + given.key, given.name);
    if (!key) return with_context(std::move(key).error(), "[[auth.keys]] " + given.name);
    key->rate = given.requests_per_second;
    key->burst = given.burst;
    keys.push_back(std::move(*key));
  }
  std::set<std::string> names;
  for (const server::ApiKey& key : keys) {
    if (!names.insert(key.name).second) {
      return fail(ErrorCode::kUsage, fmt::format("two API keys have the name \"{}\"", key.name));
    }
  }
  return keys;
}

}  // namespace

Result<server::Policy> policy_of(const config::Config& config) {
  server::Policy policy;
  FOVEA_TRY(auto keys, keys_of(config.auth));
  policy.keys = server::KeyRing(std::move(keys));
  if (!config.auth.admin_token.empty()) {
    FOVEA_TRY(const auto token, server::parse_api_key(config.auth.admin_token, "admin_token"));
    policy.admin_token = token.digest;
  }
  policy.open_metrics = config.auth.open_metrics;
  policy.address_rate = config.limits.requests_per_second;
  policy.address_burst = config.limits.burst;
  policy.max_connections_per_address = config.limits.max_connections_per_address;
  policy.max_body_bytes = config.limits.max_body_bytes;
  policy.trusted_proxies = config.server.trusted_proxies;
  return policy;
}

Result<server::ServerOptions> server_options(const config::Config& config) {
  using std::chrono::milliseconds;
  server::ServerOptions options;
  options.host = config.server.host;
  options.port = config.server.port;
  options.io_threads = config.server.io_threads;
  options.default_task = config.server.default_task;
  options.max_buffered_bytes = config.limits.max_buffered_bytes;
  options.max_header_bytes = config.limits.max_header_bytes;
  options.max_connections = config.limits.max_connections;
  options.max_requests_per_connection = config.limits.max_requests_per_connection;
  options.max_stream_bytes = config.limits.max_stream_bytes;
  options.min_body_rate = config.limits.min_body_rate;
  options.idle_timeout = milliseconds(config.limits.idle_timeout_ms);
  options.header_timeout = milliseconds(config.limits.header_timeout_ms);
  options.body_timeout = milliseconds(config.limits.body_timeout_ms);
  options.write_timeout = milliseconds(config.limits.write_timeout_ms);
  options.drain_timeout = milliseconds(config.limits.drain_timeout_ms);
  options.images = {.hosts = config.server.image_hosts, .max_bytes = config.limits.max_body_bytes};
  options.tls = {.certificate = config.tls.certificate, .key = config.tls.key};
  FOVEA_TRY(options.policy, policy_of(config));
  return options;
}

std::shared_ptr<spdlog::logger> make_logger(const std::string& level) {
  auto logger =
      std::make_shared<spdlog::logger>("server", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_level(spdlog::level::from_str(level));
  return logger;
}

void reload(server::Server& server, spdlog::logger& logger, config::Config& current,
            const Result<config::Config>& next) {
  auto policy = next ? policy_of(*next) : Result<server::Policy>(std::unexpected(next.error()));
  if (!policy) {
    logger.error("reload: {}; nothing was changed", policy.error().message);
    return;
  }
  server.set_policy(std::move(*policy));
  logger.set_level(spdlog::level::from_str(next->server.log_level));
  if (const auto taken = server.set_tls({.certificate = next->tls.certificate, .key = next->tls.key});
      !taken) {
    logger.error("reload: {}; the certificate stays as it was", taken.error().message);
  }
  const auto changes = config::changes_that_take_a_restart(current, *next);
  if (!changes.empty()) logger.warn("reload: these take a restart: {}", fmt::join(changes, ", "));
  // What takes a restart stays current, so that the next reload tells of it again.
  current.auth = next->auth;
  logger.info("reload: keys, limits, log level and certificate are those of the configuration now");
}

}  // namespace fovea::cli
