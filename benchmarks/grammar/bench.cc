// What constrained decoding costs on a vocabulary of 49,280 tokens: compiling a schema, a mask that is
// computed and one that is found, taking a token, and planning a jump. Medians; time is the thread's own
// processor time.

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/matcher.h"
#include "synth/tokenizer.h"

namespace fovea::grammar {
namespace {

constexpr std::string_view kSchema = R"({"type":"object","properties":{
  "name":{"type":"string","maxLength":200},
  "hp":{"type":["integer","null"],"minimum":10,"maximum":400},
  "collector_number":{"type":"string","pattern":"^[A-Z0-9]{1,6}(?:/[A-Z0-9]{1,6})?$"},
  "attacks":{"type":"array","maxItems":4,"items":{"type":"object","properties":{"name":{"type":"string"},"damage":{"type":"number","minimum":0}},
             "required":["name","damage"]}},
  "rarity":{"enum":["Common","Uncommon","Rare","Rare Holo",null]},
  "first_edition":{"type":"boolean"}},
  "required":["name","hp","collector_number","rarity","first_edition"]})";

double microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

template <class Function>
double median_time(int rounds, Function function) {
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    const double start = microseconds();
    function();
    times.push_back(microseconds() - start);
  }
  std::ranges::nth_element(times, times.begin() + rounds / 2);
  return times[static_cast<std::size_t>(rounds / 2)];
}

struct Place {
  std::string_view name;
  std::string_view answer;  // up to there
  std::string_view token;   // one that may come
};

int run() {
  const auto tokenizer = text::Tokenizer::parse(synth::random_tokenizer_json(1), "synthetic");
  if (!tokenizer) return 1;
  const std::int32_t eos = tokenizer->token_to_id("<end_of_utterance>").value_or(0);
  TokenVocabulary::Pointer tokens;
  const double built = median_time(
      5, [&] { tokens = std::make_shared<const TokenVocabulary>(*tokenizer, std::span(&eos, 1)); });
  Grammar::Pointer grammar;
  const double compiled = median_time(101, [&] { grammar = Grammar::from_schema_text(kSchema).value(); });
  fmt::print("vocabulary of {} tokens, {} trie nodes: {:.0f} ms\ncompile a schema of {} bytes: {:.0f} us\n",
             tokens->size(), tokens->nodes().size(), built / 1000, kSchema.size(), compiled);

  std::vector<std::uint64_t> mask(tokens->mask_words());
  fmt::print("{:<26} {:>8} {:>10} {:>10} {:>10} {:>10}\n", "state", "tokens", "cold us", "warm us",
             "accept us", "jump us");
  for (const Place& place :
       {Place{"start", "", "{"}, Place{"inside a free string", R"({"name":"Mew)", "t"},
        Place{"near a string's end", "", ""},
        Place{"inside a pattern", R"({"name":"Mew","hp":60,"collector_number":"7)", "/"},
        Place{"after a string", R"({"name":"Mew")", ","},
        Place{"enum", R"({"name":"Mew","hp":60,"collector_number":"7","rarity":)", "\""}}) {
    std::string answer(place.answer);
    std::string token(place.token);
    if (answer.empty() && token.empty()) {
      answer = R"({"name":")" + std::string(195, 'x');
      token = "x";
    }
    const std::vector<std::int32_t> ids = tokenizer->encode(answer);
    std::size_t bits = 0;
    const double cold = median_time(31, [&] {
      Matcher fresh(std::make_shared<const TokenGrammar>(grammar, tokens));
      for (const std::int32_t id : ids) fresh.accept(id);
      bits = fresh.fill_mask(mask);
    });
    Matcher matcher(std::make_shared<const TokenGrammar>(grammar, tokens));
    for (const std::int32_t id : ids) matcher.accept(id);
    matcher.fill_mask(mask);
    constexpr int kCalls = 100;
    const double warm = median_time(101, [&] {
      for (int i = 0; i < kCalls; ++i) matcher.fill_mask(mask);
    });
    const std::int32_t id = tokenizer->encode(token)[0];
    const double accept = median_time(101, [&] {
      for (int i = 0; i < kCalls; ++i) {
        matcher.accept(id);
        matcher.rollback(1);
      }
    });
    const double jump = median_time(101, [&] { (void)plan_jump(*tokenizer, matcher, ids); });
    fmt::print("{:<26} {:>8} {:>10.0f} {:>10.2f} {:>10.2f} {:>10.1f}\n", place.name, bits, cold,
               warm / kCalls, accept / kCalls, jump);
  }
  return 0;
}

}  // namespace
}  // namespace fovea::grammar

int main() {
  return fovea::grammar::run();
}
