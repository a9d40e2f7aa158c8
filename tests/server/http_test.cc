#include "server/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace fovea::server {
namespace {

using ::testing::HasSubstr;

TEST(Target, IsSplitAndDecoded) {
  const auto target = parse_target("/a%20b+c?task=x+y%26&empty&&z=1=2").value();
  EXPECT_EQ(target.path, "/a b+c");
  ASSERT_EQ(target.query.size(), 3);
  EXPECT_EQ(target.query[0].name, "task");
  EXPECT_EQ(target.query[0].value, "x y&");
  EXPECT_EQ(target.query[1].name, "empty");
  EXPECT_EQ(target.query[1].value, "");
  EXPECT_EQ(target.query[2].value, "1=2");
}

TEST(Target, MayBeAbsolute) {
  EXPECT_EQ(parse_target("http://host:80/healthz").value().path, "/healthz");
  EXPECT_EQ(parse_target("HTTPS://host").value().path, "/");
  const auto target = parse_target("http://host?task=x").value();
  EXPECT_EQ(target.path, "/");
  EXPECT_EQ(target.query.size(), 1);
}

TEST(Target, IsRefusedWhenMalformed) {
  for (const char* text : {"", "*", "host:80", "a/b", "/%", "/%4", "/%4g", "/?a=%", "/?%zz", "?a"}) {
    EXPECT_FALSE(parse_target(text)) << text;
  }
}

TEST(RequestHead, FindsHeadersWhateverTheirCase) {
  RequestHead head;
  head.headers = {{"content-TYPE", "a"}, {"Content-Type", "b"}};
  ASSERT_NE(head.header("Content-Type"), nullptr);
  EXPECT_EQ(*head.header("Content-Type"), "a");
  EXPECT_EQ(head.header("Content-Typ"), nullptr);
}

TEST(Head, SaysHowTheConnectionGoesOn) {
  const HttpResponse response{.status = 429, .body = "four", .headers = {{"Retry-After", "7"}}};
  const std::string closing = serialize_head(response, "id", {.keep_alive = false});
  EXPECT_TRUE(closing.starts_with("HTTP/1.1 429 Too Many Requests\r\n")) << closing;
  EXPECT_TRUE(closing.ends_with("\r\n\r\n"));
  for (const char* line : {"\r\nContent-Length: 4\r\n", "\r\nX-Request-Id: id\r\n", "\r\nRetry-After: 7\r\n",
                           "\r\nConnection: close\r\n", " GMT\r\n"}) {
    EXPECT_THAT(closing, HasSubstr(line));
  }
  EXPECT_EQ(serialize_head(response, "id", {}).find("Connection"), std::string::npos);
  EXPECT_THAT(serialize_head(response, "id", {.http_1_0 = true}), HasSubstr("Connection: keep-alive\r\n"));
}

TEST(LogEscape, LeavesNothingThatCouldForgeALine) {
  EXPECT_EQ(escape_for_log("a b/c?d"), "a b/c?d");
  EXPECT_EQ(escape_for_log(std::string_view("\"\\\r\n\t\0\x7f\xc3", 8)), R"(\"\\\x0d\x0a\x09\x00\x7f\xc3)");
  EXPECT_EQ(escape_for_log("abcdef", 3), "abc...");
}

TEST(ByteBudget, IsSharedAndGivenBack) {
  ByteBudget budget(10);
  {
    ByteBudget::Lease first(budget);
    ByteBudget::Lease second(budget);
    EXPECT_TRUE(first.grow(6));
    EXPECT_FALSE(second.grow(5));
    EXPECT_TRUE(second.grow(4));
    const ByteBudget::Lease moved = std::move(first);
    EXPECT_EQ(budget.used(), 10);
  }
  EXPECT_EQ(budget.used(), 0);
}

}  // namespace
}  // namespace fovea::server
