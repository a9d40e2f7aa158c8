#include "grammar/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/shorten.h"
#include "grammar/json_text.h"

namespace fovea::grammar {
namespace {

/// Schemas inside one another, through $ref too: each takes some stack.
constexpr std::size_t kMaxNesting = 128;

}  // namespace

SchemaCompiler::SchemaCompiler(const Json& root, const Options& options)
    : root_(root), options_(options), builder_(options.max_nodes) {}

Result<GrammarNodes> SchemaCompiler::compile() {
  // The root can be the target of a $ref, so it is one.
  Target& target = targets_[{"#", kAllTypes}];
  FOVEA_TRY(const NodeId node, any_schema(root_, "", kAllTypes));
  if (target.reference) builder_.set_target(*target.reference, node);
  return builder_.finish(node, options_.max_recursion, options_.max_shortest_answer);
}

Result<GrammarNodes> SchemaCompiler::compile_any_object() {
  const NodeId node = any_object();
  return builder_.finish(node, options_.max_recursion, options_.max_shortest_answer);
}

Result<NodeId> SchemaCompiler::any_schema(const Json& schema, const std::string& pointer, TypeSet allowed) {
  if (schema.is_boolean()) {
    if (!schema.get<bool>()) return refuse(pointer, "", "false: nothing fits");
    return by_type(Json::object(), pointer, allowed);
  }
  if (!schema.is_object()) return refuse(pointer, "", "expected a schema: an object, true or false");
  if (depth_ >= kMaxNesting) {
    return refuse(pointer, "", fmt::format("more than {} schemas inside one another", kMaxNesting));
  }
  if (builder_.full()) {
    return refuse(pointer, "",
                  fmt::format("the automaton up to here has more than {} nodes", options_.max_nodes));
  }
  ++depth_;
  Result<NodeId> node = checked_schema(schema, pointer, allowed);
  --depth_;
  return node;
}

Result<NodeId> SchemaCompiler::checked_schema(const Json& schema, const std::string& pointer,
                                              TypeSet allowed) {
  FOVEA_CHECK_OK(check_keywords(schema, pointer));
  FOVEA_TRY(const Types types, read_types(schema, pointer));
  if ((types.set & allowed) == 0)
    return refuse(pointer, "type", "no value has both this type and the one outside");
  allowed &= types.set;
  if (schema.contains("$ref")) return reference(schema, pointer, allowed);
  if (schema.contains("allOf")) return all_of(schema, pointer, allowed);
  for (const char* keyword : {"anyOf", "oneOf"}) {
    if (schema.contains(keyword)) return alternatives(schema, pointer, keyword, allowed);
  }
  for (const char* keyword : {"const", "enum"}) {
    if (schema.contains(keyword)) return enumerated(schema, pointer, keyword, allowed);
  }
  return by_type(schema, pointer, allowed);
}

Result<NodeId> SchemaCompiler::reference(const Json& schema, const std::string& pointer, TypeSet allowed) {
  FOVEA_CHECK_OK(allow_only(schema, pointer, "$ref", {"type"}));
  if (!schema["$ref"].is_string()) return refuse(pointer, "$ref", "expected a text");
  const std::string name = schema["$ref"].get<std::string>();
  const Json* found = find_reference(root_, name);
  if (found == nullptr) {
    return refuse(pointer, "$ref",
                  fmt::format("{} points to nothing in this schema (only \"#\" and \"#/…\" are followed)",
                              json_quoted(shorten(name))));
  }
  const auto [known, is_new] = targets_.try_emplace({name, allowed});
  Target& target = known->second;
  if (is_new) {
    FOVEA_TRY(target.node, any_schema(*found, name.substr(1), allowed));
    if (target.reference) builder_.set_target(*target.reference, *target.node);
  }
  if (target.node) return *target.node;
  if (!target.reference) target.reference = builder_.reference();
  return *target.reference;
}

Result<NodeId> SchemaCompiler::all_of(const Json& schema, const std::string& pointer, TypeSet allowed) {
  FOVEA_CHECK_OK(allow_only(schema, pointer, "allOf", {"type"}));
  if (!schema["allOf"].is_array() || schema["allOf"].size() != 1) {
    return refuse(pointer, "allOf", "supported with exactly one schema in it");
  }
  return any_schema(schema["allOf"][0], child_pointer(pointer, "allOf/0"), allowed);
}

Result<NodeId> SchemaCompiler::alternatives(const Json& schema, const std::string& pointer,
                                            const char* keyword, TypeSet allowed) {
  FOVEA_CHECK_OK(allow_only(schema, pointer, keyword, {"type"}));
  const Json& branches = schema[keyword];
  if (!branches.is_array() || branches.empty()) {
    return refuse(pointer, keyword, "expected a list of at least one schema");
  }
  if (std::string_view(keyword) == "oneOf") {
    constexpr std::size_t kMaxBranches = 64;
    if (branches.size() > kMaxBranches)
      return refuse(pointer, keyword, fmt::format("more than {} schemas", kMaxBranches));
    for (std::size_t i = 0; i < branches.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (provably_disjoint(branches[j], branches[i], root_)) continue;
        return refuse(
            pointer, keyword,
            fmt::format("schemas {} and {} may both fit one value; supported where their types, their const "
                        "or enum, or those of a property that both require, exclude each other",
                        j, i));
      }
    }
  }
  std::vector<NodeId> nodes;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    FOVEA_TRY(
        const NodeId node,
        any_schema(branches[i], child_pointer(child_pointer(pointer, keyword), std::to_string(i)), allowed));
    if (std::ranges::count(nodes, node) == 0) nodes.push_back(node);
  }
  return builder_.choice(nodes);
}

