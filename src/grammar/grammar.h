#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

/// Constrained decoding: what an answer may look like, as an automaton over bytes, and which tokens may come
/// next.
///
/// A grammar is a graph of nodes (bytes, literals, sequences, choices, counted repetition, objects, patterns,
/// references; nodes.h). The state of a sequence is a set of stacks of what is still to be matched, each
/// frame a node with its counters: partial derivatives, after Antimirov (1996), with a stack for nesting, so
/// anyOf needs no look-ahead and nothing is expanded by its length. Every stack in a state can be completed
/// (unsatisfiable parts are refused or pruned when compiling), so a permitted byte never leads to a dead end.
/// Masks come from walking the vocabulary's trie with states made deterministic during the walk; counters
/// that no token can exhaust count as infinite there, which makes all of a long string's inside one state
/// with one cached mask.
namespace fovea::grammar {

struct GrammarNodes;  // nodes.h

/// Spaces between the parts of a JSON answer.
enum class Layout {
  kCompact,  ///< `{"a":1,"b":[2,3]}`
  kSpaced,   ///< `{"a": 1, "b": [2, 3]}`
};

/// How a schema is compiled. Every limit makes answers finite or compiling bounded.
struct Options {
  Layout layout = Layout::kCompact;
  std::size_t max_string_length = 1024;  ///< code points of a string whose schema sets no maxLength
  std::size_t max_items = 64;            ///< items of an array without maxItems, members of a free object
  std::size_t max_recursion = 8;         ///< nesting of recursive $ref, and of values without a schema
  std::size_t max_fraction_digits = 6;   ///< of a number; at most 14. Integer digits: 15 less these
  std::size_t max_schema_bytes = std::size_t{64} << 10;
  std::size_t max_schema_depth = 64;
  std::size_t max_nodes = std::size_t{1} << 17;             ///< size of the automaton's graph
  std::size_t max_shortest_answer = std::size_t{64} << 10;  ///< bytes of the shortest valid answer

  bool operator==(const Options&) const = default;
};

/// A compiled grammar: immutable, so shared by any number of threads, and independent of a tokenizer.
class Grammar {
 public:
  using Pointer = std::shared_ptr<const Grammar>;

  /// Compiles the text of a JSON Schema. Errors: kInvalidJson (malformed, too deep, repeated keys),
  /// kTooLarge, kInvalidArgument with a JSON pointer to what is unsupported, unsatisfiable or over a limit.
  static Result<Pointer> from_schema_text(std::string_view schema, const Options& options = {});

  /// The same for a schema that is parsed; its members' order is the order of the answer's.
  static Result<Pointer> from_schema(const nlohmann::ordered_json& schema, const Options& options = {});

  /// Any JSON object, nested to Options::max_recursion.
  static Result<Pointer> any_object(const Options& options = {});

  /// Exactly one of these texts, unquoted. Errors (kInvalidArgument): none, an empty one, one with control
  /// characters or bytes that are not UTF-8.
  static Result<Pointer> one_of(std::span<const std::string> texts, const Options& options = {});

  explicit Grammar(std::unique_ptr<const GrammarNodes> nodes);
  ~Grammar();
  Grammar(const Grammar&) = delete;
  Grammar& operator=(const Grammar&) = delete;

  /// Whether the whole of `answer` is in the language.
  [[nodiscard]] bool matches(std::string_view answer) const;

  /// Bytes of the shortest answer.
  [[nodiscard]] std::size_t shortest_answer() const;

  [[nodiscard]] const GrammarNodes& nodes() const { return *nodes_; }

 private:
  std::unique_ptr<const GrammarNodes> nodes_;
};

}  // namespace fovea::grammar
