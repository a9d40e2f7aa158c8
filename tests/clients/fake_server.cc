// A server whose backend is the tests' stand-in, for client programs: prints its URL, and serves until
// interrupted.

#include <fmt/format.h>

#include <cstdio>

#include "server/fake_backend.h"
#include "server/server.h"

int main() {
  fovea::testing::FakeBackend backend;
  fovea::server::ServerOptions options;
  options.port = 0;
  options.handle_signals = true;
  fovea::server::Server server(backend, options);
  if (const auto started = server.start(); !started) {
    fmt::print(stderr, "{}\n", started.error().message);
    return 1;
  }
  fmt::print("listening on {}\n", server.url());
  std::fflush(stdout);
  server.wait();
  return 0;
}
