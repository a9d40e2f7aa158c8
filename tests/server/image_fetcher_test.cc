// Pictures that chats name by URL: from which hosts they are fetched, and what is not followed.

#include "server/image_fetcher.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/asio.hpp>
#include <thread>

#include "server/server_fixture.h"

namespace fovea::testing {
namespace {

using server::ImageFetcher;
using ::testing::HasSubstr;
namespace asio = boost::asio;

/// A host that gives every request the same bytes and closes the connection; nothing at all for "".
class CannedHost {
 public:
  explicit CannedHost(std::string answer)
      : answer_(std::move(answer)),
        acceptor_(io_, {asio::ip::address_v4::loopback(), 0}),
        thread_([this] { serve(); }) {}
  ~CannedHost() {
    boost::system::error_code ignored;
    asio::ip::tcp::socket wakes(io_);
    ending_ = true;
    wakes.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }
  CannedHost(const CannedHost&) = delete;
  CannedHost& operator=(const CannedHost&) = delete;

  [[nodiscard]] std::string name() const {
    return fmt::format("127.0.0.1:{}", acceptor_.local_endpoint().port());
  }
  [[nodiscard]] std::string url(const std::string& path = "/a.png") const {
    return "http://" + name() + path;
  }
  [[nodiscard]] int requests() const { return requests_; }

 private:
  void serve() {
    std::vector<asio::ip::tcp::socket> silent;
    while (true) {
      asio::ip::tcp::socket socket = acceptor_.accept();
      if (ending_) return;
      boost::system::error_code ignored;
      std::string request;
      asio::read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n", ignored);
      ++requests_;
      if (answer_.empty()) {
        silent.push_back(std::move(socket));
      } else {
        asio::write(socket, asio::buffer(answer_), ignored);
        socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
      }
    }
  }

  const std::string answer_;
  asio::io_context io_;
  asio::ip::tcp::acceptor acceptor_;
  std::atomic<bool> ending_ = false;
  std::atomic<int> requests_ = 0;
  std::thread thread_;
};

std::string http_answer(const std::string& body, const std::string& status = "200 OK",
                        const std::string& more = {}) {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), more, body);
}

Result<std::string> fetch(const ImageFetcher& fetcher, const std::string& url) {
  FOVEA_TRY(const auto bytes, fetcher.fetch(url, std::nullopt, {}));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

TEST(ImageFetcherTest, FetchesFromAHostThatIsNamed) {
  const CannedHost host(http_answer("a picture"));
  const ImageFetcher fetcher({.hosts = {"cdn.example", host.name()}});
  EXPECT_EQ(fetch(fetcher, host.url()).value(), "a picture");
  EXPECT_EQ(fetch(fetcher, "HTTP" + host.url().substr(4)).value(), "a picture");
}

TEST(ImageFetcherTest, AsksNoHostThatIsNotNamed) {
  const CannedHost host(http_answer("a secret"));
  const std::string port = host.name().substr(host.name().find(':'));
  const ImageFetcher fetcher({.hosts = {"cdn.example", "127.0.0.1:1"}});
  for (const std::string& url : {
           host.url(),
           "http://localhost" + port + "/",
           "http://cdn.example@" + host.name() + "/",  // a user, not a host
           "http://cdn.example:x@" + host.name() + "/",
           "http://" + host.name() + "#@cdn.example/",
           "http://" + host.name() + "\\@cdn.example/",
           "http://cdn.example." + host.name() + "/",
           "http://0x7f000001" + port + "/",
           "http://2130706433" + port + "/",
           "http://[::ffff:127.0.0.1]" + port + "/",
           std::string("http://cdn.example:8080/"),  // its usual ports only
           std::string("ftp://cdn.example/"),
           std::string("file:///etc/passwd"),
           std::string("http://"),
       }) {
    const auto refused = fetcher.fetch(url, std::nullopt, {});
    ASSERT_FALSE(refused.has_value()) << url;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument) << url;
  }
  EXPECT_EQ(host.requests(), 0);
}

TEST(ImageFetcherTest, AHostIsAllowedOnItsUsualPortsInAnyCase) {
  const ImageFetcher fetcher({.hosts = {"cdn.example"}});
  EXPECT_TRUE(fetcher.check_url("https://cdn.example/a.png"));
  EXPECT_TRUE(fetcher.check_url("http://CDN.example:80/a.png"));
  EXPECT_FALSE(fetcher.check_url("https://cdn.example:80/a.png"));
}

TEST(ImageFetcherTest, FollowsNoRedirect) {
  const CannedHost inner(http_answer("a secret"));
  const CannedHost host(http_answer("moved", "302 Found", "Location: " + inner.url() + "\r\n"));
  const ImageFetcher fetcher({.hosts = {host.name(), inner.name()}});
  EXPECT_THAT(fetch(fetcher, host.url()).error().message, HasSubstr("302"));
  EXPECT_EQ(inner.requests(), 0);
}

