// /reviews, over a desk that remembers what it was told.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "server/review_desk.h"
#include "server/server_fixture.h"

namespace fovea::testing {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

class FakeDesk : public server::ReviewDesk {
 public:
  Result<Json> list(const std::string& state, std::size_t limit, std::int64_t after) override {
    return told(fmt::format("list {} {} {}", state, limit, after));
  }
  Result<Json> get(std::int64_t id) override {
    if (id != 7) return fail(ErrorCode::kNotFound, "no such review");
    return told("get");
  }
  Result<std::string> picture(std::int64_t /*id*/) override { return std::string("\x89PNG\r\n\x1a\n"); }
  Result<Json> accept(std::int64_t id, const Decision& decision) override {
    return told(fmt::format("accept {} by {}{}", id, decision.who, decision.supersede ? " again" : ""));
  }
  Result<Json> correct(std::int64_t id, const Json& fields, const Decision& decision) override {
    return told(fmt::format("correct {} to {} by {}", id, fields.dump(), decision.who));
  }
  Result<Json> reject(std::int64_t id, const std::string& reason, const Decision& decision) override {
    return told(fmt::format("reject {} for {} by {}", id, reason, decision.who));
  }

 private:
  static Json told(const std::string& what) { return {{"told", what}}; }
};

class ReviewsTest : public ServerTest {
 protected:
  void SetUp() override {
    options_.reviews = &desk_;
    start();
  }
  std::string told(std::string_view path, std::string_view body = {}) {
    const auto response = body.empty() ? ask(make_request("GET", path)) : post(path, body, {});
    EXPECT_EQ(response.status, 200) << response.body;
    return json_of(response).value("told", "");
  }
  FakeDesk desk_;
};

TEST_F(ReviewsTest, AreListedPageByPage) {
  EXPECT_EQ(told("/reviews"), "list  100 0");
  EXPECT_EQ(told("/reviews?state=pending&limit=5&after=9"), "list pending 5 9");
  for (const char* query : {"limit=0", "limit=1001", "limit=x", "after=-1", "colour=red"}) {
    expect_problem(ask(make_request("GET", "/reviews?" + std::string(query))), 400, "invalid_argument");
  }
}

TEST_F(ReviewsTest, AreShownWithTheirPictures) {
  EXPECT_EQ(told("/reviews/7"), "get");
  const auto picture = ask(make_request("GET", "/reviews/7/image"));
  EXPECT_EQ(picture.status, 200);
  EXPECT_EQ(picture.header("content-type"), "image/png");
  EXPECT_THAT(picture.header("content-security-policy"), HasSubstr("sandbox"));
  for (const char* path :
       {"/reviews/8", "/reviews/x", "/reviews/-1", "/reviews/7/history", "/reviews/99999999999999999999"}) {
    const auto response = ask(make_request("GET", path));
    expect_problem(response, 404, "not_found");
  }
}

TEST_F(ReviewsTest, AreDecided) {
  EXPECT_EQ(told("/reviews/7/accept", R"({"who": "ann", "supersede": true})"), "accept 7 by ann again");
  EXPECT_EQ(told("/reviews/7/correct", R"({"who": "ann", "fields": {"z": 1, "a": null}})"),
            "correct 7 to {\"z\":1,\"a\":null} by ann");
  EXPECT_EQ(told("/reviews/7/reject", R"({"who": "ann", "reason": "blurred"})"),
            "reject 7 for blurred by ann");
}

TEST_F(ReviewsTest, RefuseDecisionsThatAreNone) {
  for (const auto& [action, body] :
       std::vector<std::pair<std::string, std::string>>{{"accept", "{}"},
                                                        {"accept", "[]"},
                                                        {"accept", R"({"who": ""})"},
                                                        {"accept", R"({"who": 5})"},
                                                        {"accept", R"({"who": "ann", "fields": {}})"},
                                                        {"accept", R"({"who": "ann", "note": "x"})"},
                                                        {"correct", R"({"who": "ann"})"},
                                                        {"correct", R"({"who": "ann", "fields": []})"},
                                                        {"reject", R"({"who": "ann"})"}}) {
    expect_problem(post("/reviews/7/" + action, body, {}), 400, "invalid_argument");
  }
  expect_problem(post("/reviews/7/accept", "{", {}), 400, "invalid_json");
  expect_problem(post("/reviews/7/burn", R"({"who": "ann"})", {}), 404, "not_found");
  expect_problem(post("/reviews/7/accept", std::string(200'000, ' '), {}), 413, "too_large");
}

TEST_F(ServerTest, WithoutADeskThereAreNoReviews) {
  start();
  expect_problem(ask(make_request("GET", "/reviews")), 404, "not_found");
}

}  // namespace
}  // namespace fovea::testing
