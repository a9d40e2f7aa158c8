#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

#include "catalog/catalog_fixture.h"
#include "catalog/csv.h"

namespace fovea::catalog {
namespace {

using MatchTest = CatalogTest;

constexpr const char* kCards =
    "name,hp,collector_number,set_name,rarity\n"
    "Emberling,60,4/102,First Light,Common\n"
    "Emberling,70,12/88,Distant Storm,Common\n"
    "Emberlynx,60,5/102,First Light,Rare\n"
    "Mirune VMAX,300,SWP042,First Light,Promo\n"
    "Kelo's Drannix,120,101/102,First Light,\n";

TEST(SimilarityTest, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(similarity("abc", "abc"), 1);
  EXPECT_EQ(similarity("", ""), 1);
  EXPECT_EQ(similarity("", "ab"), 0);
  EXPECT_EQ(similarity("abcd", "abed"), 0.75);
  EXPECT_EQ(similarity("abcd", "acbd"), 0.75);
  EXPECT_EQ(similarity("abcd", "abc"), 0.75);
  EXPECT_EQ(similarity("éa", "ea"), 0.5) << "characters, not bytes";
  EXPECT_GE(similarity(std::string(10'000, 'a'), std::string(10'000, 'b')), 0);
}

TEST(SimilarityTest, IsSymmetricAndBounded) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string a, b;
    for (auto n = random() % 8; n > 0; --n) a += static_cast<char>('a' + random() % 3);
    for (auto n = random() % 8; n > 0; --n) b += static_cast<char>('a' + random() % 3);
    EXPECT_EQ(similarity(a, b), similarity(b, a)) << a << " " << b;
    EXPECT_GE(similarity(a, b), 0);
    EXPECT_LE(similarity(a, b), 1);
    EXPECT_EQ(similarity(a, b) == 1, a == b);
  }
}

TEST_F(MatchTest, AnEqualReadingScoresOneWithItsEvidence) {
  ASSERT_TRUE(import(kCards).has_value());
  const auto found =
      match({{"name", "EMBERLING"}, {"hp", 60}, {"collector_number", "004/102"}, {"set_name", nullptr}});
  ASSERT_GE(found.size(), 2U);
  EXPECT_EQ(found[0].score, 1);
  EXPECT_EQ(found[0].fields["set_name"], "First Light");
  EXPECT_EQ(found[0].to_json()["evidence"].dump(),
            R"([{"field":"name","agreement":"equal","similarity":1.0},)"
            R"({"field":"hp","agreement":"equal","similarity":1.0},)"
            R"({"field":"collector_number","agreement":"equal","similarity":1.0},)"
            R"({"field":"set_name","agreement":"missing","similarity":0.0},)"
            R"({"field":"rarity","agreement":"missing","similarity":0.0}])");
  EXPECT_LT(found[1].score, 1);
}

TEST_F(MatchTest, AMisreadNameIsFoundBySimilarity) {
  ASSERT_TRUE(import(kCards).has_value());
  const auto found = match({{"name", "Mirume VMAX"}});
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].fields["name"], "Mirune VMAX");
  EXPECT_EQ(found[0].evidence[0].agreement, Agreement::kSimilar);
  EXPECT_NEAR(found[0].evidence[0].similarity, 1 - 1.0 / 11, 1e-9);
  EXPECT_NEAR(found[0].score, 1 - 1.0 / 11, 1e-9) << "the name is all that was read";
}

TEST_F(MatchTest, ANumberAloneFindsItsCards) {
  ASSERT_TRUE(import(kCards).has_value());
  const auto found = match({{"name", nullptr}, {"collector_number", "swp-42"}});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].fields["name"], "Mirune VMAX");
  EXPECT_EQ(found[0].score, 1);
}

TEST_F(MatchTest, ScoresAreTheDocumentedSums) {
  ASSERT_TRUE(import(kCards).has_value());
  // name 4 equal, hp 1 differs, number 4 equal, set 2 differs, rarity 0.5 missing in the catalogue.
  const auto found = match({{"name", "Kelo's Drannix"},
                            {"hp", 60},
                            {"collector_number", "101/102"},
                            {"set_name", "Nothing Alike"},
                            {"rarity", "Rare"}});
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].fields["name"], "Kelo's Drannix");
  EXPECT_NEAR(found[0].score, (4 + 0 + 4 + 0 + 0.5 * 0.5) / 11.5, 1e-9);
}

TEST_F(MatchTest, EqualScoresKeepTheImportsOrderAndTheLimitHolds) {
  ASSERT_TRUE(import(kCards).has_value());
  const auto found = match({{"name", "Emberling"}}, 2);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].score, found[1].score);
  EXPECT_LT(found[0].id, found[1].id);
  EXPECT_TRUE(match({{"name", "Emberling"}}, 0).empty());
}

TEST_F(MatchTest, NothingReadOrNothingAlikeFindsNothing) {
  ASSERT_TRUE(import(kCards).has_value());
  EXPECT_TRUE(match(Json::object()).empty());
  EXPECT_TRUE(match({{"name", nullptr}}).empty());
  EXPECT_TRUE(match({{"hp", 60}}).empty()) << "numbers alone are not sought by";
  EXPECT_TRUE(match({{"name", "Zzzzzzzz"}}).empty());
  EXPECT_TRUE(match({{"name", "x"}}).empty());
}

TEST_F(MatchTest, TextThatLooksLikeAQueryIsOnlyText) {
  ASSERT_TRUE(import(kCards).has_value());
  for (const char* text : {"\"", "\"\"\"", "a\"b\"c OR", "* NEAR(", "name:emb AND", "%_%",
                           "'; DROP TABLE entry; --", "\xFF\xFE\xFD"}) {
    (void)match({{"name", text}});
  }
  EXPECT_EQ(entries(), 5U);
}

TEST_F(MatchTest, OneWrongLetterInANameOfThousandsIsFound) {
  std::mt19937 random(11);
  const std::vector<std::string> parts{"bra", "kel", "dro", "mi",  "zan", "tor",
                                       "vex", "lu",  "phi", "gor", "ash", "en"};
  std::string rows = csv_line({"name", "collector_number"}) + "\n";
  std::vector<std::pair<std::string, std::string>> cards;
  for (int i = 0; i < 5000; ++i) {
    std::string name;
    for (int n = 0; n < 4; ++n) name += parts[random() % parts.size()];
    cards.emplace_back(name, fmt::format("{}/5000", i + 1));
    rows += csv_line({cards.back().first, cards.back().second}) + "\n";
  }
  ASSERT_TRUE(import(rows).has_value());
  for (int round = 0; round < 50; ++round) {
    auto [name, number] = cards[random() % cards.size()];
    name[random() % name.size()] = 'q';
    const auto found = match({{"name", name}, {"collector_number", number}});
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0].fields["collector_number"], number);
    EXPECT_GT(found[0].score, 0.9);
  }
}

}  // namespace
}  // namespace fovea::catalog
