// Bytes as a client sends them, without the sockets: head, target, parameters and body go through the parser,
// the checks of the head and the endpoints, in front of a backend that answers at once. Every request gets
// one answer, which is well formed whatever the request put into it.

#include <algorithm>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <expected>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/api.h"
#include "server/request_head.h"

namespace {

using namespace fovea;  // NOLINT(google-build-using-namespace): a program of one file
namespace asio = boost::asio;
namespace http = boost::beast::http;

void require(bool condition) {
  if (!condition) std::abort();
}

/// Reads every picture and answers every conversation within the call.
class PromptBackend final : public recognize::Backend {
 public:
  void recognize(recognize::Request request, RecognitionDone done) override {
    recognize::Recognition answer;
    answer.request_id = request.request_id;
    answer.file = request.file;
    answer.task = request.task;
    answer.fields["name"] = std::string(reinterpret_cast<const char*>(request.bytes.data()),
                                        std::min<std::size_t>(request.bytes.size(), 16));
    if (request.on_preview) request.on_preview(answer);
    done(std::move(answer));
  }
  void chat(recognize::ChatRequest request, recognize::ChatListener listener) override {
    listener.on_delta({.text = request.turns.back().role, .logprobs = {}});
    recognize::ChatResult result;
    result.model = "fuzzed";
    listener.on_done(std::move(result));
  }
  [[nodiscard]] std::vector<recognize::ModelInfo> models() const override {
    return {{.id = "fuzzed", .version = "1"}};
  }
  [[nodiscard]] std::vector<std::string> task_names() const override { return {"trading-card", "pizza"}; }
  [[nodiscard]] recognize::Readiness readiness() const override { return {.ready = true, .why = {}}; }
  [[nodiscard]] nlohmann::ordered_json stats() const override { return nlohmann::ordered_json::object(); }
  void drain() override {}
};

/// A queue without reviews.
class EmptyDesk final : public server::ReviewDesk {
 public:
  using Json = Result<nlohmann::ordered_json>;
  Json list(const std::string&, std::size_t limit, std::int64_t after) override {
    return nlohmann::ordered_json{{"limit", limit}, {"after", after}};
  }
  Json get(std::int64_t) override { return none(); }
  Result<std::string> picture(std::int64_t) override { return none(); }
  Json accept(std::int64_t, const Decision&) override { return none(); }
  Json correct(std::int64_t, const nlohmann::ordered_json&, const Decision&) override { return none(); }
  Json reject(std::int64_t, const std::string&, const Decision&) override { return none(); }

 private:
  static std::unexpected<Error> none() { return fail(ErrorCode::kNotFound, "there is no such review"); }
};

/// The endpoints of one server, which all inputs share.
struct Endpoints {
  PromptBackend backend;
  EmptyDesk desk;
  server::Gate gate{server::Policy{}};
  metrics::Metrics metrics;
  server::InFlight in_flight;
  std::atomic<bool> draining = false;
  server::Api api{{.backend = backend,
                   .gate = gate,
                   .metrics = metrics,
                   .in_flight = in_flight,
                   .draining = draining,
                   .drain = [] {},
                   .default_task = "trading-card",
                   .stream_capacity = std::size_t{1} << 20,
                   .reviews = &desk,
                   .images = {}}};
};

/// The body behind a head, as far as it came.
std::string read_body(http::request_parser<http::buffer_body>& parser, std::string_view rest) {
  std::string body;
  boost::system::error_code error;
  while (!parser.is_done() && !rest.empty()) {
    char window[256];
    parser.get().body() = {.data = window, .size = sizeof window, .more = true};
    const std::size_t taken = parser.put(asio::buffer(rest.data(), rest.size()), error);
    const std::size_t got = sizeof window - parser.get().body().size;
    body.append(window, got);
    rest.remove_prefix(taken);
    if (error && error != http::error::need_buffer) break;
    if (taken == 0 && got == 0) break;
  }
  return body;
}

void check(const server::HttpResponse& response, const std::string& request_id) {
  require(response.status >= 200 && response.status < 600);
  if (response.content_type.ends_with("json") && !response.stream) {
    require(nlohmann::json::accept(response.body));
  }
  const std::string head = server::serialize_head(response, request_id, {});
  require(head.ends_with("\r\n\r\n") && head.find("\r\n\r\n") == head.size() - 4);  // nothing splits it
  for (std::size_t at = 0; at < head.size(); ++at) {
    if (head[at] == '\n') require(at > 0 && head[at - 1] == '\r');
    if (head[at] == '\r') require(at + 1 < head.size() && head[at + 1] == '\n');
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Endpoints endpoints;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  http::request_parser<http::buffer_body> parser;
  parser.header_limit(8192);
  parser.body_limit(boost::none);
  boost::system::error_code error;
  while (!parser.is_header_done() && !input.empty()) {
    const std::size_t taken = parser.put(asio::buffer(input.data(), input.size()), error);
    input.remove_prefix(taken);
    if (error || taken == 0) break;
  }
  if (error && error != http::error::need_more && error != http::error::need_buffer) {
    check(server::malformed(error, "fuzz"), "fuzz");
    return 0;
  }
  if (!parser.is_header_done()) return 0;
  std::optional<std::uint64_t> length;
  if (const auto given = parser.content_length()) length = *given;
  server::HttpRequest request;
  request.head = server::read_head(parser.get(), length);
  const std::string request_id = request.head.request_id;
  require(server::is_acceptable_request_id(request_id));
  auto response = server::check_head(parser.get(), request.head);
  if (!response) response = endpoints.api.refuse_early(request.head);
  if (response) {
    check(*response, request_id);
    return 0;
  }
  (void)server::Api::endpoint_of(request.head);
  request.body = read_body(parser, input);
  int answers = 0;
  endpoints.api.handle(std::move(request), [&](server::HttpResponse given) {
    ++answers;
    check(given, request_id);
  });
  endpoints.in_flight.wait_until_none();
  require(answers == 1);
  return 0;
}
