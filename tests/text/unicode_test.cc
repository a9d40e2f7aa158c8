#include "text/unicode.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace fovea::text {
namespace {

const std::string kR = "\uFFFD";

TEST(ReplaceInvalidUtf8, ReplacesEveryMaximalSubpartOnce) {
  // Unicode 15, tables 3-8 to 3-11, and what Python's bytes.decode(errors="replace") gives.
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"abc", "abc"},
      {"\x80", kR},
      {"\xff\xfe", kR + kR},
      {"\xc0\xaf", kR + kR},           // overlong
      {"\xe0\x80\xaf", kR + kR + kR},  // overlong: the second byte is out of range
      {"\xf0\x80\x80\xaf", kR + kR + kR + kR},
      {"\xed\xa0\x80", kR + kR + kR},           // a surrogate
      {"\xf4\x91\x92\x93", kR + kR + kR + kR},  // over U+10FFFF
      {"\xf5\x80\x80\x80", kR + kR + kR + kR},
      {"\xc3", kR},  // cut short
      {"\xe2\x82", kR},
      {"\xf0\x9f\x98", kR},
      {"\xf0\x9f\x98\x41", kR + "A"},
      {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", kR + kR + kR + kR + "A"},
      {"\xe2\x82\xac\xe2\x82", "\u20ac" + kR},
      {std::string("\0\xc2", 2), std::string("\0", 1) + kR},
  };
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(replace_invalid_utf8(bytes), text) << testing::PrintToString(bytes);
    EXPECT_EQ(is_valid_utf8(bytes), bytes == text);
  }
}

TEST(CodePoints, ArriveAsTheyWereWritten) {
  for (char32_t value = 0; value < 0x110000; ++value) {
    if (value >= 0xD800 && value <= 0xDFFF) continue;
    std::string text;
    append_utf8(value, text);
    const CodePoint point = first_code_point(text);
    ASSERT_TRUE(point.valid && point.value == value && point.length == text.size()) << std::hex << +value;
    ASSERT_EQ(last_code_point("\u20ac" + text), value);
  }
}

TEST(Classify, FollowsGeneralCategoriesAndTheWhiteSpaceProperty) {
  for (const char32_t c :
       {U'a', U'Z', U'\u00aa', U'\u01c5', U'\u02b0', U'\u05d0', U'\u65e5', U'\uac00', U'\U0001d400'}) {
    EXPECT_EQ(classify(c), CharClass::kLetter) << std::hex << +c;
  }
  for (const char32_t c : {U'0', U'\u00b2', U'\u00bc', U'\u0663', U'\u216b', U'\u3007', U'\u2460'}) {
    EXPECT_EQ(classify(c), CharClass::kNumber) << std::hex << +c;
  }
  int spaces = 0;
  for (char32_t c = 0; c < 0x110000; ++c) spaces += classify(c) == CharClass::kSpace ? 1 : 0;
  EXPECT_EQ(spaces, 25);  // the property has 25 code points
  for (const char32_t c :
       {U'\t', U'\v', U' ', U'\u0085', U'\u00a0', U'\u1680', U'\u2028', U'\u202f', U'\u3000'}) {
    EXPECT_EQ(classify(c), CharClass::kSpace) << std::hex << +c;
  }
  // Marks, joiners, format characters, private use and unassigned code points are none of these.
  for (const char32_t c :
       {U'.', U'_', U'\u0301', U'\u200b', U'\u200d', U'\u180e', U'\ue000', U'\U0001f600', U'\U000e0080'}) {
    EXPECT_EQ(classify(c), CharClass::kOther) << std::hex << +c;
  }
}

TEST(ToNfc, ComposesAndOrders) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"plain \u00e9", "plain \u00e9"},
      {"e\u0301", "\u00e9"},
      {"\u212b", "\u00c5"},              // a singleton
      {"\u1100\u1161\u11a8", "\uac01"},  // Hangul
      {"\uac00\u11a8", "\uac01"},
      {"q\u0307\u0323", "q\u0323\u0307"},  // canonical order
      {"D\u0307\u0323", "\u1e0c\u0307"},   // composes across a mark of another class
      {"\u0958", "\u0915\u093c"},          // excluded from composition
      {"\u0344", "\u0308\u0301"},
      {"\u1f82", "\u1f82"},  // decomposes into four
      {"\U0001d15e", "\U0001d157\U0001d165"},
      {"a\u0315\u0300\u05ae\u0300b", "\u00e0\u05ae\u0300\u0315b"},
      {"\u0301", "\u0301"},
      {std::string("\0e\u0301", 4), std::string("\0\u00e9", 3)},
  };
  for (const auto& [text, composed] : cases) EXPECT_EQ(to_nfc(text), composed) << text;
}

TEST(ToNfc, OfFormCChangesNothing) {
  for (char32_t value = 0; value < 0x110000; ++value) {
    if (value >= 0xD800 && value <= 0xDFFF) continue;
    std::string text;
    append_utf8(value, text);
    const std::string composed = to_nfc(text);
    ASSERT_EQ(to_nfc(composed), composed) << std::hex << +value;
  }
}

}  // namespace
}  // namespace fovea::text
