// `fovea serve` beside what it lives with: Prometheus's tools, a cache tier that comes and goes, clients that
// speak TLS.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "cli/program.h"
#include "cli/serving.h"
#include "server/http_client.h"
#include "support/certificate.h"
#include "support/services.h"
#include "support/shell.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

using fovea::testing::HttpClient;
using fovea::testing::make_request;
using fovea::testing::WireResponse;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::ordered_json;

/// What a shell command prints, both ways, and "exit STATUS".
std::string shell(const std::string& command) {
  return test::shell(command + " 2>&1; echo \"exit $?\"");
}

/// Whether a condition comes true, sooner or later.
bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

/// The value of a series in Prometheus's text form, "name{label="value"}"; nothing when it is not there.
std::optional<double> value_of(const std::string& text, const std::string& series) {
  const std::string line = "\n" + series + " ";
  const std::size_t at = text.find(line);
  if (at == std::string::npos) return std::nullopt;
  return std::stod(text.substr(at + line.size()));
}

class ServePeersTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  /// A server with this configuration, whose answers are kept in the folder of that name.
  void start(const std::string& config, const std::string& state = "state") {
    server_.reset();
    ASSERT_TRUE(write_file(path("fovea.toml"), "[server]\nport = 0\n" + config));
    server_ = std::make_unique<Running>(serve({"--config", path("fovea.toml")}),
                                        Environment{{"XDG_STATE_HOME", path(state)}});
    const auto port = port_of(server_->wait_for_line("ready"));
    ASSERT_TRUE(port.has_value());
    port_ = *port;
  }
  WireResponse ask(const std::string& request) const {
    auto answer = HttpClient(port_).request(request);
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(WireResponse{});
  }
  WireResponse get(const std::string& where) const { return ask(make_request("GET", where)); }
  WireResponse recognize(const std::string& query = {}) const {
    return ask(make_request("POST", "/recognize" + query, read_file(tiny_picture()).value(),
                            "Content-Type: image/png\r\n"));
  }
  Json redis_state() const { return Json::parse(get("/readyz").body)["details"]["cache"]["redis"]; }

  test::TemporaryFolder folder_;
  std::unique_ptr<Running> server_;
  std::uint16_t port_ = 0;
};

TEST_F(ServePeersTest, PromtoolFindsNothingToSayAndWhatMattersIsCounted) {
  start("");
  // A request is counted after its answer was sent, and then logged.
  EXPECT_EQ(recognize("?priority=high").status, 200);
  ASSERT_TRUE(server_->wait_for_line("path=\"/recognize\""));
  EXPECT_THAT(recognize().body, HasSubstr("\"cached\":\"memory\""));
  ASSERT_TRUE(server_->wait_for_line("path=\"/recognize\""));
  EXPECT_EQ(ask(make_request("POST", "/v1/chat/completions",
                             R"({"max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]})",
                             "Content-Type: application/json\r\n"))
                .status,
            200);
  ASSERT_TRUE(server_->wait_for_line("path=\"/v1/chat/completions\""));

  const WireResponse scraped = get("/metrics");
  EXPECT_THAT(scraped.header("content-type"), StartsWith("text/plain"));
  const std::string& text = scraped.body;
  const auto value = [&](const std::string& series) {
    const auto found = value_of(text, series);
    EXPECT_TRUE(found.has_value()) << series << " is not among\n" << text;
    return found.value_or(-1);
  };
  EXPECT_EQ(value(R"(fovea_http_requests_total{endpoint="/recognize",method="POST",status="200"})"), 2);
  EXPECT_EQ(value(R"(fovea_http_requests_total{endpoint="/v1/chat/completions",method="POST",status="200"})"),
            1);
  for (const char* priority : {"high", "normal", "batch"}) {
    EXPECT_EQ(value(fmt::format("fovea_queue_depth{{priority=\"{}\"}}", priority)), 0);
  }
  EXPECT_GE(value("fovea_sequences_running"), 0);
  EXPECT_GE(value("fovea_queue_wait_seconds_count"), 2);
  EXPECT_GE(value("fovea_time_to_first_token_seconds_count"), 2);
  EXPECT_GT(value("fovea_kv_budget_bytes"), 0);
  EXPECT_GT(value("fovea_kv_used_bytes"), 0) << "beginnings are kept";
  EXPECT_GT(value(R"(fovea_tokens_total{kind="prompt",model="smolvlm-tiny-f32"})"), 0);
  EXPECT_EQ(value(R"(fovea_tokens_total{kind="completion",model="smolvlm-tiny-f32"})"), 4);
  EXPECT_EQ(value(R"(fovea_cache_hits_total{tier="memory"})"), 1);
  EXPECT_EQ(value(R"(fovea_cache_hits_total{tier="database"})"), 0);
  EXPECT_EQ(value(R"(fovea_cache_misses_total{tier="database"})"), 1);
  EXPECT_EQ(value(R"(fovea_cache_available{tier="database"})"), 1);
  EXPECT_GT(value(R"(fovea_model_resident_bytes{model="smolvlm-tiny-f32"})"), 0);
  EXPECT_GT(value("fovea_vision_tiles_total"), 0);
  EXPECT_GT(value("process_resident_memory_bytes"), 0);

  if (shell("promtool --version").ends_with("exit 127\n")) GTEST_SKIP() << "promtool is not installed";
  ASSERT_TRUE(write_file(path("metrics"), text));
  EXPECT_EQ(shell("promtool check metrics < '" + path("metrics") + "'"), "exit 0\n");
}

