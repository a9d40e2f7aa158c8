// Writes cases for check.mjs, one JSON object a line: a schema and values, each with whether the grammar
// permits its text. Half of the values are drawn under the grammar, the others are those changed a little.
// Usage: grammar_ajv_cases COUNT SEED

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "base/json.h"
#include "grammar/frame.h"
#include "grammar/grammar.h"
#include "grammar/json_text.h"
#include "grammar/nodes.h"
#include "grammar/random_schema.h"
#include "grammar/stepper.h"

namespace {

using fovea::grammar::ByteSet;
using fovea::grammar::Grammar;
using fovea::grammar::Stepper;
using fovea::grammar::test::Json;
using fovea::grammar::test::RandomSchemas;

/// One answer, byte by byte.
std::string draw(const Grammar& grammar, RandomSchemas& random) {
  Stepper stepper;
  stepper.reset(grammar.nodes());
  Stepper::State state;
  stepper.begin(state);
  std::string text;
  while (true) {
    stepper.expand(state);
    if (stepper.can_end() && (stepper.leaves().empty() || random.one_in(4))) return text;
    const Stepper::Leaf leaf = stepper.leaves()[random.below(stepper.leaves().size())];
    ByteSet bytes = stepper.byte_set(leaf);
    for (std::size_t skip = random.below(static_cast<std::size_t>(bytes.count())); skip > 0; --skip)
      bytes.remove(bytes.first());
    const unsigned char byte = bytes.first();
    Stepper::State next;
    stepper.follow(byte, next);
    state = next;
    text += static_cast<char>(byte);
  }
}

/// Whether a number in it would be printed with an exponent, which answers never have whatever its value.
bool has_exponent(const Json& value) {
  if (value.is_number_float()) return value.dump().find('e') != std::string::npos;
  return value.is_structured() && std::ranges::any_of(value, has_exponent);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  RandomSchemas random(std::strtoull(argv[2], nullptr, 10));
  int left = std::atoi(argv[1]);
  while (left > 0) {
    const Json schema = random.document(3);
    const auto grammar = Grammar::from_schema(schema, fovea::grammar::test::small_answers());
    if (!grammar) continue;
    --left;
    Json line = {{"schema", schema}, {"values", Json::array()}};
    for (int i = 0; i < 4; ++i) {
      const std::string text = draw(**grammar, random);
      line["values"].push_back({{"text", text}, {"permitted", true}});
      auto value = fovea::parse_ordered_json(text, "answer");
      if (!value) continue;  // members of a free object may repeat
      for (int j = 0; j < 3; ++j) {
        *value = random.mutated(*value);
        if (has_exponent(*value)) continue;
        const std::string changed = fovea::grammar::json_text(*value, fovea::grammar::Layout::kCompact);
        line["values"].push_back({{"text", changed}, {"permitted", (*grammar)->matches(changed)}});
      }
    }
    std::cout << line.dump() << '\n';
  }
  return 0;
}
