#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "cli/program.h"
#include "server/http_client.h"

namespace fovea::cli {
namespace {

using fovea::testing::HttpClient;
using fovea::testing::make_request;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

std::vector<std::string> serve(std::vector<std::string> more) {
  more.insert(more.begin(), {"serve", "--model", tiny_model().string()});
  return more;
}

/// The port of "fovea: ready: http://127.0.0.1:PORT with model …".
std::optional<std::uint16_t> port_of(const std::optional<std::string>& line) {
  const std::string start = "http://127.0.0.1:";
  const std::size_t at = line ? line->find(start) : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  return static_cast<std::uint16_t>(std::stoi(line->substr(at + start.size())));
}

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
    // Random weights know no cards, and that is what is answered.
    EXPECT_EQ(answer->status, 422) << answer->body;
    EXPECT_THAT(answer->body, HasSubstr("invalid_output"));

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

TEST(ServeTest, AMissingModelIsNamedAndNothingIsServed) {
  const auto done = run({"serve", "--model", "/nonexistent", "--port", "0"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, AllOf(HasSubstr("/nonexistent"), ::testing::Not(HasSubstr("ready"))));
}

}  // namespace
}  // namespace fovea::cli
