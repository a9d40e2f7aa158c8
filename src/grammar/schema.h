#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/keywords.h"
#include "grammar/nodes.h"

namespace fovea::grammar {

/// Turns a JSON Schema into nodes. What it builds permits a subset of what the schema permits: answers in
/// one spelling, members in the schema's order, none that the schema does not name.
class SchemaCompiler {
 public:
  /// `root` outlives the compiler.
  SchemaCompiler(const Json& root, const Options& options);

  Result<GrammarNodes> compile();
  /// Any object instead of the schema.
  Result<GrammarNodes> compile_any_object();

 private:
  // Of a schema at `pointer`, the values whose type is in `allowed`. Errors: kInvalidArgument.
  Result<NodeId> any_schema(const Json& schema, const std::string& pointer, TypeSet allowed);
  Result<NodeId> checked_schema(const Json& schema, const std::string& pointer, TypeSet allowed);
  Result<NodeId> reference(const Json& schema, const std::string& pointer, TypeSet allowed);
  Result<NodeId> alternatives(const Json& schema, const std::string& pointer, const char* keyword,
                              TypeSet allowed);
  Result<NodeId> all_of(const Json& schema, const std::string& pointer, TypeSet allowed);
  Result<NodeId> enumerated(const Json& schema, const std::string& pointer, const char* keyword,
                            TypeSet allowed);
  Result<NodeId> by_type(const Json& schema, const std::string& pointer, TypeSet allowed);
  Result<NodeId> of_type(const Json& schema, const std::string& pointer, TypeSet type);

  // schema_types.cc: one type each.
  Result<NodeId> string(const Json& schema, const std::string& pointer);
  Result<NodeId> integer(const Json& schema, const std::string& pointer);
  Result<NodeId> number(const Json& schema, const std::string& pointer);
  Result<NodeId> array(const Json& schema, const std::string& pointer);
  Result<NodeId> object(const Json& schema, const std::string& pointer);
  Result<NodeId> free_object(const Json& schema, const std::string& pointer);
  Result<std::vector<NodeId>> prefix_items(const Json& schema, const std::string& pointer);
  /// Whether a value that const or enum names fits the lengths and bounds beside it.
  Result<bool> fits(const Json& value, const Json& schema, const std::string& pointer);

  NodeId any_value();
  NodeId scalar();
  NodeId any_object();
  NodeId any_array();
  NodeId any_string(std::size_t min, std::size_t max);
  NodeId array_of(NodeId item, std::size_t min, std::size_t max);
  NodeId free_members(NodeId value);

  const Json& root_;
  const Options& options_;
  NodeBuilder builder_;
  std::size_t depth_ = 0;

  /// What a $ref points to: its node, or, while that is being compiled, a reference that is told it then.
  struct Target {
    std::optional<NodeId> node;
    std::optional<NodeId> reference;
  };
  std::map<std::pair<std::string, TypeSet>, Target> targets_;
  std::optional<NodeId> any_value_;
};

}  // namespace fovea::grammar
