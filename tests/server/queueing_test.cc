// Requests that wait, that are given up, and that are there when the server stops.

#include <gmock/gmock.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include "server/server_fixture.h"

namespace fovea::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using QueueingTest = ServerTest;

const std::string kHealth = make_request("GET", "/healthz");

std::string picture(std::string_view content, std::string_view id = "id") {
  return make_request("POST", "/recognize", content, "X-Request-Id: " + std::string(id) + "\r\n");
}

TEST_F(QueueingTest, AnswersHealthWhileItComputes) {
  start();
  backend_.hold();
  auto busy = connect();
  busy.send(picture("one"));
  backend_.wait_until_started(1);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ask(kHealth).status, 200);
  backend_.release();
  EXPECT_TRUE(busy.receive());
}

TEST_F(QueueingTest, ServesFiftyClientsAtOnce) {
  start();
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  threads.reserve(50);
  for (int i = 0; i < 50; ++i) {
    threads.emplace_back([&, i] {
      auto client = connect();
      for (int k = 0; k < 4; ++k) {
        const std::size_t size = static_cast<std::size_t>(i) * 1000 + static_cast<std::size_t>(k) + 1;
        const auto response = client.request(picture(std::string(size, 'x')));
        EXPECT_TRUE(response) << "client " << i << ", request " << k;
        if (!response) return;
        EXPECT_EQ(response->status, 200) << response->body;
        if (response->status == 200 && json_of(*response)["fields"]["size"] == size) ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 200);
}

TEST_F(QueueingTest, RefusesWhatDoesNotFitTheQueue) {
  backend_.set_capacity(2);
  start();
  backend_.hold();
  auto first = connect();
  first.send(picture("first"));
  backend_.wait_until_started(1);
  std::vector<std::thread> threads;
  std::atomic<int> served{0};
  std::atomic<int> refused{0};
  threads.reserve(9);
  for (int i = 0; i < 9; ++i) {
    threads.emplace_back([&] {
      const auto response = ask(picture("more"));
      if (response.status == 200) ++served;
      if (response.status != 429) return;
      expect_problem(response, 429, "overloaded");
      EXPECT_EQ(response.header("retry-after"), "7");
      if (++refused == 7) backend_.release();  // two wait, one is being computed: these are all the others
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(refused, 7);
  EXPECT_EQ(served, 2);
  EXPECT_TRUE(first.receive());
}

TEST_F(QueueingTest, TellsHowLongARequestWaited) {
  start();
  EXPECT_TRUE(json_of(post("/recognize", "x"))["timings"]["queue_ms"].is_number());
}

TEST_F(QueueingTest, DropsARequestWhoseClientLeftBeforeItsTurn) {
  start();
  backend_.hold();
  auto first = connect();
  first.send(picture("first"));
  backend_.wait_until_started(1);
  auto second = connect();
  second.send(picture("second", "the-second"));
  second.close();
  log_->wait_for("id=the-second");
  auto third = connect();
  third.send(picture("third"));
  backend_.release();
  EXPECT_TRUE(first.receive());
  EXPECT_TRUE(third.receive());
  EXPECT_THAT(backend_.seen(), ElementsAre("first", "third"));
  EXPECT_THAT(log_->text(), HasSubstr("path=\"/recognize\" status=499"));
}

TEST_F(QueueingTest, FinishesARequestWhoseClientLeftDuringIt) {
  start();
  backend_.hold();
  auto first = connect();
  first.send(picture("first", "the-first"));
  backend_.wait_until_started(1);
  first.close();
  backend_.release();
  log_->wait_for("id=the-first");
  EXPECT_EQ(post("/recognize", "second").status, 200);
}

TEST_F(QueueingTest, DoesNotMistakeAPipelinedRequestForADeparture) {
  start();
  backend_.hold();
  auto first = connect();
  first.send(picture("first"));
  backend_.wait_until_started(1);
  auto second = connect();
  second.send(picture("second"));
  second.send(kHealth);
  backend_.release();
  for (int i = 0; i < 2; ++i) {
    const auto response = second.receive();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
  }
}

TEST_F(QueueingTest, DrainsBeforeItStops) {
  start();
  backend_.hold();
  auto busy = connect();
  busy.send(picture("first"));
  backend_.wait_until_started(1);
  auto idle = connect();
  auto other = connect();
  ASSERT_TRUE(idle.request(kHealth));
  ASSERT_TRUE(other.request(kHealth));
  server_->stop();
  const auto not_ready = idle.request(make_request("GET", "/readyz"));
  ASSERT_TRUE(not_ready);
  expect_problem(*not_ready, 503, "unavailable");
  EXPECT_EQ(not_ready->header("connection"), "close");
  EXPECT_TRUE(idle.at_end());
  const auto refused = other.request(picture("second"));
  ASSERT_TRUE(refused);
  expect_problem(*refused, 503, "unavailable");
  EXPECT_FALSE(refused->header("retry-after").empty());
  backend_.release();
  const auto finished = busy.receive();
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->status, 200);
  EXPECT_TRUE(busy.at_end());
  server_->wait();
  EXPECT_FALSE(connect().request(kHealth));
  EXPECT_THAT(backend_.seen(), ElementsAre("first"));
}

TEST_F(QueueingTest, EndsTheDrainWhenItTakesTooLong) {
  options_.drain_timeout = std::chrono::milliseconds(50);
  start();
  backend_.hold();
  auto running = connect();
  running.send(picture("first"));
  backend_.wait_until_started(1);
  auto waiting = connect();
  waiting.send("POST /recognize HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(waiting.receive());  // let in before the drain
  waiting.send("second");
  server_->stop();
  EXPECT_FALSE(running.receive());
  const auto unanswered = waiting.receive();
  EXPECT_FALSE(unanswered) << unanswered->status << unanswered->body;
  backend_.release();
  server_->wait();
  EXPECT_THAT(backend_.seen(), ElementsAre("first"));
}

TEST_F(QueueingTest, StopsAtOnceWithNothingInFlight) {
  options_.drain_timeout = std::chrono::hours(1);
  start();
  auto idle = connect();
  ASSERT_TRUE(idle.request(kHealth));
  auto half = connect();
  half.send("POST /recognize HTTP");
  stop();
  EXPECT_TRUE(idle.at_end());
}

TEST_F(QueueingTest, MayBeStoppedRepeatedlyAndFromAnywhere) {
  start();
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) threads.emplace_back([this] { stop(); });
  for (auto& thread : threads) thread.join();
  stop();
}

TEST_F(QueueingTest, MayBeStoppedWithoutHavingStarted) {
  server_ = std::make_unique<server::Server>(backend_, options_);
  stop();
}

TEST_F(QueueingTest, StopsOnASignal) {
  options_.handle_signals = true;
  start();
  auto client = connect();
  ASSERT_TRUE(client.request(kHealth));
  std::raise(SIGTERM);
  server_->wait();
  EXPECT_TRUE(client.at_end());
}

TEST_F(QueueingTest, ASecondSignalEndsTheDrain) {
  options_.handle_signals = true;
  options_.drain_timeout = std::chrono::hours(1);
  start();
  backend_.hold();
  auto client = connect();
  client.send(picture("first"));
  backend_.wait_until_started(1);
  std::raise(SIGINT);
  log_->wait_for("once more");
  std::raise(SIGINT);
  EXPECT_FALSE(client.receive());
  backend_.release();
  server_->wait();
}

TEST_F(ServerTest, SaysWhyItCannotListen) {
  start();
  server::ServerOptions taken = options_;
  taken.port = server_->port();
  const auto in_use = server::Server(backend_, taken).start();
  ASSERT_FALSE(in_use);
  EXPECT_EQ(in_use.error().code, ErrorCode::kUsage);
  EXPECT_THAT(in_use.error().message, HasSubstr(std::to_string(taken.port)));
  EXPECT_THAT(in_use.error().message, HasSubstr("taken"));

  server::ServerOptions elsewhere = options_;
  elsewhere.host = "192.0.2.1";  // set aside for documentation: no machine has it
  const auto not_here = server::Server(backend_, elsewhere).start();
  ASSERT_FALSE(not_here);
  EXPECT_THAT(not_here.error().message, HasSubstr("no such address"));

  elsewhere.host = "not an address";
  EXPECT_FALSE(server::Server(backend_, elsewhere).start());
}

TEST_F(ServerTest, TellsItsUrl) {
  start();
  EXPECT_EQ(server_->url(), "http://127.0.0.1:" + std::to_string(server_->port()));
}

}  // namespace
}  // namespace fovea::testing
