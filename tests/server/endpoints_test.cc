#include <gmock/gmock.h>

#include "server/server_fixture.h"

namespace fovea::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EndpointsTest : public ServerTest {
 protected:
  void SetUp() override { start(); }

  WireResponse post_form(std::string_view target, std::string_view form) {
    return post(target, form, "Content-Type: multipart/form-data; boundary=b\r\n");
  }
};

std::string form_part(std::string_view disposition, std::string_view content) {
  return std::string("--b\r\nContent-Disposition: form-data; ")
      .append(disposition)
      .append("\r\n\r\n")
      .append(content)
      .append("\r\n");
}
const std::string kFormEnd = "--b--\r\n";

TEST_F(EndpointsTest, RecognizesARawBody) {
  const auto response = post("/recognize", "picture");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("content-type"), "application/json");
  const auto answer = json_of(response);
  EXPECT_EQ(answer["ok"], true);
  EXPECT_EQ(answer["task"], "trading-card");
  EXPECT_EQ(answer["fields"]["size"], 7);
  EXPECT_EQ(answer["request_id"], response.header("x-request-id"));
}

TEST_F(EndpointsTest, TakesAnyImageTypeBytesAndNoTypeAtAll) {
  for (const std::string_view type : {"image/jpeg", "IMAGE/x-unheard-of", "application/octet-stream",
                                      "Application/Octet-Stream; charset=binary"}) {
    EXPECT_EQ(post("/recognize", "x", "Content-Type: " + std::string(type) + "\r\n").status, 200) << type;
  }
  EXPECT_EQ(post("/recognize", "x", "").status, 200);
}

TEST_F(EndpointsTest, RecognizesAForm) {
  const auto response = post_form(
      "/recognize", form_part("name=\"file\"; filename=\"a \xc3\xa9.png\"", std::string("pic\0ture", 8)) +
                        form_part("name=\"task\"", "pizza") + kFormEnd);
  EXPECT_EQ(response.status, 200) << response.body;
  const auto answer = json_of(response);
  EXPECT_EQ(answer["file"], "a \xc3\xa9.png");
  EXPECT_EQ(answer["task"], "pizza");
  EXPECT_EQ(answer["fields"]["size"], 8);
}

TEST_F(EndpointsTest, AnswersAFileNameThatIsNotUtf8) {
  const auto response =
      post_form("/recognize", form_part("name=\"file\"; filename=\"\xff\xfe.png\"", "x") + kFormEnd);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json_of(response)["file"], "\xef\xbf\xbd\xef\xbf\xbd.png");
}

TEST_F(EndpointsTest, TakesTheTaskFromTheQuery) {
  EXPECT_EQ(json_of(post("/recognize?task=pizza", "x"))["task"], "pizza");
  EXPECT_EQ(json_of(post("/recognize?task=%70izza", "x"))["task"], "pizza");
}

TEST_F(EndpointsTest, NamesTheKnownTasksToWhoAsksForAnother) {
  const auto query = post("/recognize?task=poker", "x");
  expect_problem(query, 400, "invalid_argument");
  EXPECT_THAT(query.body, HasSubstr("known: trading-card, pizza"));
  const auto form = post_form(
      "/recognize", form_part("name=\"file\"", "x") + form_part("name=\"task\"", "\xff") + kFormEnd);
  expect_problem(form, 400, "invalid_argument");
}

TEST_F(EndpointsTest, RefusesUnknownAndRepeatedParameters) {
  const auto unknown = post("/recognize?colour=red", "x");
  expect_problem(unknown, 400, "invalid_argument");
  EXPECT_THAT(unknown.body, HasSubstr("known: task"));
  expect_problem(post("/recognize?task=pizza&task=pizza", "x"), 400, "invalid_argument");
  expect_problem(post_form("/recognize?task=pizza",
                           form_part("name=\"file\"", "x") + form_part("name=\"task\"", "pizza") + kFormEnd),
                 400, "invalid_argument");
}

TEST_F(EndpointsTest, RefusesFormsThatAreNotOneFile) {
  const std::string file = form_part("name=\"file\"; filename=\"a\"", "x");
  const std::string two_files = file + file + kFormEnd;
  const std::string unknown_field = file + form_part("name=\"mode\"", "x") + kFormEnd;
  for (const std::string& form :
       {two_files, form_part("name=\"task\"", "pizza") + kFormEnd, kFormEnd, std::string(), file,
        form_part("name=\"file\"; filename=\"\"", "") + kFormEnd, unknown_field,
        std::string("no boundary anywhere")}) {
    expect_problem(post_form("/recognize", form), 400, "invalid_argument");
  }
  expect_problem(post("/recognize", file + kFormEnd, "Content-Type: multipart/form-data\r\n"), 400,
                 "invalid_argument");
  EXPECT_THAT(backend_.seen(), ElementsAre());
}

TEST_F(EndpointsTest, RefusesAnEmptyBody) {
  expect_problem(post("/recognize", ""), 400, "invalid_argument");
}

TEST_F(EndpointsTest, RefusesOtherContentTypesAndEncodings) {
  for (const std::string_view header :
       {"Content-Type: application/x-www-form-urlencoded", "Content-Type: text/plain", "Content-Type: image/",
        "Content-Type: ", "Content-Type: multipart/mixed; boundary=b", "Content-Encoding: gzip"}) {
    expect_problem(post("/recognize", "x", std::string(header) + "\r\n"), 415, "unsupported_media");
  }
}

