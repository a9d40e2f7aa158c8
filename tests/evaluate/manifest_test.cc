#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "evaluate/evaluate.h"
#include "support/temporary_folder.h"

namespace fovea::evaluate {
namespace {

using testing::HasSubstr;

class ManifestTest : public testing::Test {
 protected:
  Result<std::vector<Example>> read(const std::string& text) {
    EXPECT_TRUE(write_file(folder_.path() / "manifest.jsonl", text).has_value());
    return read_manifest(folder_.path());
  }
  void expect_refused(const std::string& text, const std::string& line, const std::string& reason) {
    const auto examples = read(text);
    ASSERT_FALSE(examples.has_value()) << text;
    EXPECT_THAT(examples.error().message, HasSubstr("manifest.jsonl:" + line + ":"));
    EXPECT_THAT(examples.error().message, HasSubstr(reason));
  }

  test::TemporaryFolder folder_;
};

TEST_F(ManifestTest, EveryLineIsAPictureBesideItAndWhatIsTrue) {
  const auto examples = read(
      "{\"image\": \"a.webp\", \"truth\": {\"name\": \"A\", \"hp\": null}}\n"
      "\n"
      "  {\"image\": \"sub/b.png\", \"truth\": {}}\r\n"
      "{\"image\": \"c.jpg\", \"truth\": {\"hp\": 30}, \"note\": \"kept out\"}");
  ASSERT_TRUE(examples.has_value()) << examples.error().message;
  ASSERT_EQ(examples->size(), 3U);
  EXPECT_EQ((*examples)[0].image, folder_.path() / "a.webp");
  EXPECT_EQ((*examples)[1].image, folder_.path() / "sub/b.png");
  EXPECT_EQ((*examples)[2].image, folder_.path() / "c.jpg");
  EXPECT_TRUE((*examples)[0].truth.contains("hp"));
  EXPECT_TRUE((*examples)[0].truth["hp"].is_null());
  EXPECT_TRUE((*examples)[1].truth.empty());
}

TEST_F(ManifestTest, AWrongLineIsNamedByItsNumber) {
  const std::string good = "{\"image\": \"a.webp\", \"truth\": {}}\n";
  expect_refused(good + "nonsense\n", "2", "not valid JSON");
  expect_refused(good + "\n\n{\"image\": \"a.webp\"}\n", "4", "expected");
  expect_refused("{\"truth\": {}}", "1", "expected");
  expect_refused("{\"image\": 7, \"truth\": {}}", "1", "expected");
  expect_refused("{\"image\": \"a\", \"truth\": []}", "1", "expected");
  expect_refused("{\"image\": \"a\", \"truth\": null}", "1", "expected");
  expect_refused("[]", "1", "expected");
  expect_refused("{\"image\": \"a\", \"image\": \"b\", \"truth\": {}}", "1", "stands twice");
  expect_refused(good + good + std::string(100'000, '['), "3", "nested deeper");
}

TEST_F(ManifestTest, AMissingManifestIsNotFound) {
  const auto examples = read_manifest(folder_.path());
  ASSERT_FALSE(examples.has_value());
  EXPECT_EQ(examples.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(examples.error().message, HasSubstr("manifest.jsonl"));
}

TEST_F(ManifestTest, AnEmptyManifestHasNoExamples) {
  const auto examples = read("\n \n");
  ASSERT_TRUE(examples.has_value());
  EXPECT_TRUE(examples->empty());
}

}  // namespace
}  // namespace fovea::evaluate
