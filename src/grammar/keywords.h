#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fovea::grammar {

using Json = nlohmann::ordered_json;

/// JSON types as a set of bits. kNumber is the numbers that are no integers, which a schema of type "number"
/// permits beside the integers.
using TypeSet = std::uint8_t;
inline constexpr TypeSet kNull = 1, kBoolean = 2, kInteger = 4, kNumber = 8, kString = 16, kArray = 32,
                         kObject = 64, kAllTypes = 127;

/// `pointer/token` with the token escaped as RFC 6901 has it.
std::string child_pointer(std::string_view pointer, std::string_view token);

/// An error about the keyword at a pointer.
std::unexpected<Error> refuse(std::string_view pointer, std::string_view keyword, std::string_view why);

/// Annotations, which do not restrict a value.
bool is_annotation(std::string_view keyword);

/// Refuses a keyword that is not implemented, by its name, and one that must not stand beside others.
Result<void> check_keywords(const Json& schema, std::string_view pointer);

/// Refuses every keyword but annotations and those named. `because` names the keyword they stand beside.
Result<void> allow_only(const Json& schema, std::string_view pointer, std::string_view because,
                        std::initializer_list<std::string_view> allowed);

/// The types that "type" names, all of them without it; in the order in which they are named.
struct Types {
  TypeSet set = kAllTypes;
  std::vector<TypeSet> order;  ///< empty without "type"
};
Result<Types> read_types(const Json& schema, std::string_view pointer);

/// The types whose keywords stand in a schema: {"minLength": 1} speaks of strings.
TypeSet types_spoken_of(const Json& schema);

TypeSet type_of(const Json& value);

/// A length or count: minLength, maxItems and so on.
Result<std::optional<std::size_t>> read_count(const Json& schema, std::string_view pointer,
                                              const char* keyword);

/// A number, as minimum has it.
Result<std::optional<double>> read_number(const Json& schema, std::string_view pointer, const char* keyword);

/// Whether no value can fit both schemas, as far as types, const and enum, and the const or enum of a
/// property that both require can tell. References are followed in `root`.
bool provably_disjoint(const Json& a, const Json& b, const Json& root);

/// What a local reference ("#", "#/…") points to; null where it points to nothing or elsewhere.
const Json* find_reference(const Json& root, const std::string& reference);

}  // namespace fovea::grammar
