#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "grammar/grammar.h"

namespace fovea::grammar::test {

using Json = nlohmann::ordered_json;

/// Answers short enough to draw by the thousand.
inline Options small_answers() {
  return {.max_string_length = 12, .max_items = 4, .max_recursion = 3};
}

/// Random schemas out of what the compiler supports, and values that nearly fit them.
class RandomSchemas {
 public:
  explicit RandomSchemas(std::uint64_t seed) : random_(seed) {}

  /// A schema nested at most `depth` deep, with the definition that it may refer to. Now and then nothing
  /// fits it (a lower bound above the upper one).
  Json document(int depth);

  /// `value` with one part changed, removed or added, so that it may or may not still fit. Keeps members'
  /// order and invents no names; numbers stay in the form that answers have.
  Json mutated(Json value);

  std::size_t below(std::size_t bound) { return random_() % bound; }
  bool one_in(std::size_t n) { return below(n) == 0; }

 private:
  Json schema(int depth);
  Json string_schema();
  Json number_schema(bool integer);
  Json array_schema(int depth);
  Json object_schema(int depth);
  Json one_of_schema(int depth);
  Json node_definition();
  Json some_scalar();
  std::string some_string();

  std::mt19937_64 random_;
};

}  // namespace fovea::grammar::test
