#pragma once

#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "server/fake_backend.h"
#include "server/http_client.h"
#include "server/server.h"

namespace fovea::testing {

/// Collects what is logged, a line a message.
class LogLines : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::string text() {
    const std::scoped_lock lock(mutex_);
    return text_;
  }
  /// Returns when `wanted` stands in the log.
  void wait_for(std::string_view wanted) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return text_.contains(wanted); });
  }
  /// Returns when that many lines have been logged.
  void wait_for_lines(std::ptrdiff_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return std::ranges::count(text_, '\n') >= count; });
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    text_.append(message.payload.data(), message.payload.size()).push_back('\n');
    changed_.notify_all();
  }
  void flush_() override {}

 private:
  std::condition_variable_any changed_;
  std::string text_;  // guarded by the sink's mutex_
};

/// A server on a free port over a fake backend, with its log in a string.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    options_.port = 0;
    options_.logger = std::make_shared<spdlog::logger>("test", log_);
  }
  ~ServerTest() override {
    backend_.release();
    if (server_) stop();
  }

  void start() {
    server_ = std::make_unique<server::Server>(backend_, options_);
    const auto started = server_->start();
    ASSERT_TRUE(started) << started.error().message;
  }
  void stop() {
    server_->stop();
    server_->wait();
  }

  HttpClient connect() { return HttpClient(server_->port()); }

  /// One request on a connection of its own; status 0 when no answer came.
  WireResponse ask(std::string_view request) { return connect().request(request).value_or(WireResponse{}); }
  WireResponse post(std::string_view target, std::string_view body,
                    std::string_view headers = "Content-Type: image/png\r\n") {
    return ask(make_request("POST", target, body, headers));
  }

  FakeBackend backend_;
  server::ServerOptions options_;
  std::shared_ptr<LogLines> log_ = std::make_shared<LogLines>();
  std::unique_ptr<server::Server> server_;
};

/// The body as JSON; null, and a test failure, when it is none.
inline nlohmann::json json_of(const WireResponse& response) {
  auto value = nlohmann::json::parse(response.body, nullptr, false);
  EXPECT_FALSE(value.is_discarded()) << response.body;
  return value.is_discarded() ? nlohmann::json() : value;
}

/// Expects an RFC 9457 answer of that status, with every member that is promised.
inline void expect_problem(const WireResponse& response, int status, const std::string& name) {
  EXPECT_EQ(response.status, status) << response.body;
  EXPECT_EQ(response.header("content-type"), "application/problem+json");
  const auto problem = json_of(response);
  EXPECT_EQ(problem.value("type", ""), "urn:fovea:error:" + name);
  EXPECT_EQ(problem.value("status", 0), status);
  EXPECT_FALSE(problem.value("title", "").empty());
  EXPECT_FALSE(problem.value("detail", "").empty());
  EXPECT_EQ(problem.value("request_id", ""), response.header("x-request-id"));
  EXPECT_FALSE(response.header("x-request-id").empty());
}

}  // namespace fovea::testing