Result<NodeId> SchemaCompiler::enumerated(const Json& schema, const std::string& pointer, const char* keyword,
                                          TypeSet allowed) {
  FOVEA_CHECK_OK(allow_only(
      schema, pointer, keyword,
      {"type", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}));
  const bool is_list = std::string_view(keyword) == "enum";
  const Json& value = schema[keyword];
  if (is_list && (!value.is_array() || value.empty())) {
    return refuse(pointer, keyword, "expected a list of at least one value: with none nothing fits");
  }
  const Json& values = is_list ? value : Json::array({value});
  std::vector<std::string> texts;
  for (const Json& each : values) {
    FOVEA_TRY(const bool in_bounds, fits(each, schema, pointer));
    if ((type_of(each) & allowed) != 0 && in_bounds) texts.push_back(json_text(each, options_.layout));
  }
  if (texts.empty()) return refuse(pointer, keyword, "no value has the type and the bounds beside it");
  return builder_.one_of(std::move(texts));
}

/// Values by their type. Without "type", those types that the other keywords speak of, or all where there is
/// no other keyword.
Result<NodeId> SchemaCompiler::by_type(const Json& schema, const std::string& pointer, TypeSet allowed) {
  FOVEA_TRY(const Types types, read_types(schema, pointer));
  const TypeSet spoken_of = types_spoken_of(schema);
  std::vector<TypeSet> order = types.order;
  if (order.empty()) {
    if (allowed == kAllTypes && spoken_of == 0) return any_value();
    if (spoken_of != 0) allowed &= spoken_of;
    order = {kObject, kArray, kString, kInteger | kNumber, kBoolean, kNull};
  }
  std::vector<NodeId> nodes;
  for (const TypeSet type : order) {
    if ((type & allowed) == 0) continue;
    FOVEA_TRY(const NodeId node, of_type(schema, pointer, type & allowed));
    if (std::ranges::count(nodes, node) == 0) nodes.push_back(node);
  }
  if (nodes.empty()) return refuse(pointer, "", "no type is left that these keywords speak of");
  return builder_.choice(nodes);
}

Result<NodeId> SchemaCompiler::of_type(const Json& schema, const std::string& pointer, TypeSet type) {
  switch (type) {
    case kNull:
      return builder_.literal("null");
    case kBoolean:
      return builder_.choice({builder_.literal("true"), builder_.literal("false")});
    case kString:
      return string(schema, pointer);
    case kArray:
      return array(schema, pointer);
    case kObject:
      return object(schema, pointer);
    case kInteger:
      return integer(schema, pointer);
    default:
      return number(schema, pointer);
  }
}

}  // namespace fovea::grammar
