#include "server/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/temporary_folder.h"

namespace fovea::server {
namespace {

using ::testing::HasSubstr;

const std::string kKey = "0123456789abcdef";
// printf 0123456789abcdef | sha256sum
const std::string kDigest = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";

TEST(ApiKeysTest, FindsAKeyByItsTextOnly) {
  const KeyRing ring(
      {parse_api_key("bench:" + kKey, "x").value(), parse_api_key("fedcba9876543210", "other").value()});
  ASSERT_NE(ring.find(kKey), nullptr);
  EXPECT_EQ(ring.find(kKey)->name, "bench");
  EXPECT_EQ(ring.find("fedcba9876543210")->name, "other");
  for (const std::string& token :
       {std::string(), kKey + "0", kKey.substr(1), kDigest, std::string("bench")}) {
    EXPECT_EQ(ring.find(token), nullptr) << token;
  }
}

TEST(ApiKeysTest, TakesADigestInPlaceOfTheKey) {
  for (const std::string& text : {kDigest, "name:" + kDigest}) {
    const auto key = parse_api_key(text, "x");
    ASSERT_TRUE(key) << key.error().message;
    EXPECT_EQ(key->digest, sha256(kKey));
  }
}

TEST(ApiKeysTest, RefusesWhatIsNoKeyWithoutShowingIt) {
  for (const std::string text : {"", "short", "name:", "with a space in it.", "bad name!:0123456789abcdef",
                                 "sha256:12", "0123456789abcde\xc3\xa9"}) {
    const auto key = parse_api_key(text, "x");
    ASSERT_FALSE(key) << text;
    EXPECT_EQ(key.error().code, ErrorCode::kUsage);
    if (text.size() > 5) EXPECT_THAT(key.error().message, ::testing::Not(HasSubstr(text)));
  }
}

TEST(ApiKeysTest, ReadsAFileOfThemAndNamesTheLineThatIsWrong) {
  const test::TemporaryFolder folder;
  const std::string path = (folder.path() / "keys").string();
  ASSERT_TRUE(write_file(path, "# ours\n\n" + kKey + "\r\nbench:fedcba9876543210\n"));
  const auto keys = read_key_file(path);
  ASSERT_TRUE(keys) << keys.error().message;
  ASSERT_EQ(keys->size(), 2U);
  EXPECT_EQ((*keys)[0].name, "line-3");
  EXPECT_EQ((*keys)[1].name, "bench");
  ASSERT_TRUE(write_file(path, kKey + "\nshort\n"));
  EXPECT_THAT(read_key_file(path).error().message, HasSubstr(path + ":2"));
}

TEST(ApiKeysTest, UnderstandsBearerOnly) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("bearer  abc "), "abc");
  EXPECT_EQ(bearer_token("Basic abc"), std::nullopt);
  EXPECT_EQ(bearer_token("Bearer"), std::nullopt);
}

}  // namespace
}  // namespace fovea::server
