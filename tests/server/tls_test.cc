// The server behind TLS, against the curl program.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>

#include "base/file.h"
#include "base/temporary_folder.h"
#include "server/server_fixture.h"
#include "support/certificate.h"
#include "support/shell.h"

namespace fovea::testing {
namespace {

using ::testing::HasSubstr;

class TlsTest : public ServerTest {
 protected:
  void SetUp() override {
    if (run("curl --version").empty()) GTEST_SKIP() << "curl is not installed";
    options_.tls = {.certificate = (folder_.path() / "certificate.pem").string(),
                    .key = (folder_.path() / "key.pem").string()};
    test::make_certificate(options_.tls.certificate, options_.tls.key, 1);
  }

  static std::string run(const std::string& command) { return test::shell(command + " 2>&1"); }
  std::string curl(const std::string& path, const std::string& arguments = {}) {
    return run(fmt::format(
        "curl -q --noproxy '*' --silent --insecure --max-time 60 --write-out ' %{{http_code}}' {} {}{}",
        arguments, server_->url(), path));
  }
  std::string file_of(std::size_t size) {
    const std::string path = (folder_.path() / "picture").string();
    std::ofstream(path, std::ios::binary) << std::string(size, 'x');
    return path;
  }

  test::TemporaryFolder folder_;
};

TEST_F(TlsTest, AnswersAndReadsLargeBodies) {
  start();
  EXPECT_THAT(server_->url(), HasSubstr("https://"));
  EXPECT_TRUE(curl("/healthz").ends_with(" 200"));
  const std::string output =
      curl("/recognize", fmt::format("-H 'Content-Type: image/png' --data-binary '@{}'", file_of(3'000'000)));
  EXPECT_THAT(output, HasSubstr("\"size\":3000000"));
  EXPECT_TRUE(output.ends_with(" 200")) << output;
}

TEST_F(TlsTest, KeepsTheConnectionAndStreams) {
  start();
  const std::string chat =
      R"(--next --noproxy '*' --silent --insecure -H 'Content-Type: application/json' -d '{"stream": true, "messages": [{"role": "user", "content": "x"}]}' )";
  const std::string output = curl("/healthz", "-v");
  EXPECT_THAT(output, HasSubstr("TLSv1.3"));
  const std::string both =
      run(fmt::format("curl -q --noproxy '*' --silent --insecure --write-out '%{{num_connects}} ' "
                      "{0}/healthz {1} --write-out "
                      "'%{{num_connects}}' {0}/v1/chat/completions",
                      server_->url(), chat));
  EXPECT_THAT(both, HasSubstr("data: [DONE]"));
  EXPECT_TRUE(both.ends_with("\n0")) << both;
}

TEST_F(TlsTest, LetsTheSenderOfATooLargeBodySeeTheRefusal) {
  options_.policy.max_body_bytes = 1000;
  start();
  const std::string output = curl("/recognize", fmt::format("-H 'Content-Type: image/png' -H 'Expect:' "
                                                            "--data-binary '@{}'",
                                                            file_of(5'000'000)));
  EXPECT_TRUE(output.ends_with(" 413")) << output;
}

TEST_F(TlsTest, StopsTheWorkOfAClientThatLeaves) {
  start();
  const std::string output = curl(
      "/v1/chat/completions",
      R"(--no-buffer --max-time 1 -H 'Content-Type: application/json' -d '{"stream": true, "messages": [{"role": "user", "content": "WAIT"}]}')");
  EXPECT_THAT(output, HasSubstr("Wait"));
  backend_.wait_until_stopped(1);
}

TEST_F(TlsTest, SpeaksNothingButTls) {
  start();
  EXPECT_FALSE(connect().request(make_request("GET", "/healthz")));
  EXPECT_TRUE(curl("/healthz").ends_with(" 200"));
}

TEST_F(TlsTest, TakesANewCertificateWhileItServes) {
  start();
  EXPECT_THAT(curl("/healthz", "-v"), HasSubstr("serial 1"));
  test::make_certificate(options_.tls.certificate, options_.tls.key, 2);
  ASSERT_TRUE(server_->set_tls(options_.tls));
  EXPECT_THAT(curl("/healthz", "-v"), HasSubstr("serial 2"));
}

TEST_F(TlsTest, KeepsTheOldCertificateWhenTheNewOneIsNone) {
  start();
  ASSERT_TRUE(write_file(options_.tls.certificate, "no certificate"));
  const auto refused = server_->set_tls(options_.tls);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr(options_.tls.certificate));
  EXPECT_THAT(curl("/healthz", "-v"), HasSubstr("serial 1"));
}

TEST_F(TlsTest, SaysWhatIsWrongWithItsFiles) {
  server::TlsFiles other{.certificate = (folder_.path() / "other.pem").string(),
                         .key = (folder_.path() / "other-key.pem").string()};
  test::make_certificate(other.certificate, other.key, 3);
  options_.tls.key = other.key;
  const auto mismatch = server::Server(backend_, options_).start();
  ASSERT_FALSE(mismatch);
  EXPECT_THAT(mismatch.error().message, HasSubstr("is not the key of"));
  options_.tls.key = {};
  EXPECT_FALSE(server::Server(backend_, options_).start());
}

}  // namespace
}  // namespace fovea::testing
