#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/router.h"

namespace fovea::config {

/// What `fovea serve --config FILE` reads; docs/configuration.md explains every member. Each has the value
/// that holds where the file says nothing. Paths in a file are meant relative to the file's folder, and are
/// absolute here.
struct Config {
  struct Server {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8080;
    std::size_t io_threads = 2;
    std::string default_task = "trading-card";
    std::string log_level = "info";  ///< trace, debug, info, warn, error, off
    std::vector<std::string> trusted_proxies;
    std::vector<std::string> image_hosts;  ///< HOST or HOST:PORT that pictures are fetched from
    bool operator==(const Server&) const = default;
  } server;

  struct Limits {
    std::size_t max_body_bytes = 20'000'000;
    std::size_t max_buffered_bytes = 256'000'000;
    std::size_t max_header_bytes = 16'384;
    std::size_t max_connections = 1'000;
    std::size_t max_connections_per_address = 0;  ///< 0: no limit
    std::size_t max_requests_per_connection = 0;
    std::size_t max_stream_bytes = 262'144;
    std::size_t min_body_rate = 4'096;  ///< bytes a second
    double requests_per_second = 0;     ///< of one address; 0: no limit
    std::size_t burst = 0;              ///< 0: as many as requests_per_second gives in a second
    std::int64_t idle_timeout_ms = 60'000;
    std::int64_t header_timeout_ms = 10'000;
    std::int64_t body_timeout_ms = 30'000;
    std::int64_t write_timeout_ms = 30'000;
    std::int64_t drain_timeout_ms = 30'000;
    std::size_t queue_capacity = 64;  ///< requests that may wait for the engine
    bool operator==(const Limits&) const = default;
  } limits;

  /// A key that opens the server. `key` is its text, or sha256:HEX.
  struct ApiKey {
    std::string name;
    std::string key;
    double requests_per_second = 0;
    std::size_t burst = 0;
    bool operator==(const ApiKey&) const = default;
  };
  struct Auth {
    std::vector<ApiKey> keys;
    std::string key_file;     ///< one key a line
    std::string admin_token;  ///< opens /admin; empty: there is no /admin
    bool open_metrics = false;
    bool operator==(const Auth&) const = default;
  } auth;

  struct Tls {
    std::string certificate;  ///< PEM, the chain
    std::string key;          ///< PEM
    bool operator==(const Tls&) const = default;
  } tls;

  struct Cache {
    bool enabled = true;
    std::size_t memory_entries = 1'000;
    std::size_t memory_bytes = 64'000'000;
    std::string redis_url;      ///< redis://[:PASSWORD@]HOST[:PORT][/DB] or unix:///PATH; empty: no such tier
    std::string database_path;  ///< of SQLite; empty: under the state folder
    std::string database_url;   ///< postgresql://…, in place of SQLite
    std::int64_t ttl_s = 0;     ///< 0: answers stay until they are displaced
    bool operator==(const Cache&) const = default;
  } cache;

  struct Engine {
    std::size_t kv_budget_mb = 0;  ///< 0: 256, or what one longest sequence takes if more
    std::size_t max_batch = 0;     ///< sequences that are decoded together; 0: the engine's own choice
    std::size_t vision_batch = 0;  ///< tiles that are encoded together; 0: the engine's own choice
    std::size_t threads = 0;       ///< 0: every processor
    std::string dtype;             ///< f32, bf16, int8 or int4; empty: as stored
    std::string kv_cache;          ///< bf16 or int8; empty: as goes with the weights
    std::string pin = "auto";      ///< auto, always or never
    bool mlock = false;
    bool huge_pages = false;
    bool operator==(const Engine&) const = default;
  } engine;

  struct Tasks {
    std::vector<std::string> directories;  ///< with tasks beside the built-in ones
    bool operator==(const Tasks&) const = default;
  } tasks;

  /// A model that is loaded: its name, and where it lies; without a path the name is looked up.
  struct Model {
    std::string name;
    std::string path;
    bool operator==(const Model&) const = default;
  };
  std::vector<Model> models;  ///< empty: the default model; the first one answers where none is named

  RouterConfig router;
  std::vector<FaultConfig> faults;

  bool operator==(const Config&) const = default;
};

/// The settings, or whole sections, that differ and that a running server cannot take over: "server.port",
/// "[engine]". The others are keys, rates, the size of bodies, connections per address, trusted proxies, the
/// log level and the files of TLS.
std::vector<std::string> changes_that_take_a_restart(const Config& from, const Config& to);

/// Reads a file. Errors: kUsage as FILE:LINE:COLUMN for what is not TOML, unknown or of the wrong type or
/// range; kNotFound, kIo.
Result<Config> read_config(const std::filesystem::path& path);

/// The same from text; `source` names it in messages, `folder` is what relative paths start from.
Result<Config> parse_config(std::string_view text, const std::string& source,
                            const std::filesystem::path& folder);

}  // namespace fovea::config
