// Who may come in, and how often.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>
#include <csignal>

#include "server/server_fixture.h"

namespace fovea::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kKey = "0123456789abcdef";
const std::string kHealth = make_request("GET", "/healthz");

class AccessTest : public ServerTest {
 protected:
  void use_key(double rate = 0, std::size_t burst = 0) {
    server::ApiKey key = server::parse_api_key("bench:" + kKey, "").value();
    key.rate = rate;
    key.burst = burst;
    options_.policy.keys = server::KeyRing({key});
  }
  static std::string bearer(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }
  WireResponse get(std::string_view path, const std::string& headers = {}) {
    return ask(make_request("GET", path, {}, headers));
  }
};

TEST_F(AccessTest, WithKeysOnlyTheirBearersAreAnswered) {
  use_key();
  start();
  for (const std::string& header :
       {std::string(), bearer("wrong"), std::string("Authorization: Basic abc\r\n")}) {
    const auto refused = post("/recognize", "picture", header);
    expect_problem(refused, 401, "unauthorized");
    EXPECT_THAT(refused.header("www-authenticate"), HasSubstr("Bearer"));
  }
  EXPECT_EQ(post("/recognize", "picture", bearer(kKey)).status, 200);
  EXPECT_EQ(get("/v1/models", bearer(kKey)).status, 200);
  EXPECT_THAT(backend_.seen(), ::testing::ElementsAre("picture"));
}

TEST_F(AccessTest, UnderV1ARefusalHasTheFormOfOpenAi) {
  use_key();
  start();
  const auto refused = get("/v1/models");
  EXPECT_EQ(refused.status, 401);
  const auto error = json_of(refused)["error"];
  EXPECT_EQ(error["code"], "invalid_api_key");
  EXPECT_EQ(error["type"], "authentication_error");
  EXPECT_TRUE(error["param"].is_null());
  EXPECT_FALSE(error["message"].get<std::string>().empty());
}

TEST_F(AccessTest, HealthAndReadinessNeedNoKey) {
  use_key();
  start();
  for (const char* path : {"/healthz", "/readyz", "/"}) EXPECT_EQ(get(path).status, 200) << path;
  for (const char* path : {"/metrics", "/stats"}) EXPECT_EQ(get(path).status, 401) << path;
}

TEST_F(AccessTest, MetricsMayBeOpen) {
  use_key();
  options_.policy.open_metrics = true;
  start();
  EXPECT_EQ(get("/metrics").status, 200);
  EXPECT_EQ(get("/v1/models").status, 401);
}

TEST_F(AccessTest, AKeyHasItsOwnRate) {
  use_key(0.01, 2);
  start();
  EXPECT_EQ(get("/v1/models", bearer(kKey)).status, 200);
  EXPECT_EQ(post("/recognize", "picture", bearer(kKey)).status, 200);
  const auto refused = post("/recognize", "picture", bearer(kKey));
  expect_problem(refused, 429, "rate_limited");
  EXPECT_FALSE(refused.header("retry-after").empty());
}

TEST_F(AccessTest, AnAddressHasItsRateAndHealthIsNotCounted) {
  options_.policy.address_rate = 0.01;
  options_.policy.address_burst = 1;
  start();
  EXPECT_EQ(get("/v1/models").status, 200);
  EXPECT_EQ(get("/v1/models").status, 429);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(kHealth).status, 200);
}

TEST_F(AccessTest, BehindATrustedProxyTheForwardedAddressCounts) {
  options_.policy.address_rate = 0.01;
  options_.policy.address_burst = 1;
  options_.policy.trusted_proxies = {"127.0.0.1"};
  start();
  const auto from = [this](const std::string& forwarded) {
    return get("/v1/models", "X-Forwarded-For: " + forwarded + "\r\n").status;
  };
  EXPECT_EQ(from("192.0.2.9, 192.0.2.1"), 200);
  EXPECT_EQ(from("192.0.2.1"), 429) << "what comes before the last address may be the client's invention";
  EXPECT_EQ(from("2001:db8::1"), 200);
  EXPECT_EQ(from("2001:db8::2\r\nx-forwarded-for: 2001:db8::1"), 429) << "of two lines the last one counts";
  EXPECT_EQ(from("no address"), 200) << "then the proxy's own counts";
  EXPECT_EQ(get("/v1/models").status, 429);
  EXPECT_THAT(log_->text(), HasSubstr("client=192.0.2.1"));
}

