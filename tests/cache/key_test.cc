#include "cache/key.h"

#include <gtest/gtest.h>
#include <spng.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "image/decode.h"
#include "image/picture_files.h"
#include "support/lossless_webp.h"

namespace fovea::cache {
namespace {

image::Image random_picture(int width, int height, std::uint32_t seed) {
  std::minstd_rand random(seed);
  image::Image picture{.width = width, .height = height, .rgb = {}};
  picture.rgb.resize(std::size_t{3} * width * height);
  for (auto& byte : picture.rgb) byte = static_cast<std::uint8_t>(random() >> 8U);
  return picture;
}

Key key_of(const image::Image& picture, const Question& question) {
  const std::vector<Digest> pictures = {digest_picture(picture)};
  return answer_key(pictures, question);
}

const Question kQuestion = {
    .model = "a1b2", .task = "c3d4", .parameters = {{"dtype", "int8"}, {"mode", "accurate"}}};

TEST(CacheKey, IsTheSha256OfTheBytesForAFile) {
  const std::string text = "abc";  // FIPS 180-2, example B.1
  EXPECT_EQ(digest_bytes(std::as_bytes(std::span(text))).hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(CacheKey, ReadsItsOwnHexadecimalDigitsAndNoOthers) {
  const Digest digest = digest_bytes({});
  EXPECT_EQ(Digest::from_hex(digest.hex()), digest);
  EXPECT_FALSE(Digest::from_hex(digest.hex().substr(1)));
  EXPECT_FALSE(Digest::from_hex(std::string(64, 'g')));
  EXPECT_FALSE(Digest::from_hex(std::string(64, 'A')));
  EXPECT_FALSE(Digest::from_hex(""));
}

TEST(CacheKey, IsTheSameForTheSameQuestionWhateverTheOrderOfItsParameters) {
  const image::Image picture = random_picture(20, 10, 1);
  Question other = kQuestion;
  std::swap(other.parameters[0], other.parameters[1]);
  EXPECT_EQ(key_of(picture, kQuestion), key_of(picture, other));
}

TEST(CacheKey, DiffersByOnePixelPromptModelParameterOrShape) {
  const image::Image picture = random_picture(20, 10, 1);
  std::map<std::string, Key> keys = {{"itself", key_of(picture, kQuestion)}};
  for (std::size_t at = 0; at < picture.rgb.size(); ++at) {
    image::Image other = picture;
    other.rgb[at] ^= 1U;
    keys.emplace("channel " + std::to_string(at), key_of(other, kQuestion));
  }
  const auto asked = [&](const std::string& name, const auto& change) {
    Question other = kQuestion;
    change(other);
    keys.emplace(name, key_of(picture, other));
  };
  asked("model", [](Question& q) { q.model = "a1b3"; });
  asked("task", [](Question& q) { q.task = "c3d5"; });
  asked("model and task exchanged", [](Question& q) { std::swap(q.model, q.task); });
  asked("model takes of task", [](Question& q) { q.model = "a1b2c", q.task = "3d4"; });
  asked("value", [](Question& q) { q.parameters[0].second = "int4"; });
  asked("name", [](Question& q) { q.parameters[0].first = "dtypf"; });
  asked("name takes of value", [](Question& q) { q.parameters[0] = {"dtypei", "nt8"}; });
  asked("values exchanged", [](Question& q) { std::swap(q.parameters[0].second, q.parameters[1].second); });
  asked("one left out", [](Question& q) { q.parameters.pop_back(); });
  asked("one more", [](Question& q) { q.parameters.emplace_back("seed", "1"); });
  asked("empty one more", [](Question& q) { q.parameters.emplace_back("", ""); });
  asked("one twice", [](Question& q) { q.parameters.push_back(q.parameters[0]); });
  image::Image turned = picture;
  std::swap(turned.width, turned.height);
  keys.emplace("the same bytes, other sides", key_of(turned, kQuestion));
  const Digest digest = digest_picture(picture);
  keys.emplace("twice the picture", answer_key(std::vector{digest, digest}, kQuestion));
  keys.emplace("no picture", answer_key({}, kQuestion));
  keys.emplace("an upload", upload_key(std::vector{digest}, kQuestion));

  std::set<Key> different;
  for (const auto& [name, key] : keys) EXPECT_TRUE(different.insert(key).second) << name;
}

TEST(CacheKey, DiffersByTheOrderOfPictures) {
  const std::vector<Digest> one = {digest_picture(random_picture(4, 4, 1)),
                                   digest_picture(random_picture(4, 4, 2))};
  const std::vector<Digest> two = {one[1], one[0]};
  EXPECT_NE(answer_key(one, kQuestion), answer_key(two, kQuestion));
}

TEST(CacheKey, DiffersByOrientation) {
  // The same stored pixels with different EXIF orientations show different pictures.
  std::set<Key> keys;
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const image::Image picture =
        image::read_picture(image::test_data("image/png_orientation" + std::to_string(orientation) + ".png"));
    keys.insert(key_of(picture, kQuestion));
  }
  EXPECT_EQ(keys.size(), 8U);
}

std::vector<std::byte> as_png(const image::Image& picture) {
  spng_ctx* context = spng_ctx_new(SPNG_CTX_ENCODER);
  spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1);
  spng_ihdr header{};
  header.width = static_cast<std::uint32_t>(picture.width);
  header.height = static_cast<std::uint32_t>(picture.height);
  header.bit_depth = 8;
  header.color_type = SPNG_COLOR_TYPE_TRUECOLOR;
  spng_set_ihdr(context, &header);
  EXPECT_EQ(
      spng_encode_image(context, picture.rgb.data(), picture.rgb.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE),
      0);
  std::size_t size = 0;
  int error = 0;
  void* buffer = spng_get_png_buffer(context, &size, &error);
  EXPECT_EQ(error, 0);
  const auto* bytes = static_cast<const std::byte*>(buffer);
  std::vector<std::byte> file(bytes, bytes + size);
  std::free(buffer);
  spng_ctx_free(context);
  return file;
}

TEST(CacheKey, IsTheSameForAPngAndALosslessWebpOfTheSamePixels) {
  for (const std::uint32_t seed : {1U, 2U, 3U}) {
    const image::Image picture = random_picture(37 + static_cast<int>(seed), 23, seed);
    const std::vector<std::byte> png = as_png(picture);
    const std::vector<std::byte> webp = test::as_lossless_webp(picture);
    const auto from_png = image::decode_image(png);
    const auto from_webp = image::decode_image(webp);
    ASSERT_TRUE(from_png && from_webp);
    EXPECT_EQ(key_of(*from_png, kQuestion), key_of(*from_webp, kQuestion));
    EXPECT_EQ(key_of(*from_png, kQuestion), key_of(picture, kQuestion));
    EXPECT_NE(upload_key(std::vector{digest_bytes(png)}, kQuestion),
              upload_key(std::vector{digest_bytes(webp)}, kQuestion));
  }
}

TEST(CacheKey, OfAHundredThousandNearDuplicatesIsNeverShared) {
  // What each key stands for, spelled out: a key that comes again must stand for the same.
  std::unordered_map<Key, std::string> known;
  std::mt19937 random(20);
  const image::Image base = random_picture(8, 8, 7);
  int again = 0;
  for (int i = 0; i < 100'000; ++i) {
    image::Image picture = base;
    if (random() % 8 == 0) {
      picture.height = random() % 2 == 0 ? 16 : 4;
      picture.width = 64 / picture.height;
    }
    for (std::uint32_t changes = random() % 3; changes > 0; --changes) {
      picture.rgb[random() % picture.rgb.size()] ^= static_cast<std::uint8_t>(1U << (random() % 8));
    }
    Question question = kQuestion;
    if (random() % 4 == 0) question.model += static_cast<char>('a' + random() % 3);
    if (random() % 4 == 0) question.task += static_cast<char>('a' + random() % 3);
    if (random() % 4 == 0) question.parameters[random() % 2].second += static_cast<char>('a' + random() % 3);
    if (random() % 4 == 0) question.parameters.emplace_back("seed", std::to_string(random() % 100));

    std::string meaning = std::to_string(picture.width) + " x " + std::to_string(picture.height) + "\n";
    meaning.append(picture.rgb.begin(), picture.rgb.end());
    meaning += "\n" + question.model + "\n" + question.task;
    for (const auto& [name, value] : question.parameters) meaning += "\n" + name + "=" + value;
    const auto [place, is_new] = known.emplace(key_of(picture, question), meaning);
    if (!is_new) {
      ++again;
      ASSERT_EQ(place->second, meaning) << "a false hit";
    }
  }
  EXPECT_GT(again, 100) << "near duplicates that never repeat show nothing";
  EXPECT_GT(known.size(), 50'000U);
}

}  // namespace
}  // namespace fovea::cache