TEST_F(ServePeersTest, ARedisThatIsGoneIsShownAndMissedByNobodyAndUsedOnceItIsBack) {
  test::RedisServer redis;
  redis.kill();
  const std::string config = fmt::format("[cache]\nredis_url = \"{}\"\n", redis.tcp_url());
  start(config);
  ASSERT_TRUE(eventually([&] { return redis_state().contains("last_error"); }));
  EXPECT_EQ(redis_state()["state"], "down");
  EXPECT_EQ(get("/readyz").status, 200) << "without Redis it answers all the same";
  EXPECT_EQ(recognize().status, 200);
  EXPECT_EQ(value_of(get("/metrics").body, R"(fovea_cache_available{tier="redis"})"), 0);
  EXPECT_EQ(value_of(get("/metrics").body, R"(fovea_cache_skipped_total{tier="redis"})"), 1);

  redis.start();
  ASSERT_TRUE(eventually([&] { return redis_state()["state"] == "up"; }));
  EXPECT_FALSE(redis_state().contains("last_error"));
  EXPECT_EQ(value_of(get("/metrics").body, R"(fovea_cache_available{tier="redis"})"), 1);
  ASSERT_TRUE(eventually([&] { return redis.cli("DBSIZE") == "1\n"; })) << "what was computed meanwhile";
  start(config, "another");
  ASSERT_TRUE(eventually([&] { return redis_state()["state"] == "up"; }));
  EXPECT_THAT(recognize().body, HasSubstr("\"cached\":\"redis\""));
  EXPECT_EQ(value_of(get("/metrics").body, R"(fovea_cache_hits_total{tier="redis"})"), 1);

  redis.kill();
  ASSERT_TRUE(eventually([&] { return redis_state()["state"] == "down"; }));
  EXPECT_EQ(get("/readyz").status, 200);
  EXPECT_EQ(recognize("?cache=refresh").status, 200);
}

TEST_F(ServePeersTest, SpeaksTlsAndTakesANewCertificateAtAHangup) {
  if (shell("curl --version").ends_with("exit 127\n")) GTEST_SKIP() << "curl is not installed";
  const std::string certificate = path("certificate.pem"), key = path("key.pem");
  test::make_certificate(certificate, key, 1);
  start(fmt::format("[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", certificate, key));
  const auto curl = [&](const std::string& where, const std::string& arguments) {
    return shell(
        fmt::format("curl -q --noproxy '*' --silent --show-error --insecure --max-time 60 {} "
                    "https://127.0.0.1:{}{}",
                    arguments, port_, where));
  };
  EXPECT_THAT(curl("/readyz", "--verbose"),
              AllOf(HasSubstr("TLSv1.3"), HasSubstr("CN=serial 1"), HasSubstr("\"status\":\"ready\"")));
  EXPECT_THAT(curl("/recognize",
                   fmt::format("-H 'Content-Type: image/png' --data-binary '@{}'", tiny_picture().string())),
              HasSubstr("\"collector_number\":"));
  EXPECT_FALSE(HttpClient(port_).request(make_request("GET", "/healthz"))) << "nothing but TLS";

  test::make_certificate(certificate, key, 2);
  server_->signal(SIGHUP);
  ASSERT_TRUE(server_->wait_for_line("reload: keys"));
  EXPECT_THAT(curl("/healthz", "--verbose"), AllOf(HasSubstr("CN=serial 2"), HasSubstr("exit 0")));

  ASSERT_TRUE(write_file(certificate, "no certificate"));
  server_->signal(SIGHUP);
  ASSERT_TRUE(server_->wait_for_line("the certificate stays as it was"));
  EXPECT_THAT(curl("/healthz", "--verbose"), AllOf(HasSubstr("CN=serial 2"), HasSubstr("exit 0")));
}

}  // namespace
}  // namespace fovea::cli
