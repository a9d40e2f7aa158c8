#include "tasks/normalise.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tasks/task_set.h"

namespace fovea::tasks {
namespace {

using Json = nlohmann::ordered_json;

std::string apply(const char* name, std::string_view text) {
  return find_normaliser(name)->apply(text);
}

TEST(NormaliseTest, EachFunctionDoesWhatItsNameSays) {
  EXPECT_EQ(apply("trim", " \t a b\xC2\xA0\xE3\x80\x80 "), "a b");
  EXPECT_EQ(apply("trim", "   "), "");
  EXPECT_EQ(apply("collapse_spaces", "a  b \t c"), "a b c");
  EXPECT_EQ(apply("collapse_spaces", " a "), " a ");
  EXPECT_EQ(apply("unify_dashes", "a–b—c−d‐e"), "a-b-c-d-e");
  EXPECT_EQ(apply("unify_quotes", "Kelo’s “x”"), "Kelo's \"x\"");
  EXPECT_EQ(apply("upper", "éa1"), "ÉA1");
  EXPECT_EQ(apply("lower", "ÉA1"), "éa1");
  EXPECT_EQ(apply("compose", "e\xCC\x81"), "é");
  EXPECT_EQ(apply("strip_accents", "Flabébé"), "Flabebe");
}

TEST(NormaliseTest, CollectorNumbersOfOneCardHaveOneForm) {
  for (const char* same : {"4/102", "004/102", "#4/102", " 4 / 102 ", "04/0102"}) {
    EXPECT_EQ(apply("collector_number", same), "4/102") << same;
  }
  for (const char* same : {"SWSH001", "swsh1", "SWSH-001", "SWSH 001", "SWSH–1"}) {
    EXPECT_EQ(apply("collector_number", same), "SWSH1") << same;
  }
  EXPECT_EQ(apply("collector_number", "TG12/TG30"), "TG12/TG30");
  EXPECT_EQ(apply("collector_number", "063a/102"), "63A/102");
  EXPECT_EQ(apply("collector_number", "802/781"), "802/781") << "secret rares go beyond the total";
  EXPECT_NE(apply("collector_number", "4/102"), apply("collector_number", "4/100"));
  EXPECT_NE(apply("collector_number", "40/102"), apply("collector_number", "4/102"));
  EXPECT_EQ(apply("collector_number", "one of many"), "ONE OF MANY") << "no number: only unified";
}

TEST(NormaliseTest, CollectorNumbersAreTakenApart) {
  const auto number = parse_collector_number("tg-012/TG30");
  ASSERT_TRUE(number.has_value());
  EXPECT_EQ(number->prefix, "TG");
  EXPECT_EQ(number->number, 12U);
  EXPECT_EQ(number->total_prefix, "TG");
  EXPECT_EQ(number->total, 30U);
  for (const char* none :
       {"", "/", "4/", "/102", "abc", "1234567", "4/102/3", "4/102x", "ABCDEFGHI1", "12ABC", "4.5"}) {
    EXPECT_FALSE(parse_collector_number(none).has_value()) << none;
  }
  EXPECT_FALSE(parse_collector_number(std::string(100'000, '9')).has_value());
}

TEST(NormaliseTest, EveryFunctionIsIdempotentOnAnyBytes) {
  const std::vector<std::string> pieces{" ", "\t", "a",    "É",        "é", "e\xCC\x81", "–",
                                        "’", "龍", "\xFF", "\xE2\x80", "1", "/",         "0",
                                        "-", "#",  "ß",    "\xC2\xA0", "İ", "Σ"};
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (auto n = random() % 8; n > 0; --n) text += pieces[random() % pieces.size()];
    for (const Normaliser& normaliser : normalisers()) {
      const std::string once = normaliser.apply(text);
      EXPECT_EQ(normaliser.apply(once), once) << normaliser.name << " of " << text;
    }
  }
}

TEST(NormaliseTest, CleaningChangesOnlyWhiteSpaceOfTexts) {
  const Task& card = *builtin_tasks()->find("trading-card");
  const Json read{{"name", "  Kelo’s  Drannix "}, {"hp", 60},         {"collector_number", " 004/102"},
                  {"set_name", nullptr},          {"rarity", "Rare"}, {"stage", "Basic"},
                  {"first_edition", true}};
  const Json cleaned = clean_fields(card, read);
  EXPECT_EQ(cleaned["name"], "Kelo’s Drannix");
  EXPECT_EQ(cleaned["collector_number"], "004/102") << "what the card prints stays";
  EXPECT_TRUE(cleaned["set_name"].is_null());
  EXPECT_EQ(cleaned["hp"], 60);
}

TEST(NormaliseTest, CanonicalFormsFollowTheField) {
  const Task& card = *builtin_tasks()->find("trading-card");
  EXPECT_EQ(canonical(*card.find_field("name"), "Kelo’s  DRANNIX"), "kelo's drannix");
  EXPECT_EQ(canonical(*card.find_field("collector_number"), "004/102"), "4/102");
  EXPECT_EQ(canonical(*card.find_field("hp"), 60), "60");
  EXPECT_EQ(canonical(*card.find_field("hp"), nullptr), std::nullopt);
}

}  // namespace
}  // namespace fovea::tasks