TEST(ImageFetcherTest, SaysWhatWentWrong) {
  const CannedHost missing(http_answer("gone", "404 Not Found"));
  const CannedHost empty(http_answer(""));
  const CannedHost large(http_answer(std::string(1001, 'x')));
  const CannedHost cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  const ImageFetcher fetcher(
      {.hosts = {missing.name(), empty.name(), large.name(), cut.name(), "127.0.0.1:1"}, .max_bytes = 1000});
  EXPECT_THAT(fetch(fetcher, missing.url()).error().message, HasSubstr("expected status 200, found 404"));
  EXPECT_THAT(fetch(fetcher, empty.url()).error().message, HasSubstr("empty"));
  EXPECT_EQ(fetch(fetcher, large.url()).error().code, ErrorCode::kTooLarge);
  EXPECT_THAT(fetch(fetcher, cut.url()).error().message, HasSubstr("could not be fetched"));
  EXPECT_THAT(fetch(fetcher, "http://127.0.0.1:1/").error().message, HasSubstr("could not be fetched"));
}

TEST(ImageFetcherTest, WaitsForAHostNoLongerThanTheClientDoes) {
  const CannedHost silent("");
  const ImageFetcher fetcher({.hosts = {silent.name()}});
  const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  EXPECT_EQ(fetcher.fetch(silent.url(), soon, {}).error().code, ErrorCode::kDeadline);
  EXPECT_EQ(fetcher.fetch(silent.url(), std::chrono::steady_clock::now(), {}).error().code,
            ErrorCode::kDeadline);
  std::stop_source left;
  left.request_stop();
  EXPECT_EQ(fetcher.fetch(silent.url(), std::nullopt, left.get_token()).error().code, ErrorCode::kCancelled);
}

class ChatByUrlTest : public ServerTest {
 protected:
  static std::string question(const std::vector<std::string>& urls) {
    nlohmann::json content = nlohmann::json::array({{{"type", "text"}, {"text", "What is this?"}}});
    for (const std::string& url : urls)
      content.push_back({{"type", "image_url"}, {"image_url", {{"url", url}}}});
    return nlohmann::json{{"model", "fake"}, {"messages", {{{"role", "user"}, {"content", content}}}}}.dump();
  }
  WireResponse chat(const std::vector<std::string>& urls) {
    return post("/v1/chat/completions", question(urls), "Content-Type: application/json\r\n");
  }
};

TEST_F(ChatByUrlTest, ThePictureReachesTheModelInItsPlace) {
  const CannedHost host(http_answer("fetched"));
  options_.images.hosts = {host.name()};
  start();
  const auto answer = chat({host.url(), "data:image/png;base64,aW5saW5l"});
  EXPECT_EQ(answer.status, 200) << answer.body;
  const auto asked = backend_.conversations();
  ASSERT_EQ(asked.size(), 1U);
  const auto& content = asked[0].turns.at(0).content;
  ASSERT_EQ(content.size(), 3U);
  const auto bytes = [&](std::size_t i) {
    const auto& image = std::get<recognize::ImagePart>(content[i]).bytes;
    return std::string(reinterpret_cast<const char*>(image.data()), image.size());
  };
  EXPECT_EQ(bytes(1), "fetched");
  EXPECT_EQ(bytes(2), "inline");
}

TEST_F(ChatByUrlTest, ARefusalNamesTheParameter) {
  const CannedHost host(http_answer("gone", "404 Not Found"));
  options_.images.hosts = {host.name()};
  start();
  for (const std::string& url : {host.url(), std::string("https://other.example/a.png")}) {
    const auto answer = chat({"data:image/png;base64,aW5saW5l", url});
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_EQ(json_of(answer)["error"]["param"], "messages[0].content[2].image_url.url");
  }
  EXPECT_TRUE(backend_.conversations().empty());
}

TEST_F(ChatByUrlTest, WithoutNamedHostsNothingIsFetched) {
  const CannedHost host(http_answer("fetched"));
  start();
  EXPECT_EQ(chat({host.url()}).status, 400);
  EXPECT_EQ(host.requests(), 0);
}

TEST_F(ChatByUrlTest, AHostThatSaysNothingHoldsUpNobodyElse) {
  const CannedHost silent("");
  options_.images.hosts = {silent.name()};
  start();
  HttpClient waits = connect();
  waits.send(make_request("POST", "/v1/chat/completions", question({silent.url()}),
                          "Content-Type: application/json\r\n"));
  EXPECT_EQ(chat({}).status, 200);
  waits.close();
}

}  // namespace
}  // namespace fovea::testing
