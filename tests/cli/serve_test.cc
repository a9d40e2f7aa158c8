#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <optional>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/temporary_folder.h"
#include "cli/program.h"
#include "cli/serving.h"
#include "server/http_client.h"

namespace fovea::cli {
namespace {

using fovea::testing::HttpClient;
using fovea::testing::make_request;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

TEST(ServeTest, SaysItIsReadyAnswersAndStopsWhenTold) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Running server(serve({"--port", "0"}));
    const auto line = server.wait_for_line("ready");
    const auto port = port_of(line);
    ASSERT_TRUE(port.has_value()) << line.value_or("it ended before");
    EXPECT_THAT(*line, HasSubstr("smolvlm-tiny-f32"));

    HttpClient client(*port);
    const auto ready = client.request(make_request("GET", "/readyz"));
    ASSERT_TRUE(ready.has_value());
    EXPECT_EQ(ready->status, 200);

    const auto answer = client.request(
        make_request("POST", "/recognize", read_file(tiny_picture()).value(), "Content-Type: image/png\r\n"));
    ASSERT_TRUE(answer.has_value());
    // Random weights know no cards, but whatever they say has the task's form.
    EXPECT_EQ(answer->status, 200) << answer->body;
    EXPECT_THAT(answer->body, HasSubstr("\"collector_number\":"));
    EXPECT_THAT(answer->body, HasSubstr("\"cached\":null"));
    const auto again = client.request(
        make_request("POST", "/recognize", read_file(tiny_picture()).value(), "Content-Type: image/png\r\n"));
    ASSERT_TRUE(again.has_value());
    EXPECT_THAT(again->body, HasSubstr("\"cached\":\"memory\""));

    const auto broken =
        client.request(make_request("POST", "/recognize", "no picture", "Content-Type: image/png\r\n"));
    ASSERT_TRUE(broken.has_value());
    EXPECT_EQ(broken->status, 415) << broken->body;
    EXPECT_EQ(HttpClient(*port).request(make_request("GET", "/healthz"))->status, 200) << "it goes on";

    server.signal(signal);
    const auto done = server.wait();
    EXPECT_EQ(done.exit_code, 0) << done.err;
  }
}

TEST(ServeTest, APortThatIsTakenIsAUsageErrorThatNamesIt) {
  Running first(serve({"--port", "0"}));
  const auto port = port_of(first.wait_for_line("ready"));
  ASSERT_TRUE(port.has_value());
  const auto second = run(serve({"--port", std::to_string(*port)}));
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_THAT(second.err, AllOf(HasSubstr(std::to_string(*port)), HasSubstr("the port is taken")));
}

TEST(ServeTest, AnAddressThatIsNotOursIsAUsageError) {
  const auto done = run(serve({"--host", "192.0.2.1", "--port", "0"}));
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.err, HasSubstr("192.0.2.1"));
}

TEST(ServeTest, ThePortMayComeFromTheEnvironment) {
  Running server(serve({}), {{"FOVEA_PORT", "0"}});
  EXPECT_TRUE(port_of(server.wait_for_line("ready")).has_value());
}

class ServeConfigTest : public ::testing::Test {
 protected:
  std::string write(const std::string& text) {
    const std::string path = (folder_.path() / "fovea.toml").string();
    EXPECT_TRUE(write_file(path, text));
    return path;
  }
  static std::optional<testing::WireResponse> get(std::uint16_t port, const std::string& path,
                                                  const std::string& headers = {}) {
    return HttpClient(port).request(make_request("GET", path, {}, headers));
  }

  test::TemporaryFolder folder_;
};

TEST_F(ServeConfigTest, AFileThatIsWrongIsAUsageErrorWithLineAndColumn) {
  const std::string path = write("[server]\nport = \"eighty\"\n");
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--check-config"}}) {
    std::vector<std::string> arguments = serve({"--config", path});
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto done = run(arguments);
    EXPECT_EQ(done.exit_code, 2);
    EXPECT_THAT(done.err, HasSubstr(path + ":2:8: server.port must be"));
  }
  EXPECT_EQ(run(serve({"--config", "/nonexistent.toml"})).exit_code, 2);
}