TEST_F(AccessTest, WithoutTrustTheForwardedAddressIsNothing) {
  options_.policy.address_rate = 0.01;
  options_.policy.address_burst = 1;
  start();
  EXPECT_EQ(get("/v1/models", "X-Forwarded-For: 192.0.2.1\r\n").status, 200);
  EXPECT_EQ(get("/v1/models", "X-Forwarded-For: 192.0.2.2\r\n").status, 429);
}

TEST_F(AccessTest, OneAddressMayHaveSoManyConnections) {
  options_.policy.max_connections_per_address = 2;
  start();
  auto first = connect();
  auto second = connect();
  ASSERT_TRUE(first.request(kHealth));
  ASSERT_TRUE(second.request(kHealth));
  const auto refused = ask(kHealth);
  expect_problem(refused, 503, "unavailable");
  EXPECT_THAT(refused.body, HasSubstr("from this address"));
  EXPECT_TRUE(second.request(kHealth)) << "those that are there stay";
}

TEST_F(AccessTest, AConnectionMayMakeSoManyRequests) {
  options_.max_requests_per_connection = 2;
  start();
  auto client = connect();
  EXPECT_EQ(client.request(kHealth)->header("connection"), "");
  EXPECT_EQ(client.request(kHealth)->header("connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(AccessTest, ThePolicyCanBeReplacedWhileItServes) {
  start();
  auto client = connect();
  ASSERT_EQ(client.request(make_request("GET", "/v1/models"))->status, 200);
  server::Policy policy;
  policy.keys = server::KeyRing({server::parse_api_key(kKey, "k").value()});
  policy.max_body_bytes = 3;
  server_->set_policy(policy);
  EXPECT_EQ(client.request(make_request("GET", "/v1/models"))->status, 401);
  expect_problem(post("/recognize", "four", bearer(kKey)), 413, "too_large");
}

TEST_F(AccessTest, AdminIsOffUntilItHasAToken) {
  start();
  expect_problem(post("/admin/drain", "", bearer(kKey)), 404, "not_found");
}

TEST_F(AccessTest, AdminDrainsWithItsTokenOnly) {
  options_.policy.admin_token = server::sha256("the-admin-token");
  use_key();
  start();
  auto other = connect();
  ASSERT_TRUE(other.request(kHealth));
  expect_problem(post("/admin/drain", "", bearer(kKey)), 401, "unauthorized");
  expect_problem(post("/admin/drain", "", {}), 401, "unauthorized");
  EXPECT_EQ(post("/admin/drain", "", bearer("the-admin-token")).status, 202);
  server_->wait();
  EXPECT_FALSE(other.request(kHealth));
}

TEST_F(AccessTest, AHangupCallsWhatReloads) {
  options_.handle_signals = true;
  std::atomic<int> hangups{0};
  options_.on_hangup = [&] {
    ++hangups;
    options_.logger->info("reloaded");
  };
  start();
  std::raise(SIGHUP);
  log_->wait_for("reloaded");
  EXPECT_EQ(hangups, 1);
  EXPECT_EQ(ask(kHealth).status, 200) << "it goes on";
}

TEST_F(AccessTest, SecretsDoNotReachTheLog) {
  use_key();
  start();
  post("/recognize", "picture", bearer(kKey));
  post("/recognize", "picture", bearer("another-secret-key"));
  stop();
  EXPECT_THAT(log_->text(), Not(HasSubstr(kKey)));
  EXPECT_THAT(log_->text(), Not(HasSubstr("another-secret-key")));
}

}  // namespace
}  // namespace fovea::testing
