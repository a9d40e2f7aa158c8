// A server whose backend is the tests' stand-in, for client programs: prints its URL, and serves until
// interrupted. FOVEA_API_KEYS: NAME:KEY, which it then asks for.

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "server/fake_backend.h"
#include "server/server.h"

int main() {
  fovea::testing::FakeBackend backend;
  fovea::server::ServerOptions options;
  options.port = 0;
  options.handle_signals = true;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here sets variables
  if (const char* text = std::getenv("FOVEA_API_KEYS")) {
    auto key = fovea::server::parse_api_key(text, "client");
    if (!key) {
      fmt::print(stderr, "FOVEA_API_KEYS: {}\n", key.error().message);
      return 1;
    }
    options.policy.keys = fovea::server::KeyRing({std::move(*key)});
  }
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
