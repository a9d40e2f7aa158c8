#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fovea::testing {

/// An answer as it came over the wire.
struct WireResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  std::string body;

  /// The header of that (lower-case) name; empty when there is none.
  [[nodiscard]] std::string header(std::string_view name) const;
};

/// A plain blocking client on a loopback socket, which can be as impolite as a test wants. Every wait ends
/// after 30 s, as a failure and not as a hang.
class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port);
  ~HttpClient();
  HttpClient(HttpClient&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// False when the server has closed the connection meanwhile.
  bool send(std::string_view bytes);
  void finish_sending();
  void close();

  /// The next answer, put together where it came in chunks; empty when the connection ended before it was
  /// whole. `to_head`: it has no body.
  std::optional<WireResponse> receive(bool to_head = false);

  /// Waits until `wanted` has come, and throws it away with all before it; false when the connection ended
  /// before.
  bool skip_past(std::string_view wanted);

  /// True when the server closes in an orderly way, with nothing sent before.
  bool at_end();

  std::optional<WireResponse> request(std::string_view bytes) {
    send(bytes);
    return receive();
  }

 private:
  bool fill();
  bool read_chunks(std::size_t begin, std::string& body);

  int socket_ = -1;
  std::string received_;
};

/// A request of HTTP/1.1 with Host and, when there is a body, Content-Length.
std::string make_request(std::string_view method, std::string_view target, std::string_view body = {},
                         std::string_view headers = {});

}  // namespace fovea::testing
