#include "config/config.h"

namespace fovea::config {

std::vector<std::string> changes_that_take_a_restart(const Config& from, const Config& to) {
  std::vector<std::string> changes;
  const auto compare = [&changes](const char* name, const auto& a, const auto& b) {
    if (a != b) changes.emplace_back(name);
  };
  compare("server.host", from.server.host, to.server.host);
  compare("server.port", from.server.port, to.server.port);
  compare("server.io_threads", from.server.io_threads, to.server.io_threads);
  compare("server.default_task", from.server.default_task, to.server.default_task);
  Config::Limits limits = from.limits;  // those that can be taken over are made equal
  limits.max_body_bytes = to.limits.max_body_bytes;
  limits.max_connections_per_address = to.limits.max_connections_per_address;
  limits.requests_per_second = to.limits.requests_per_second;
  limits.burst = to.limits.burst;
  compare("[limits]: timeouts, connections, buffers or queue", limits, to.limits);
  compare("[tls]: on or off", from.tls.certificate.empty(), to.tls.certificate.empty());
  compare("[cache]", from.cache, to.cache);
  compare("[engine]", from.engine, to.engine);
  compare("[tasks]", from.tasks, to.tasks);
  compare("[models]", from.models, to.models);
  compare("[router]", from.router, to.router);
  compare("[[faults]]", from.faults, to.faults);
  return changes;
}

}  // namespace fovea::config
