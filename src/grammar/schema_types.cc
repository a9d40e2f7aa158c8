#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/shorten.h"
#include "grammar/json_text.h"
#include "grammar/numbers.h"
#include "grammar/pattern.h"
#include "grammar/schema.h"

namespace fovea::grammar {
namespace {

/// Formats as patterns that are stricter than what they stand for: RFC 3339 with days that exist and without
/// leap seconds, RFC 4122.
struct Format {
  std::string_view name;
  std::string pattern;
};
const std::string kDate =
    R"((?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8])))"
    R"(|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29))";
const std::string kTime =
    R"((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+\-](?:[01]\d|2[0-3]):[0-5]\d))";
const Format kFormats[] = {
    {"date", "^" + kDate + "$"},
    {"time", "^" + kTime + "$"},
    {"date-time", "^" + kDate + "T" + kTime + "$"},
    {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
};

/// The multiples of a number in a range are written out up to this many.
constexpr std::int64_t kMaxMultiples = 1024;

struct NumberRange {
  std::optional<double> low, high;  // the tighter of the inclusive and the exclusive bound
  bool low_exclusive = false, high_exclusive = false;
  std::string low_keyword = "minimum", high_keyword = "maximum";
};

Result<NumberRange> read_range(const Json& schema, const std::string& pointer) {
  NumberRange range;
  FOVEA_TRY(range.low, read_number(schema, pointer, "minimum"));
  FOVEA_TRY(range.high, read_number(schema, pointer, "maximum"));
  FOVEA_TRY(const auto above, read_number(schema, pointer, "exclusiveMinimum"));
  FOVEA_TRY(const auto below, read_number(schema, pointer, "exclusiveMaximum"));
  if (above && (!range.low || *above >= *range.low)) {
    range.low = above;
    range.low_exclusive = true;
    range.low_keyword = "exclusiveMinimum";
  }
  if (below && (!range.high || *below <= *range.high)) {
    range.high = below;
    range.high_exclusive = true;
    range.high_keyword = "exclusiveMaximum";
  }
  return range;
}

Result<std::set<std::string>> required_names(const Json& schema, const std::string& pointer) {
  std::set<std::string> names;
  if (!schema.contains("required")) return names;
  if (!schema["required"].is_array()) return refuse(pointer, "required", "expected a list of names");
  for (const Json& name : schema["required"]) {
    if (!name.is_string()) return refuse(pointer, "required", "expected a list of names");
    names.insert(name.get<std::string>());
  }
  return names;
}

bool is_within(double value, const NumberRange& range) {
  if (range.low && (range.low_exclusive ? value <= *range.low : value < *range.low)) return false;
  return !range.high || (range.high_exclusive ? value < *range.high : value <= *range.high);
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

NodeId SchemaCompiler::any_string(std::size_t min, std::size_t max) {
  const NodeId characters = builder_.repeat(builder_.json_character(CodePointSet::all()), min, max);
  return builder_.sequence({builder_.literal("\""), characters, builder_.literal("\"")});
}

Result<NodeId> SchemaCompiler::string(const Json& schema, const std::string& pointer) {
  FOVEA_TRY(const auto min_length, read_count(schema, pointer, "minLength"));
  FOVEA_TRY(const auto max_length, read_count(schema, pointer, "maxLength"));
  const std::size_t min = min_length.value_or(0);
  const std::size_t max = max_length.value_or(std::max(min, options_.max_string_length));
  if (min > max) return refuse(pointer, "minLength", "larger than maxLength: nothing fits");
  std::string pattern;
  const char* keyword = "pattern";
  if (schema.contains("format")) {
    keyword = "format";
    if (schema.contains("pattern")) return refuse(pointer, "format", "not supported beside pattern");
    const auto known =
        std::ranges::find_if(kFormats, [&](const Format& format) { return schema["format"] == format.name; });
    if (known == std::end(kFormats)) {
      return refuse(pointer, "format", "not supported (date, time, date-time and uuid are)");
    }
    pattern = known->pattern;
  } else if (schema.contains("pattern")) {
    if (!schema["pattern"].is_string()) return refuse(pointer, "pattern", "expected a regular expression");
    pattern = schema["pattern"].get<std::string>();
  } else {
    return any_string(min, max);
  }
  const auto expression = parse_pattern(pattern);
  if (!expression) return refuse(pointer, keyword, expression.error().message);
  auto automaton = make_automaton(*expression, min, max, builder_);
  if (!automaton) return refuse(pointer, keyword, automaton.error().message);
  const NodeId inside = builder_.pattern(*std::move(automaton), max);
  return builder_.sequence({builder_.literal("\""), inside, builder_.literal("\"")});
}

Result<NodeId> SchemaCompiler::integer(const Json& schema, const std::string& pointer) {
  FOVEA_TRY(const NumberRange range, read_range(schema, pointer));
  constexpr auto kLargest = static_cast<double>(kLargestInteger);
  double low = std::ceil(range.low.value_or(-kLargest));
  double high = std::floor(range.high.value_or(kLargest));
  if (range.low_exclusive && low == *range.low) low += 1;
  if (range.high_exclusive && high == *range.high) high -= 1;
  low = std::max(low, -kLargest);
  high = std::min(high, kLargest);
  if (low > high) {
    return refuse(pointer, range.low ? range.low_keyword : range.high_keyword,
                  "no integer that can be written is in this range");
  }
  const auto first = static_cast<std::int64_t>(low);
  const auto last = static_cast<std::int64_t>(high);
  FOVEA_TRY(const auto divisor, read_number(schema, pointer, "multipleOf"));
  if (!divisor || *divisor == 1) return integers_between(first, last, builder_);
  if (*divisor < 1 || *divisor != std::floor(*divisor) || *divisor > kLargest) {
    return refuse(pointer, "multipleOf", "supported for whole numbers from 1");
  }
  const auto step = static_cast<std::int64_t>(*divisor);
  const std::int64_t least = first >= 0 ? (first + step - 1) / step : -(-first / step);
  const std::int64_t most = last >= 0 ? last / step : -((-last + step - 1) / step);
  if (least > most) return refuse(pointer, "multipleOf", "no multiple is in the range");
  if (most - least >= kMaxMultiples) {
    return refuse(
        pointer, "multipleOf",
        fmt::format("supported where minimum and maximum leave at most {} multiples", kMaxMultiples));
  }
  std::vector<std::string> texts;
  for (std::int64_t i = least; i <= most; ++i) texts.push_back(std::to_string(i * step));
  return builder_.one_of(std::move(texts));
}

Result<NodeId> SchemaCompiler::number(const Json& schema, const std::string& pointer) {
  if (schema.contains("multipleOf")) return integer(schema, pointer);
  FOVEA_TRY(const NumberRange range, read_range(schema, pointer));
  const auto bound = [](const std::optional<double>& value, bool exclusive) {
    return value ? decimal_bound(*value, exclusive) : std::nullopt;
  };
  std::optional<DecimalBound> low = bound(range.low, range.low_exclusive);
  std::optional<DecimalBound> high = bound(range.high, range.high_exclusive);
  // A double keeps decimal numbers of 15 digits apart, but not from a bound with more.
  constexpr std::size_t kExactDigits = 15;
  for (const auto& [end, keyword] :
       {std::pair(&low, &range.low_keyword), std::pair(&high, &range.high_keyword)}) {
    if (*end && (*end)->exclusive && (*end)->significant_digits > kExactDigits) {
      return refuse(pointer, *keyword, "supported with at most 15 significant digits");
    }
  }
  const std::size_t fraction_digits = std::min<std::size_t>(options_.max_fraction_digits, kExactDigits - 1);
  const bool beyond = (range.low && !low && *range.low > 0) || (range.high && !high && *range.high < 0);
  const bool crossed = range.low && range.high && (*range.low > *range.high);
  std::optional<NodeId> node;
  if (!beyond && !crossed)
    node = decimals_between(low, high, kExactDigits - fraction_digits, fraction_digits, builder_);
  if (!node) {
    return refuse(pointer, range.low ? range.low_keyword : range.high_keyword,
                  fmt::format("no number of {} digits before and {} behind the point is in this range",
                              kExactDigits - fraction_digits, fraction_digits));
  }
  return *node;
}

NodeId SchemaCompiler::array_of(NodeId item, std::size_t min, std::size_t max) {
  if (max == 0) return builder_.literal("[]");
  const NodeId later = builder_.sequence({builder_.literal(comma(options_.layout)), item});
  const NodeId items = builder_.sequence({item, builder_.repeat(later, min == 0 ? 0 : min - 1, max - 1)});
  return builder_.sequence(
      {builder_.literal("["), min == 0 ? builder_.optional(items) : items, builder_.literal("]")});
}

Result<std::vector<NodeId>> SchemaCompiler::prefix_items(const Json& schema, const std::string& pointer) {
  std::vector<NodeId> nodes;
  if (!schema.contains("prefixItems")) return nodes;
  if (!schema["prefixItems"].is_array()) return refuse(pointer, "prefixItems", "expected a list of schemas");
  const std::string place = child_pointer(pointer, "prefixItems");
  for (const Json& item : schema["prefixItems"]) {
    FOVEA_TRY(const NodeId node,
              any_schema(item, child_pointer(place, std::to_string(nodes.size())), kAllTypes));
    nodes.push_back(node);
  }
  return nodes;
}

Result<NodeId> SchemaCompiler::array(const Json& schema, const std::string& pointer) {
  if (schema.contains("uniqueItems") && schema["uniqueItems"] != false) {
    return refuse(pointer, "uniqueItems", "not supported");
  }
  FOVEA_TRY(const auto min_items, read_count(schema, pointer, "minItems"));
  FOVEA_TRY(const auto max_items, read_count(schema, pointer, "maxItems"));
  const std::size_t min = min_items.value_or(0);
  std::size_t max = max_items.value_or(std::max(min, options_.max_items));
  if (min > max) return refuse(pointer, "minItems", "larger than maxItems: nothing fits");
  FOVEA_TRY(const std::vector<NodeId> prefix, prefix_items(schema, pointer));
  // What is not described is not written: after prefixItems nothing, like members outside properties.
  std::optional<NodeId> item;
  if (schema.contains("items")) {
    if (schema["items"] != false) {
      FOVEA_TRY(item, any_schema(schema["items"], child_pointer(pointer, "items"), kAllTypes));
    }
  } else if (prefix.empty()) {
    item = any_value();
  }
  if (!item) max = std::min(max, prefix.size());
  if (min > max) return refuse(pointer, "minItems", "more items than prefixItems and items describe");
  if (prefix.empty()) return array_of(item.value_or(kEmptyNode), min, max);

  // From the end: what may stand behind the first i items.
  NodeId rest = kEmptyNode;
  const std::size_t listed = std::min(prefix.size(), max);
  if (item && max > prefix.size()) {
    const NodeId later = builder_.sequence({builder_.literal(comma(options_.layout)), *item});
    rest = builder_.repeat(later, min > prefix.size() ? min - prefix.size() : 0, max - prefix.size());
  }
  for (std::size_t i = listed; i-- > 0;) {
    const NodeId separator = builder_.literal(i == 0 ? "" : comma(options_.layout));
    rest = builder_.sequence({separator, prefix[i], rest});
    if (i >= min) rest = builder_.optional(rest);
  }
  return builder_.sequence({builder_.literal("["), rest, builder_.literal("]")});
}

NodeId SchemaCompiler::free_members(NodeId value) {
  const NodeId name = any_string(0, options_.max_string_length);
  const NodeId member = builder_.sequence({name, builder_.literal(colon(options_.layout)), value});
  const NodeId later = builder_.sequence({builder_.literal(comma(options_.layout)), member});
  const std::size_t more = options_.max_items == 0 ? 0 : options_.max_items - 1;
  const NodeId members = builder_.optional(builder_.sequence({member, builder_.repeat(later, 0, more)}));
  return builder_.sequence({builder_.literal("{"), members, builder_.literal("}")});
}

Result<NodeId> SchemaCompiler::free_object(const Json& schema, const std::string& pointer) {
  if (schema.contains("required") && schema["required"] != Json::array()) {
    return refuse(pointer, "required", "supported beside properties");
  }
  if (!schema.contains("additionalProperties") || schema["additionalProperties"] == true) return any_object();
  if (schema["additionalProperties"] == false) return builder_.literal("{}");
  FOVEA_TRY(const NodeId value, any_schema(schema["additionalProperties"],
                                           child_pointer(pointer, "additionalProperties"), kAllTypes));
  return free_members(value);
}

Result<NodeId> SchemaCompiler::object(const Json& schema, const std::string& pointer) {
  if (!schema.contains("properties")) return free_object(schema, pointer);
  const Json& properties = schema["properties"];
  if (!properties.is_object()) return refuse(pointer, "properties", "expected an object of schemas");
  if (schema.contains("additionalProperties") && schema["additionalProperties"] != false) {
    return refuse(pointer, "additionalProperties",
                  "beside properties supported as false only (and taken so where it is left out)");
  }
  FOVEA_TRY(std::set<std::string> required, required_names(schema, pointer));
  std::vector<Member> members;
  const std::string place = child_pointer(pointer, "properties");
  for (const auto& [name, value] : properties.items()) {
    FOVEA_TRY(const NodeId node, any_schema(value, child_pointer(place, name), kAllTypes));
    const std::string key = json_quoted(name).append(colon(options_.layout));
    const bool is_required = required.erase(name) > 0;
    members.push_back({builder_.literal(key), builder_.literal(std::string(comma(options_.layout)) + key),
                       node, is_required});
  }
  if (!required.empty()) {
    return refuse(pointer, "required",
                  fmt::format("{} is not among the properties", json_quoted(shorten(*required.begin()))));
  }
  return builder_.sequence({builder_.literal("{"), builder_.members(members)});
}

Result<bool> SchemaCompiler::fits(const Json& value, const Json& schema, const std::string& pointer) {
  if (value.is_string()) {
    FOVEA_TRY(const auto min, read_count(schema, pointer, "minLength"));
    FOVEA_TRY(const auto max, read_count(schema, pointer, "maxLength"));
    const std::size_t length = code_points(value.get_ref<const std::string&>());
    return length >= min.value_or(0) && length <= max.value_or(length);
  }
  if (!value.is_number()) return true;
  FOVEA_TRY(const NumberRange range, read_range(schema, pointer));
  return is_within(value.get<double>(), range);
}

NodeId SchemaCompiler::scalar() {
  const Options& options = options_;
  const std::size_t fraction = std::min<std::size_t>(options.max_fraction_digits, 14);
  const auto number = decimals_between(std::nullopt, std::nullopt, 15 - fraction, fraction, builder_);
  return builder_.choice({any_string(0, options.max_string_length), number.value_or(kEmptyNode),
                          builder_.literal("true"), builder_.literal("false"), builder_.literal("null")});
}

/// Every value inside an object or array counts as a reference, so that nesting is limited.
NodeId SchemaCompiler::any_value() {
  if (any_value_) return *any_value_;
  any_value_ = builder_.reference();
  const NodeId value = builder_.choice({any_object(), any_array(), scalar()});
  builder_.set_target(*any_value_, value);
  return *any_value_;
}

NodeId SchemaCompiler::any_object() {
  return free_members(any_value());
}

NodeId SchemaCompiler::any_array() {
  return array_of(any_value(), 0, options_.max_items);
}

}  // namespace fovea::grammar
