// HTTP as it comes over the wire: well-formed, badly formed, too much of it, and too slowly.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <vector>

#include "server/server_fixture.h"

namespace fovea::testing {
namespace {

using std::chrono::milliseconds;
using std::string_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using WireTest = ServerTest;

const std::string kHealth = make_request("GET", "/healthz");

TEST_F(WireTest, KeepsTheConnectionUntilToldOtherwise) {
  start();
  auto client = connect();
  for (int i = 0; i < 3; ++i) {
    const auto response = client.request(kHealth);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->header("connection"), "");
  }
  const auto last = client.request(make_request("GET", "/healthz", {}, "Connection: close\r\n"));
  ASSERT_TRUE(last);
  EXPECT_EQ(last->header("connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(WireTest, SpeaksHttp10) {
  start();
  auto plain = connect();
  const auto response = plain.request("GET /healthz HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->header("connection"), "close");
  EXPECT_TRUE(plain.at_end());

  auto kept = connect();
  for (int i = 0; i < 2; ++i) {
    const auto answer =
        kept.request("POST /recognize HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->header("connection"), "keep-alive");
  }
}

TEST_F(WireTest, AnswersPipelinedRequestsInOrder) {
  start();
  auto client = connect();
  client.send(make_request("POST", "/recognize", "one") + kHealth + make_request("GET", "/nowhere") +
              make_request("POST", "/recognize", "three"));
  for (const int status : {200, 200, 404, 200}) {
    const auto response = client.receive();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, status);
  }
}

TEST_F(WireTest, AnswersRequestsThatArriveByteByByte) {
  start();
  auto client = connect();
  for (const char c : make_request("POST", "/recognize", "picture")) client.send(std::string_view(&c, 1));
  const auto response = client.receive();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
}

TEST_F(WireTest, ReadsChunkedBodies) {
  start();
  auto client = connect();
  const auto response = client.request(
      "POST /recognize HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: image/png\r\n\r\n"
      "3\r\npic\r\n4;extension=1\r\nture\r\n0\r\nX-Request-Id: from-the-trailer\r\nContent-Type: "
      "text/x\r\n\r\n" +
      kHealth);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200) << response->body;
  EXPECT_NE(response->header("x-request-id"), "from-the-trailer");
  EXPECT_THAT(backend_.seen(), ElementsAre("picture"));
  EXPECT_TRUE(client.receive());
}

TEST_F(WireTest, ReadsLargeBodiesWhole) {
  start();
  const auto response = post("/recognize", std::string(5'000'000, 'x'));
  EXPECT_EQ(json_of(response)["fields"]["size"], 5'000'000);
}

TEST_F(WireTest, AsksForTheBodyWhenExpectedTo) {
  start();
  auto client = connect();
  client.send(
      "POST /recognize HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nExpect: 100-Continue\r\n"
      "Content-Type: image/png\r\n\r\n");
  const auto interim = client.receive();
  ASSERT_TRUE(interim);
  EXPECT_EQ(interim->status, 100);
  const auto response = client.request("picture");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
}

TEST_F(WireTest, RefusesBeforeTheBodyIsSent) {
  options_.policy.max_body_bytes = 1000;
  start();
  const auto expecting = [this](std::string_view target, std::size_t length, std::string_view type) {
    return ask(
        fmt::format("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nExpect: 100-continue\r\n"
                    "Content-Type: {}\r\n\r\n",
                    target, length, type));
  };
  expect_problem(expecting("/recognize", 1001, "image/png"), 413, "too_large");
  expect_problem(expecting("/recognize", 1000, "text/plain"), 415, "unsupported_media");
  expect_problem(expecting("/recognize?x", 1000, "image/png"), 400, "invalid_argument");
  expect_problem(expecting("/nowhere", 1000, "image/png"), 404, "not_found");
  expect_problem(expecting("/healthz", 1000, "image/png"), 405, "method_not_allowed");
}

TEST_F(WireTest, TakesABodyAtTheLimitAndNoByteMore) {
  options_.policy.max_body_bytes = 100'000;
  start();
  const std::string body(100'001, 'x');
  const auto chunked = [this](const std::string& content) {
    return ask(
        fmt::format("POST /recognize HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n"
                    "0\r\n\r\n",
                    content.size(), content));
  };
  EXPECT_EQ(post("/recognize", body.substr(1)).status, 200);
  EXPECT_EQ(chunked(body.substr(1)).status, 200);
  const auto refused = post("/recognize", body);
  expect_problem(refused, 413, "too_large");
  EXPECT_THAT(refused.body, HasSubstr("100000 bytes"));
  EXPECT_EQ(refused.header("connection"), "close");
  expect_problem(chunked(body), 413, "too_large");
}

TEST_F(WireTest, LetsTheSenderOfAFarTooLargeBodySeeTheRefusal) {
  options_.policy.max_body_bytes = 1000;
  start();
  auto client = connect();
  // The whole upload is sent before the answer is read, as simple clients do: it must not be reset.
  std::string body;
  body.resize(20'000'000, 'x');
  EXPECT_TRUE(client.send(make_request("POST", "/recognize", body)));
  const auto response = client.receive();
  ASSERT_TRUE(response);
  expect_problem(*response, 413, "too_large");
}

TEST_F(WireTest, ShedsUploadsThatTogetherAreTooMuch) {
  options_.max_buffered_bytes = 1000;
  start();
  backend_.hold();
  auto first = connect();
  first.send(make_request("POST", "/recognize", std::string(800, 'x')));
  backend_.wait_until_started(1);
  const auto shed = post("/recognize", std::string(800, 'x'));
  expect_problem(shed, 503, "unavailable");
  EXPECT_FALSE(shed.header("retry-after").empty());
  backend_.release();
  EXPECT_TRUE(first.receive());
  log_->wait_for("status=200");
  EXPECT_EQ(post("/recognize", std::string(800, 'x')).status, 200);
}

TEST_F(WireTest, LimitsHeaders) {
  options_.max_header_bytes = 2000;
  start();
  const auto with_header = [this](std::size_t size) {
    return ask(make_request("GET", "/healthz", {}, "X: " + std::string(size, 'x') + "\r\n"));
  };
  EXPECT_EQ(with_header(1900).status, 200);
  expect_problem(with_header(2000), 431, "header_too_large");
  expect_problem(with_header(1'000'000), 431, "header_too_large");
  expect_problem(ask("GET /" + std::string(3000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n"), 431,
                 "header_too_large");
}

TEST_F(WireTest, AnswersMalformedRequestsAndGoesOn) {
  start();
  const std::string post = "POST /recognize HTTP/1.1\r\nHost: a\r\n";
  const std::vector<std::pair<std::string, int>> corpus = {
      {"GARBAGE\r\n\r\n", 400},
      {"GET\r\n\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"G<T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"GET / HTTP/1.1\nHost: a\n\n", 505},  // the line feed is read as part of the version
      {"GET / HTTP/1.1\r\nHost: a\n\n", 400},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"s, 400},
      {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CONNECT host:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417},
      {post + "Content-Length: -1\r\n\r\nx", 400},
      {post + "Content-Length: 0x1\r\n\r\nx", 400},
      {post + "Content-Length: 99999999999999999999\r\n\r\nx", 400},
      {post + "Content-Length: 18446744073709551615\r\n\r\nx", 413},
      {post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400},
      {post + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: gzip\r\n\r\nx", 501},
      {post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST /recognize HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {post + "Content-Type: image/png\r\nContent-Type: image/gif\r\nContent-Length: 1\r\n\r\nx", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n", 400},
      {"\x16\x03\x01\x02\x01\x01\xfc\x03\x03 a TLS hello", 400},
      {"\xff\xfe\xfd\r\n\r\n", 400},
  };
  for (const auto& [request, status] : corpus) {
    auto client = connect();
    client.send(request);
    client.finish_sending();
    const auto response = client.receive();
    ASSERT_TRUE(response) << request;
    EXPECT_EQ(response->status, status) << request << response->body;
    EXPECT_EQ(response->header("content-type"), "application/problem+json") << request;
    EXPECT_EQ(response->header("connection"), "close") << request;
    EXPECT_FALSE(response->header("x-request-id").empty()) << request;
  }
  EXPECT_EQ(ask(kHealth).status, 200);
  EXPECT_THAT(backend_.seen(), ElementsAre());
}

TEST_F(WireTest, SurvivesRequestsThatEndAnywhere) {
  start();
  const std::string request = make_request("POST", "/recognize", "picture");
  for (std::size_t length = 0; length < request.size(); ++length) {
    auto client = connect();
    client.send(request.substr(0, length));
    client.finish_sending();
    const auto response = client.receive();
    if (response) EXPECT_GE(response->status, 400) << length;
  }
  EXPECT_THAT(backend_.seen(), ElementsAre());
  EXPECT_EQ(ask(kHealth).status, 200);
}

TEST_F(WireTest, AnswersAClientThatHasOnlyClosedItsSendingSide) {
  start();
  auto client = connect();
  client.send(make_request("POST", "/recognize", "picture"));
  client.finish_sending();
  const auto response = client.receive();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
}

TEST_F(WireTest, ClosesIdleConnectionsWithoutAWord) {
  options_.idle_timeout = milliseconds(50);
  start();
  auto silent = connect();
  EXPECT_TRUE(silent.at_end());
  auto kept = connect();
  EXPECT_TRUE(kept.request(kHealth));
  EXPECT_TRUE(kept.at_end());
}

TEST_F(WireTest, EndsRequestsThatComeTooSlowly) {
  options_.header_timeout = milliseconds(50);
  options_.body_timeout = milliseconds(50);
  start();
  for (const std::string& part :
       {std::string("GET /healthz HT"), std::string("G"),
        std::string("POST /recognize HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\npict")}) {
    auto client = connect();
    client.send(part);
    const auto response = client.receive();
    ASSERT_TRUE(response) << part;
    expect_problem(*response, 408, "timeout");
    EXPECT_TRUE(client.at_end());
  }
  EXPECT_EQ(ask(kHealth).status, 200);
}

TEST_F(WireTest, EndsTheConnectionOfAClientThatAsksWithoutReading) {
  options_.write_timeout = milliseconds(50);
  start();
  auto client = connect();
  std::string many;
  for (int i = 0; i < 1000; ++i) many += make_request("GET", "/");
  while (client.send(many)) {
  }
  EXPECT_EQ(ask(kHealth).status, 200);
}

TEST_F(WireTest, ReadsAheadOnlySoFarWhileItAnswers) {
  start();
  backend_.hold();
  auto client = connect();
  client.send(make_request("POST", "/recognize", "picture"));
  backend_.wait_until_started(1);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += kHealth;
  const std::jthread sender(
      [&] { client.send(many); });  // more than is read ahead, and is answered all the same
  backend_.release();
  for (int i = 0; i < 5001; ++i) {
    const auto response = client.receive();
    ASSERT_TRUE(response) << i;
    ASSERT_EQ(response->status, 200);
  }
}

TEST_F(WireTest, ManyHalfSentRequestsHoldNobodyUp) {
  start();
  std::vector<HttpClient> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(connect());
    slow.back().send(i % 2 == 0 ? "POST /recognize HTTP/1.1\r\nHo"
                                : "POST /recognize HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  }
  EXPECT_EQ(post("/recognize", "picture").status, 200);
}

TEST_F(WireTest, MakesRoomByClosingTheLongestIdle) {
  options_.max_connections = 3;
  start();
  std::vector<HttpClient> idle;
  for (int i = 0; i < 3; ++i) {
    idle.push_back(connect());
    const std::string id = fmt::format("idle-{}", i);
    ASSERT_TRUE(idle.back().request(make_request("GET", "/healthz", {}, "X-Request-Id: " + id + "\r\n")));
    log_->wait_for("id=" + id);  // only then does it wait for its next request
  }
  auto another = connect();
  const auto response = another.request(kHealth);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_TRUE(idle[0].at_end());
  EXPECT_TRUE(idle[2].request(kHealth));
}

TEST_F(WireTest, TurnsAwayWhatItHasNoRoomFor) {
  options_.max_connections = 1;
  start();
  backend_.hold();
  auto busy = connect();
  busy.send(make_request("POST", "/recognize", "picture"));
  backend_.wait_until_started(1);
  expect_problem(ask(kHealth), 503, "unavailable");
  backend_.release();
  EXPECT_TRUE(busy.receive());
}

}  // namespace
}  // namespace fovea::testing
