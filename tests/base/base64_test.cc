#include "base/base64.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace fovea {
namespace {

using ::testing::HasSubstr;

std::string decoded(std::string_view text) {
  const auto bytes = decode_base64(text, 100);
  if (!bytes) return "refused: " + bytes.error().message;
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

TEST(DecodeBase64, DecodesTheExamplesOfRfc4648) {
  EXPECT_EQ(decoded(""), "");
  EXPECT_EQ(decoded("Zg=="), "f");
  EXPECT_EQ(decoded("Zm8="), "fo");
  EXPECT_EQ(decoded("Zm9v"), "foo");
  EXPECT_EQ(decoded("Zm9vYg=="), "foob");
  EXPECT_EQ(decoded("Zm9vYmE="), "fooba");
  EXPECT_EQ(decoded("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decoded("/+8A"), std::string("\xff\xef\0", 3));
}

TEST(DecodeBase64, RefusesWhatIsOnlyNearlyBase64) {
  for (const std::string_view text :
       {"Z", "Zg", "Zg=", "Zg===", "====", "Z===", "=Zg=", "Zg==Zg==", "Zm9v\n", "Zm9 ", " Zm9", "Zm-v",
        "Zm_v", "Zm9\xff", "Zh==", "Zm9=", "Zm9vYg= =", "Z=g="}) {
    EXPECT_THAT(decoded(text), HasSubstr("refused")) << text;
  }
  EXPECT_THAT(decoded(std::string_view("Zm\0v", 4)), HasSubstr("at byte 3"));
}

TEST(DecodeBase64, CountsBytesAndNotCharacters) {
  EXPECT_TRUE(decode_base64("Zm9vYmFy", 6));
  const auto refused = decode_base64("Zm9vYmFy", 5);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace fovea