TEST_F(ServeConfigTest, ChecksAFileAndWhatItNamesWithoutServing) {
  const auto good = run({"serve", "--check-config", "--config", write("[limits]\nburst = 5\n")});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("OK"));
  const auto no_key = run({"serve", "--check-config", "--config", write("[auth]\nkey_file = \"none\"\n")});
  EXPECT_NE(no_key.exit_code, 0);
  EXPECT_THAT(no_key.err, HasSubstr("none"));
  const auto no_certificate = run(
      {"serve", "--check-config", "--config", write("[tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n")});
  EXPECT_EQ(no_certificate.exit_code, 2);
  EXPECT_THAT(no_certificate.err, HasSubstr("c.pem"));
}

TEST_F(ServeConfigTest, OptionsCountBeforeTheEnvironmentAndThatBeforeTheFile) {
  const std::string path = write("[server]\nhost = \"192.0.2.1\"\nport = 1\n");  // neither can be listened on
  Running by_option(serve({"--config", path, "--host", "127.0.0.1"}),
                    {{"FOVEA_HOST", "192.0.2.2"}, {"FOVEA_PORT", "0"}});
  EXPECT_TRUE(port_of(by_option.wait_for_line("ready")).has_value());
}

TEST_F(ServeConfigTest, AHangupTakesOverNewKeys) {
  const std::string path = write("[server]\nport = 0\n");
  Running server(serve({"--config", path}));
  const auto port = port_of(server.wait_for_line("ready"));
  ASSERT_TRUE(port.has_value());
  EXPECT_EQ(get(*port, "/v1/models")->status, 200);

  write("[server]\nport = 5\n[[auth.keys]]\nname = \"a\"\nkey = \"0123456789abcdef\"\n");
  server.signal(SIGHUP);
  EXPECT_TRUE(server.wait_for_line("take a restart: server.port"));
  EXPECT_TRUE(server.wait_for_line("reload: keys"));
  EXPECT_EQ(get(*port, "/v1/models")->status, 401);
  EXPECT_EQ(get(*port, "/v1/models", "Authorization: Bearer 0123456789abcdef\r\n")->status, 200);

  write("[server\n");
  server.signal(SIGHUP);
  EXPECT_TRUE(server.wait_for_line("nothing was changed"));
  EXPECT_EQ(get(*port, "/v1/models")->status, 401);
}

TEST_F(ServeConfigTest, KeysMayComeFromTheEnvironment) {
  Running server(serve({"--port", "0"}), {{"FOVEA_API_KEYS", "bench:0123456789abcdef,fedcba9876543210"}});
  const auto port = port_of(server.wait_for_line("ready"));
  ASSERT_TRUE(port.has_value());
  EXPECT_EQ(get(*port, "/v1/models")->status, 401);
  EXPECT_EQ(get(*port, "/v1/models", "Authorization: Bearer fedcba9876543210\r\n")->status, 200);
}

TEST_F(ServeConfigTest, WhatKeysAndValuesAreKeptInIsPartOfAnAnswersKeyAndOfTheFigures) {
  const auto serve_once = [&](const std::string& engine) {
    Running server(serve({"--config", write("[server]\nport = 0\n[engine]\ndtype = \"int8\"\n" + engine)}),
                   {{"XDG_STATE_HOME", folder_.path().string()}});
    const auto port = port_of(server.wait_for_line("ready"));
    EXPECT_TRUE(port.has_value());
    if (!port) return std::pair<Json, Json>{};
    const auto answer = HttpClient(*port).request(
        make_request("POST", "/recognize", read_file(tiny_picture()).value(), "Content-Type: image/png\r\n"));
    const auto stats = get(*port, "/stats");
    EXPECT_TRUE(answer && stats);
    server.signal(SIGTERM);
    server.wait();
    return std::pair{Json::parse(answer->body)["cached"], Json::parse(stats->body)["backend"]["kv"]};
  };
  const std::string int8 = "kv_cache = \"int8\"\n";
  const auto [first, usual] = serve_once("");
  EXPECT_EQ(first, nullptr);
  EXPECT_EQ(usual["type"], "bf16");
  const auto [other, narrow] = serve_once(int8);
  EXPECT_EQ(other, nullptr) << "the answer that is there is another's";
  EXPECT_EQ(narrow["type"], "int8");
  EXPECT_GT(usual["budget_bytes"], 0);
  const auto [again, ignored] = serve_once(int8);
  EXPECT_EQ(again, "memory") << "where the database's answers are at the start";
}

TEST(ServeTest, AMissingModelIsNamedAndNothingIsServed) {
  const auto done = run({"serve", "--model", "/nonexistent", "--port", "0"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, AllOf(HasSubstr("/nonexistent"), ::testing::Not(HasSubstr("ready"))));
}

}  // namespace
}  // namespace fovea::cli
