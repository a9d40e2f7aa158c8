// The server against the curl program, which is how most people meet it first.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "server/server_fixture.h"
#include "support/shell.h"

namespace fovea::testing {
namespace {

class CurlTest : public ServerTest {
 protected:
  void SetUp() override {
    if (run("curl --version").empty()) GTEST_SKIP() << "curl is not installed";
    std::string name = (std::filesystem::temp_directory_path() / "fovea-curl-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    start();
  }
  ~CurlTest() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  static std::string run(const std::string& command) { return test::shell(command + " 2>/dev/null"); }

  /// What curl prints, which ends with the status, when run with `arguments` (%URL stands for the server).
  std::string curl(std::string arguments) {
    const auto at = arguments.find("%URL");
    arguments.replace(at, 4, server_->url());
    return run("curl -q --noproxy '*' --silent --max-time 60 --write-out ' %{http_code}' " + arguments);
  }

  std::string file_of(std::size_t size) {
    const auto path = folder_ / "a picture.png";
    std::ofstream(path, std::ios::binary) << std::string(size, 'x');
    return path.string();
  }

  std::filesystem::path folder_;
};

TEST_F(CurlTest, UploadsForms) {
  const std::string output =
      curl(fmt::format("-F 'file=@{}' -F task=pizza %URL/recognize", file_of(3'000'000)));
  EXPECT_TRUE(output.ends_with(" 200")) << output;
  EXPECT_THAT(output, ::testing::HasSubstr("a picture.png"));
  EXPECT_THAT(output, ::testing::HasSubstr("\"size\":3000000"));
}

TEST_F(CurlTest, UploadsRawAndChunkedBodies) {
  const std::string file = file_of(3'000'000);
  for (const char* extra :
       {"", "-H 'Transfer-Encoding: chunked'", "-H 'Expect: 100-continue'", "--http1.0"}) {
    const std::string output =
        curl(fmt::format("{} -H 'Content-Type: image/png' --data-binary '@{}' %URL/recognize", extra, file));
    EXPECT_TRUE(output.ends_with(" 200")) << extra << output;
    EXPECT_THAT(output, ::testing::HasSubstr("\"size\":3000000"));
  }
}

TEST_F(CurlTest, SeesRefusals) {
  const std::string file = file_of(21'000'000);
  for (const char* extra : {"", "-H 'Transfer-Encoding: chunked'", "-H 'Expect:'"}) {
    const std::string output =
        curl(fmt::format("{} -H 'Content-Type: image/png' --data-binary '@{}' %URL/recognize", extra, file));
    EXPECT_TRUE(output.ends_with(" 413")) << extra << output;
    EXPECT_THAT(output, ::testing::HasSubstr("urn:fovea:error:too_large"));
  }
  EXPECT_TRUE(curl(fmt::format("--data-binary '@{}' %URL/recognize", file_of(10))).ends_with(" 415"));
  EXPECT_TRUE(curl("-I %URL/healthz").ends_with(" 200"));
}

}  // namespace
}  // namespace fovea::testing
