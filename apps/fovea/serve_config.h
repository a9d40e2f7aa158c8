#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "config/config.h"
#include "server/server.h"

namespace spdlog {
class logger;
}

namespace fovea::cli {

/// The keys and limits of a configuration, with the keys of FOVEA_API_KEYS (KEY or NAME:KEY, commas between)
/// and those of the key file. Errors: kUsage, kNotFound, kIo.
Result<server::Policy> policy_of(const config::Config& config);

/// Everything that the HTTP server is told. Errors: as policy_of.
Result<server::ServerOptions> server_options(const config::Config& config);

/// A logger to standard error of that level. Thread-safe.
std::shared_ptr<spdlog::logger> make_logger(const std::string& level);

/// Has a running server take over what it can of `next`, and logs what it could not. What is wrong with
/// `next` is logged, and then nothing changes.
void reload(server::Server& server, spdlog::logger& logger, config::Config& current,
            const Result<config::Config>& next);

}  // namespace fovea::cli
