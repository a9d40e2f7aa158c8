#include "cache/answer.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "answers.h"
#include "cache/sha256.h"

namespace fovea::cache {
namespace {

TEST(CacheEntry, ComesBackAsItWas) {
  for (const std::string& payload :
       {std::string(), std::string("{}"), std::string("a\0b", 3), std::string(100'000, 'x')}) {
    const AnswerPtr answer = test_answer(payload);
    const auto decoded = decode_entry(test_key("k"), encode_entry(test_key("k"), *answer));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, *answer);
  }
}

TEST(CacheEntry, OfAnotherKeyIsNone) {
  EXPECT_FALSE(decode_entry(test_key("other"), encode_entry(test_key("k"), *test_answer())));
}

TEST(CacheEntry, WithAnyByteChangedCutOrAddedIsNone) {
  const Key key = test_key("k");
  const std::string bytes = encode_entry(key, *test_answer());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const char change : {'\x01', '\x80'}) {
      std::string other = bytes;
      other[i] = static_cast<char>(other[i] ^ change);
      EXPECT_FALSE(decode_entry(key, other)) << i;
    }
    EXPECT_FALSE(decode_entry(key, std::string_view(bytes).substr(0, i))) << i;
    EXPECT_FALSE(decode_entry(key, std::string_view(bytes).substr(i + 1))) << i;
  }
  EXPECT_FALSE(decode_entry(key, bytes + '\0'));
  EXPECT_FALSE(decode_entry(key, bytes + bytes));
}

TEST(CacheEntry, WithARightChecksumOverWrongPartsIsNone) {
  const Key key = test_key("k");
  const std::string bytes = encode_entry(key, *test_answer());
  const std::string body = bytes.substr(0, bytes.size() - 32);
  const auto sealed = [](const std::string& text) {
    const Digest sum = Sha256().add(text).finish();
    return text + std::string(sum.bytes.begin(), sum.bytes.end());
  };
  ASSERT_TRUE(decode_entry(key, sealed(body)));
  std::string version = body;
  version[3] = '2';
  EXPECT_FALSE(decode_entry(key, sealed(version)));
  EXPECT_FALSE(decode_entry(key, sealed("")));
  EXPECT_FALSE(decode_entry(key, sealed(body + "x")));
  EXPECT_FALSE(decode_entry(key, sealed(body.substr(0, body.size() - 1))));
  std::string length = body;
  length.replace(4 + 32 + 16, 8, std::string(8, '\xff'));
  EXPECT_FALSE(decode_entry(key, sealed(length)));
}

TEST(CacheEntry, ChecksumCoversEveryPart) {
  const Key key = test_key("k");
  const Answer answer = *test_answer();
  const Digest sum = checksum(key, answer);
  const auto changed = [&](auto change) {
    Answer other = answer;
    change(other);
    return checksum(key, other);
  };
  EXPECT_NE(sum, checksum(test_key("other"), answer));
  EXPECT_NE(sum, changed([](Answer& a) { a.payload += ' '; }));
  EXPECT_NE(sum, changed([](Answer& a) { a.model += ' '; }));
  EXPECT_NE(sum, changed([](Answer& a) { a.model_version += ' '; }));
  EXPECT_NE(sum, changed([](Answer& a) { a.task += ' '; }));
  EXPECT_NE(sum, changed([](Answer& a) { a.created_ms += 1; }));
  EXPECT_NE(sum, changed([](Answer& a) { a.latency_ms += 1; }));
}

}  // namespace
}  // namespace fovea::cache