TEST_F(EndpointsTest, AnswersAFailedRecognitionAsAProblemThatIsAlsoARecognition) {
  const auto response = post("/recognize", "BAD");
  expect_problem(response, 422, "invalid_image");
  const auto answer = json_of(response);
  EXPECT_EQ(answer["detail"], "the picture is damaged");
  EXPECT_EQ(answer["ok"], false);
  EXPECT_EQ(answer["error"]["type"], "invalid_image");
}

TEST_F(EndpointsTest, SurvivesABackendThatThrows) {
  expect_problem(post("/recognize", "THROW"), 500, "internal");
  EXPECT_EQ(post("/recognize", "x").status, 200);
}

TEST_F(EndpointsTest, IsAliveAndReady) {
  const auto alive = ask(make_request("GET", "/healthz"));
  EXPECT_EQ(alive.status, 200);
  EXPECT_EQ(json_of(alive), nlohmann::json({{"status", "ok"}}));
  EXPECT_EQ(ask(make_request("GET", "/readyz")).status, 200);
}

TEST_F(ServerTest, IsNotReadyWithoutAModel) {
  backend_.set_models({});
  start();
  const auto response = ask(make_request("GET", "/readyz"));
  expect_problem(response, 503, "unavailable");
  EXPECT_FALSE(response.header("retry-after").empty());
  EXPECT_EQ(ask(make_request("GET", "/healthz")).status, 200);
}

TEST_F(EndpointsTest, ListsModelsInTheFormOfOpenAi) {
  const auto list = json_of(ask(make_request("GET", "/v1/models")));
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 1);
  EXPECT_EQ(list["data"][0]["id"], "fake");
  EXPECT_EQ(list["data"][0]["object"], "model");
  EXPECT_EQ(list["data"][0]["owned_by"], "fovea");
  EXPECT_TRUE(list["data"][0]["created"].is_number_integer());
}

TEST_F(EndpointsTest, ExplainsItself) {
  const auto page = ask(make_request("GET", "/"));
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.header("content-type"), HasSubstr("text/html"));
  for (const char* endpoint : {"/recognize", "/healthz", "/readyz", "/v1/models"}) {
    EXPECT_THAT(page.body, HasSubstr(endpoint));
  }
}

TEST_F(EndpointsTest, AnswersHeadLikeGetWithoutTheBody) {
  for (const char* path : {"/", "/healthz", "/readyz", "/v1/models"}) {
    auto client = connect();
    client.send(make_request("HEAD", path));
    const auto head = client.receive(true);
    ASSERT_TRUE(head) << path;
    EXPECT_EQ(head->status, 200);
    const auto get = client.request(make_request("GET", path));  // the connection is still in step
    ASSERT_TRUE(get) << path;
    EXPECT_EQ(head->header("content-length"), get->header("content-length"));
  }
}

TEST_F(EndpointsTest, TellsUnknownPathsFromWrongMethods) {
  expect_problem(ask(make_request("GET", "/nowhere")), 404, "not_found");
  expect_problem(ask(make_request("GET", "/healthz/")), 404, "not_found");
  const auto get = ask(make_request("GET", "/recognize"));
  expect_problem(get, 405, "method_not_allowed");
  EXPECT_EQ(get.header("allow"), "POST");
  for (const char* method : {"POST", "DELETE", "OPTIONS", "BREW"}) {
    const auto response = ask(make_request(method, "/healthz"));
    expect_problem(response, 405, "method_not_allowed");
    EXPECT_EQ(response.header("allow"), "GET, HEAD");
  }
}

TEST_F(EndpointsTest, TakesOverASaneRequestIdAndMakesOneOtherwise) {
  const auto with_id = [](std::string_view id) {
    return make_request("GET", "/nowhere", {}, "X-Request-Id: " + std::string(id) + "\r\n");
  };
  EXPECT_EQ(ask(with_id("Abc.1_2-3")).header("x-request-id"), "Abc.1_2-3");
  for (const std::string& id :
       {std::string("a b"), std::string(65, 'a'), std::string("\xc3\xa9"), std::string()}) {
    const std::string answered = ask(with_id(id)).header("x-request-id");
    EXPECT_FALSE(answered.empty());
    EXPECT_NE(answered, id);
  }
  EXPECT_NE(ask(with_id("")).header("x-request-id"), ask(with_id("")).header("x-request-id"));
}

TEST_F(EndpointsTest, LogsOneSafeLineARequest) {
  ask(make_request("GET", "/a%0ab%22%1b[31m", {}, "X-Request-Id: the-id\r\n"));
  post("/recognize", "a-secret-picture");
  stop();
  const std::string text = log_->text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_THAT(text, HasSubstr(R"(method=GET path="/a\x0ab\"\x1b[31m" status=404 )"));
  EXPECT_THAT(text, HasSubstr("id=the-id"));
  EXPECT_THAT(text, HasSubstr("method=POST path=\"/recognize\" status=200 "));
  EXPECT_THAT(text, HasSubstr(" in=16 "));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace fovea::testing
