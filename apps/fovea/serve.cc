#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "commands.h"
#include "common.h"
#include "config/config.h"
#include "metrics/metrics.h"
#include "recognize/service.h"
#include "registry/locate.h"
#include "serve_config.h"
#include "serve_parts.h"
#include "server/server.h"

namespace fovea::cli {
namespace {

struct ServeArguments {
  ModelOptions model;
  TaskOptions tasks;
  std::string config_file;
  bool check_config = false;
  // Empty: not given, neither as an option nor by the environment, so that the file counts.
  std::optional<std::string> host;
  std::optional<std::uint16_t> port;
  std::optional<std::size_t> max_body_bytes;
  std::optional<std::size_t> queue_capacity;
  std::optional<std::string> log_level;
};

/// Options and environment before the file, the file before the defaults.
Result<config::Config> load_config(const ServeArguments& arguments) {
  FOVEA_TRY(config::Config config, config_of(arguments.config_file));
  if (arguments.host) config.server.host = *arguments.host;
  if (arguments.port) config.server.port = *arguments.port;
  if (arguments.max_body_bytes) config.limits.max_body_bytes = *arguments.max_body_bytes;
  if (arguments.queue_capacity) config.limits.queue_capacity = *arguments.queue_capacity;
  if (arguments.log_level) config.server.log_level = *arguments.log_level;
  const ModelOptions& model = arguments.model;
  if (!model.model.empty()) config.models = {{.name = model.model, .path = {}}};
  if (!model.dtype.empty()) config.engine.dtype = model.dtype;
  if (!model.kv_cache.empty()) config.engine.kv_cache = model.kv_cache;
  if (model.threads != 0) config.engine.threads = model.threads;
  if (model.pin != ModelOptions{}.pin) config.engine.pin = model.pin;
  const auto& tasks = arguments.tasks.paths;
  config.tasks.directories.insert(config.tasks.directories.end(), tasks.begin(), tasks.end());
  config.engine.mlock = config.engine.mlock || model.mlock;
  config.engine.huge_pages = config.engine.huge_pages || model.huge_pages;
  return config;
}

/// How the engine is to compute, as the other commands say it.
ModelOptions model_options(const config::Config& config) {
  return {.model = {},
          .dtype = config.engine.dtype,
          .kv_cache = config.engine.kv_cache,
          .threads = config.engine.threads,
          .pin = config.engine.pin,
          .mlock = config.engine.mlock,
          .huge_pages = config.engine.huge_pages};
}

Result<void> check_config(const config::Config& config, const std::string& file) {
  FOVEA_TRY(const auto options, server_options(config));
  if (options.tls.enabled()) FOVEA_CHECK_OK(server::make_tls_context(options.tls));
  fmt::print("{}: OK\n", file.empty() ? "configuration" : file);
  return {};
}

Result<void> run_serve(const ServeArguments& arguments) {
  FOVEA_TRY(config::Config config, load_config(arguments));
  if (arguments.check_config) return check_config(config, arguments.config_file);
  FOVEA_TRY(auto options, server_options(config));
  FOVEA_TRY(auto parts, service_options(config, model_options(config).generator_options()));
  options.metrics = std::make_shared<metrics::Metrics>();
  EngineMetrics engine_metrics(*options.metrics);
  parts.engine.observer = &engine_metrics;
  std::optional<QueueDesk> desk;
  if (parts.reviews != nullptr) options.reviews = &desk.emplace(parts.reviews);
  const auto logger = make_logger(config.server.log_level);
  FOVEA_TRY(const auto backend, open_backend(config, parts, *logger));
  options.logger = logger;
  options.handle_signals = true;
  server::Server* running = nullptr;
  options.on_hangup = [&] { reload(*running, *logger, config, load_config(arguments)); };
  server::Server server(*backend, options);
  running = &server;
  FOVEA_CHECK_OK(server.start());
  std::string loaded;
  for (const auto& model : backend->models()) {
    loaded += fmt::format("{}{} ({})", loaded.empty() ? "" : ", ", model.id, model.version);
  }
  fmt::print(stderr, "fovea: ready: {} with {} {}\n", server.url(),
             backend->models().size() == 1 ? "model" : "models", loaded);
  std::fflush(stderr);
  server.wait();
  backend->drain();
  return {};
}

}  // namespace

void add_serve(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App* command = app.add_subcommand("serve", "Serve over HTTP until interrupted");
  command
      ->add_option("--config", arguments->config_file, "Read settings from this file (docs/configuration.md)")
      ->type_name("FILE");
  command->add_flag("--check-config", arguments->check_config,
                    "Say whether the configuration can be used, and end");
  command->add_option("--host", arguments->host, "Address to listen on (default: 127.0.0.1)")
      ->type_name("TEXT");
  command->add_option("--port", arguments->port, "Port to listen on; 0 takes a free one (default: 8080)")
      ->type_name("N");
  command
      ->add_option("--max-body-bytes", arguments->max_body_bytes,
                   "Refuse request bodies over this size (default: 20000000)")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30).description(""));
  command
      ->add_option("--queue-capacity", arguments->queue_capacity,
                   "Requests that may wait for the model (default: 64)")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{100'000}).description(""));
  command->add_option("--log-level", arguments->log_level, "How much is logged (default: info)")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}).description(""));
  arguments->tasks.add_paths_to(*command);
  arguments->model.add_to(*command, /*model_required=*/false);
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_serve(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
