// A schema, a NUL byte, and choices. Whatever is compiled must answer: a walk that takes the choice's byte
// wherever several may come, ends in a complete answer of valid JSON that the grammar itself matches.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "grammar/grammar.h"
#include "grammar/nodes.h"
#include "grammar/stepper.h"
#include "text/unicode.h"

namespace {

using fovea::grammar::ByteSet;
using fovea::grammar::Stepper;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\0');
  const std::string_view schema = input.substr(0, end);
  std::string_view choices = end == std::string_view::npos ? "" : input.substr(end + 1);

  fovea::grammar::Options options = {.max_string_length = 20, .max_items = 5, .max_recursion = 4};
  options.max_shortest_answer = 4096;
  const auto grammar = fovea::grammar::Grammar::from_schema_text(schema, options);
  if (!grammar) {
    require(grammar.error().message.size() < 2000);
    require(fovea::text::is_valid_utf8(grammar.error().message));
    return 0;
  }
  Stepper stepper;
  stepper.reset((*grammar)->nodes());
  Stepper::State state;
  Stepper::State next;
  stepper.begin(state);
  std::string answer;
  // maxLength, maxItems and enumerations can make answers longer than is worth the time here.
  while (answer.size() < 10'000) {
    stepper.expand(state);
    ByteSet possible;
    for (const Stepper::Leaf& leaf : stepper.leaves()) possible |= stepper.byte_set(leaf);
    require(stepper.can_end() || !possible.empty());
    std::uint8_t choice = 0;
    if (!choices.empty()) {
      choice = static_cast<std::uint8_t>(choices[0]);
      choices.remove_prefix(1);
    }
    if (stepper.can_end() && (possible.empty() || choice % 2 == 0)) break;
    // Without choices left the last byte: it closes strings and leaves members out more often than the first.
    for (int skip = choices.empty() ? 255 : choice; skip > 0 && possible.count() > 1; --skip)
      possible.remove(possible.first());
    stepper.follow(possible.first(), next);
    answer += static_cast<char>(possible.first());
    std::swap(state, next);
  }
  if (answer.size() >= 10'000) return 0;
  require(answer.size() >= (*grammar)->shortest_answer());
  require((*grammar)->matches(answer));
  const auto value = fovea::parse_ordered_json(answer, "answer", {.max_depth = 1000});
  require(value || value.error().message.find("stands twice") != std::string::npos);
  return 0;
}
