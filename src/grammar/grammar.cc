#include "grammar/grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/json.h"
#include "grammar/nodes.h"
#include "grammar/schema.h"
#include "grammar/stepper.h"
#include "text/unicode.h"

namespace fovea::grammar {
namespace {

Result<Grammar::Pointer> share(Result<GrammarNodes> nodes) {
  if (!nodes) return std::unexpected(std::move(nodes).error());
  return std::make_shared<const Grammar>(std::make_unique<const GrammarNodes>(*std::move(nodes)));
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

}  // namespace

Grammar::Grammar(std::unique_ptr<const GrammarNodes> nodes) : nodes_(std::move(nodes)) {}
Grammar::~Grammar() = default;

Result<Grammar::Pointer> Grammar::from_schema_text(std::string_view schema, const Options& options) {
  FOVEA_TRY(const Json parsed, parse_ordered_json(schema, "schema",
                                                  {.max_bytes = options.max_schema_bytes,
                                                   .max_depth = options.max_schema_depth}));
  return from_schema(parsed, options);
}

Result<Grammar::Pointer> Grammar::from_schema(const nlohmann::ordered_json& schema, const Options& options) {
  return share(SchemaCompiler(schema, options).compile());
}

Result<Grammar::Pointer> Grammar::any_object(const Options& options) {
  const Json everything = true;
  return share(SchemaCompiler(everything, options).compile_any_object());
}

Result<Grammar::Pointer> Grammar::one_of(std::span<const std::string> texts, const Options& options) {
  if (texts.empty()) return fail(ErrorCode::kInvalidArgument, "no text to choose");
  for (const std::string& text : texts) {
    if (text.empty() || std::ranges::any_of(text, is_control) || !text::is_valid_utf8(text)) {
      return fail(ErrorCode::kInvalidArgument,
                  "a text to choose is empty, has control characters or is not UTF-8");
    }
  }
  NodeBuilder builder(options.max_nodes);
  const NodeId root = builder.one_of({texts.begin(), texts.end()});
  return share(builder.finish(root, options.max_recursion, options.max_shortest_answer));
}

bool Grammar::matches(std::string_view answer) const {
  Stepper stepper;
  stepper.reset(*nodes_);
  Stepper::State state;
  stepper.begin(state);
  if (!stepper.advance(state, answer)) return false;
  stepper.expand(state);
  return stepper.can_end();
}

std::size_t Grammar::shortest_answer() const {
  return nodes_->nodes[nodes_->root].shortest;
}

}  // namespace fovea::grammar
