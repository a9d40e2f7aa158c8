#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "text/byte_symbols.h"
#include "text/unicode.h"

namespace fovea::text {
namespace {

using Json = nlohmann::json;

/// A string of the file as an error message shows it: in quotes, control characters escaped, not too long.
std::string show(std::string_view text) {
  constexpr std::size_t kMaxShown = 80;
  std::string cut =
      text.size() <= kMaxShown ? std::string(text) : std::string(text.substr(0, kMaxShown)) + "…";
  return Json(replace_invalid_utf8(cut)).dump();
}

std::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalidModel, std::move(message));
}

/// The member, or null where it is absent: tokenizer.json leaves out what it does not set.
const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

Result<void> require_object(const Json& value, const std::string& where) {
  if (!value.is_object())
    return invalid(fmt::format("{}: expected an object, found {}", where, value.type_name()));
  return {};
}

Result<void> require_array(const Json& value, const std::string& where) {
  if (!value.is_array())
    return invalid(fmt::format("{}: expected an array, found {}", where, value.type_name()));
  return {};
}

Result<bool> read_bool(const Json& object, const char* key, const std::string& where) {
  const Json& value = member(object, key);
  if (!value.is_boolean()) {
    return invalid(fmt::format("{}.{}: expected true or false, found {}", where, key, value.type_name()));
  }
  return value.get<bool>();
}

Result<bool> read_bool(const Json& object, const char* key, const std::string& where, bool absent) {
  if (!object.contains(key)) return absent;
  return read_bool(object, key, where);
}

Result<std::string> read_type(const Json& component, const std::string& where) {
  FOVEA_CHECK_OK(require_object(component, where));
  const Json& type = member(component, "type");
  if (!type.is_string())
    return invalid(fmt::format("{}.type: expected a string, found {}", where, type.type_name()));
  return type.get<std::string>();
}

Result<std::int32_t> read_id(const Json& value, const std::string& where) {
  if (!value.is_number_unsigned()) {
    return invalid(fmt::format("{}: expected an id, a whole number of 0 or more", where));
  }
  const auto id = value.get<std::uint64_t>();
  if (id >= kMaxTokens)
    return invalid(fmt::format("{}: id {} is over the limit of {}", where, id, kMaxTokens - 1));
  return static_cast<std::int32_t>(id);
}

std::unexpected<Error> unsupported(const std::string& where, std::string_view type) {
  return invalid(fmt::format("{}: {} is not supported", where, show(type)));
}

// ---- model ----

Result<Vocabulary> read_vocabulary(const Json& object) {
  const std::string where = "model.vocab";
  const std::string id_name = "its id";
  FOVEA_CHECK_OK(require_object(object, where));
  Vocabulary vocabulary;
  vocabulary.reserve(object.size());
  std::vector<bool> taken;
  for (const auto& [token, value] : object.items()) {
    auto id = read_id(value, id_name);
    if (!id) return with_context(std::move(id).error(), fmt::format("{}: {}", where, show(token)));
    const auto index = static_cast<std::size_t>(*id);
    if (index >= taken.size()) taken.resize(index + 1);
    if (taken[index]) {
      return invalid(
          fmt::format("{}: the id {} of {} belongs to another token too", where, *id, show(token)));
    }
    taken[index] = true;
    vocabulary.emplace(token, *id);
  }
  return vocabulary;
}

/// The two tokens of a merge: ["a", "b"], or "a b" as older files have it.
std::optional<std::pair<std::string_view, std::string_view>> merge_sides(const Json& entry) {
  if (entry.is_string()) {
    const std::string_view text = entry.get_ref<const std::string&>();
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
      return std::nullopt;
    return std::pair(text.substr(0, space), text.substr(space + 1));
  }
  if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_string())
    return std::nullopt;
  return std::pair<std::string_view, std::string_view>(entry[0].get_ref<const std::string&>(),
                                                       entry[1].get_ref<const std::string&>());
}

Result<std::vector<MergeRule>> read_merges(const Json& array, const Vocabulary& vocabulary) {
  FOVEA_CHECK_OK(require_array(array, "model.merges"));
  std::vector<MergeRule> merges;
  merges.reserve(array.size());
  std::string merged;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const Json& entry = array[i];
    // The first line of a merges.txt came along into some files of the older form; the reference skips it.
    if (entry.is_string() && entry.get_ref<const std::string&>().starts_with("#version")) continue;
    const auto sides = merge_sides(entry);
    if (!sides) return invalid(fmt::format("model.merges[{}]: expected \"a b\" or [\"a\", \"b\"]", i));
    merged.assign(sides->first).append(sides->second);
    const auto left = vocabulary.find(sides->first);
    const auto right = vocabulary.find(sides->second);
    const auto product = vocabulary.find(merged);
    const auto end = vocabulary.end();
    if (left == end || right == end || product == end) {
      const std::string_view missing = left == end ? sides->first : right == end ? sides->second : merged;
      return invalid(fmt::format("model.merges[{}]: {} is not in the vocabulary", i, show(missing)));
    }
    merges.push_back({left->second, right->second, product->second});
  }
  return merges;
}

Result<std::optional<std::int32_t>> read_unknown(const Json& value, const Vocabulary& vocabulary) {
  if (value.is_null()) return std::nullopt;
  if (!value.is_string()) {
    return invalid(fmt::format("model.unk_token: expected a string or null, found {}", value.type_name()));
  }
  const auto& token = value.get_ref<const std::string&>();
  if (const auto entry = vocabulary.find(token); entry != vocabulary.end()) return entry->second;
  // A name without an entry does no harm where no byte can be unknown.
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (!vocabulary.contains(byte_symbol(static_cast<unsigned char>(byte)))) {
      return invalid(fmt::format("model.unk_token: {} is not in the vocabulary", show(token)));
    }
  }
  return std::nullopt;
}

Result<BpeDescription> read_model(const Json& model) {
  FOVEA_CHECK_OK(require_object(model, "model"));
  // Files of before 2021 leave the type out; vocab and merges then tell.
  if (const Json& type = member(model, "type"); !type.is_null() && type != "BPE") {
    return invalid(fmt::format("model.type: {} is not supported, only \"BPE\"", show(type.dump())));
  }
  if (const Json& dropout = member(model, "dropout"); !dropout.is_null() && dropout != 0) {
    return invalid("model.dropout: random merges are not supported");
  }
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json& value = member(model, affix);
    const bool empty = value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty());
    if (!empty) return invalid(fmt::format("model.{} is not supported", affix));
  }
  FOVEA_TRY(const bool byte_fallback, read_bool(model, "byte_fallback", "model", false));
  if (byte_fallback)
    return invalid("model.byte_fallback is not supported: the vocabulary must be byte-level");

  BpeDescription description;
  FOVEA_TRY(description.vocabulary, read_vocabulary(member(model, "vocab")));
  FOVEA_TRY(description.merges, read_merges(member(model, "merges"), description.vocabulary));
  FOVEA_TRY(description.unknown, read_unknown(member(model, "unk_token"), description.vocabulary));
  FOVEA_TRY(description.fuse_unknown, read_bool(model, "fuse_unk", "model", false));
  FOVEA_TRY(description.ignore_merges, read_bool(model, "ignore_merges", "model", false));
  return description;
}

// ---- the components around it ----

/// Whether the text is brought to form C. Recursion is bounded by the JSON reader's depth limit.
Result<bool> read_normalizer(const Json& component, const std::string& where) {
  if (component.is_null()) return false;
  FOVEA_TRY(const std::string type, read_type(component, where));
  if (type == "NFC") return true;
  if (type != "Sequence") return unsupported(where, type);
  const Json& parts = member(component, "normalizers");
  FOVEA_CHECK_OK(require_array(parts, where + ".normalizers"));
  bool nfc = false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    FOVEA_TRY(const bool part, read_normalizer(parts[i], fmt::format("{}.normalizers[{}]", where, i)));
    nfc = nfc || part;
  }
  return nfc;
}

Result<Splitter> read_split(const Json& component, const std::string& where) {
  const Json& pattern = member(component, "pattern");
  if (!pattern.is_object() || member(pattern, "Regex") != kQwen2Pattern) {
    return invalid(
        fmt::format("{}.pattern: only Qwen2's is supported, found {}", where, show(pattern.dump())));
  }
  const Json& behavior = member(component, "behavior");
  if (behavior != "Isolated") {
    return invalid(
        fmt::format("{}.behavior: only \"Isolated\" is supported, found {}", where, show(behavior.dump())));
  }
  FOVEA_TRY(const bool invert, read_bool(component, "invert", where, false));
  if (invert) return invalid(fmt::format("{}.invert is not supported", where));
  return Splitter::kQwen2;
}

/// Appends the component's stages; `ended` says that ByteLevel, which spells the pieces in byte symbols, was
/// seen.
Result<void> read_pre_tokenizer(const Json& component, const std::string& where, PreTokenizer::Stages& stages,
                                bool& ended) {
  constexpr std::size_t kMaxStages = 16;  // every stage goes over the text once
  FOVEA_TRY(const std::string type, read_type(component, where));
  if (type == "Sequence") {
    const Json& parts = member(component, "pretokenizers");
    FOVEA_CHECK_OK(require_array(parts, where + ".pretokenizers"));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      FOVEA_CHECK_OK(
          read_pre_tokenizer(parts[i], fmt::format("{}.pretokenizers[{}]", where, i), stages, ended));
    }
    return {};
  }
  if (ended) return invalid(fmt::format("{}: {} after ByteLevel is not supported", where, show(type)));
  if (stages.splitters.size() == kMaxStages) {
    return invalid(fmt::format("{}: more than {} stages are not supported", where, kMaxStages));
  }
  if (type == "Digits") {
    FOVEA_TRY(const bool individual, read_bool(component, "individual_digits", where));
    stages.splitters.push_back(individual ? Splitter::kDigits : Splitter::kDigitRuns);
  } else if (type == "Split") {
    FOVEA_TRY(const Splitter splitter, read_split(component, where));
    stages.splitters.push_back(splitter);
  } else if (type == "ByteLevel") {
    FOVEA_TRY(stages.add_prefix_space, read_bool(component, "add_prefix_space", where));
    FOVEA_TRY(stages.byte_level_splits, read_bool(component, "use_regex", where, true));
    ended = true;
  } else {
    return unsupported(where, type);
  }
  return {};
}

Result<PreTokenizer::Stages> read_stages(const Json& component) {
  if (component.is_null()) return invalid("pre_tokenizer: expected one that ends in ByteLevel, found null");
  PreTokenizer::Stages stages;
  bool ended = false;
  FOVEA_CHECK_OK(read_pre_tokenizer(component, "pre_tokenizer", stages, ended));
  if (!ended) return invalid("pre_tokenizer: expected one that ends in ByteLevel");
  return stages;
}

/// Refuses post-processors that would add tokens to a text: the prompt says itself what stands in it.
Result<void> check_post_processor(const Json& component, const std::string& where) {
  if (component.is_null()) return {};
  FOVEA_TRY(const std::string type, read_type(component, where));
  if (type == "ByteLevel") return {};  // it only changes offsets
  if (type == "Sequence") {
    const Json& parts = member(component, "processors");
    FOVEA_CHECK_OK(require_array(parts, where + ".processors"));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      FOVEA_CHECK_OK(check_post_processor(parts[i], fmt::format("{}.processors[{}]", where, i)));
    }
    return {};
  }
  if (type != "TemplateProcessing") return unsupported(where, type);
  const Json& single = member(component, "single");
  const bool adds_nothing = single.is_array() && single.size() == 1 && single[0].is_object() &&
                            single[0].contains("Sequence") && single[0]["Sequence"].is_object() &&
                            member(single[0]["Sequence"], "id") == "A";
  if (!adds_nothing) {
    return invalid(fmt::format("{}: TemplateProcessing that adds tokens is not supported, found {}", where,
                               show(single.dump())));
  }
  return {};
}

Result<void> check_decoder(const Json& component) {
  FOVEA_TRY(const std::string type, read_type(component, "decoder"));
  if (type != "ByteLevel") return unsupported("decoder", type);
  return {};
}

Result<AddedToken> read_added_token(const Json& entry, const std::string& where) {
  FOVEA_CHECK_OK(require_object(entry, where));
  AddedToken token;
  const Json& content = member(entry, "content");
  if (!content.is_string()) {
    return invalid(fmt::format("{}.content: expected a string, found {}", where, content.type_name()));
  }
  token.content = content.get<std::string>();
  FOVEA_TRY(token.id, read_id(member(entry, "id"), where + ".id"));
  FOVEA_TRY(token.special, read_bool(entry, "special", where));
  FOVEA_TRY(token.normalized, read_bool(entry, "normalized", where));
  FOVEA_TRY(token.single_word, read_bool(entry, "single_word", where));
  FOVEA_TRY(token.lstrip, read_bool(entry, "lstrip", where));
  FOVEA_TRY(token.rstrip, read_bool(entry, "rstrip", where));
  return token;
}

/// Which token an id stands for.
class IdOwners {
 public:
  explicit IdOwners(const Vocabulary& vocabulary) {
    for (const auto& [token, id] : vocabulary) of(id) = token;
  }
  std::string_view& of(std::int32_t id) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= owners_.size()) owners_.resize(index + 1);
    return owners_[index];
  }

 private:
  std::vector<std::string_view> owners_;
};

/// Added tokens keep the ids that the file gives them. (The reference gives an added token that contradicts
/// the vocabulary another id, with a warning; here that is a damaged file.)
Result<std::vector<AddedToken>> read_added_tokens(const Json& array, const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  if (array.is_null()) return tokens;
  FOVEA_CHECK_OK(require_array(array, "added_tokens"));
  tokens.reserve(array.size());  // `owners` and `seen` look into it
  IdOwners owners(vocabulary);
  std::unordered_set<std::string_view> seen;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const std::string where = fmt::format("added_tokens[{}]", i);
    FOVEA_TRY(AddedToken token, read_added_token(array[i], where));
    if (token.content.empty()) continue;  // as in the reference; it could stand anywhere
    bytes += token.content.size();
    if (bytes > kMaxAddedTokenBytes) {
      return invalid(fmt::format("{}: the contents together are over {} bytes", where, kMaxAddedTokenBytes));
    }
    const AddedToken& added = tokens.emplace_back(std::move(token));
    if (!seen.insert(added.content).second) {
      return invalid(fmt::format("{}: {} stands twice", where, show(added.content)));
    }
    const auto entry = vocabulary.find(added.content);
    if (entry != vocabulary.end() && entry->second != added.id) {
      return invalid(fmt::format("{}: {} has id {} here and {} in the vocabulary", where, show(added.content),
                                 added.id, entry->second));
    }
    std::string_view& owner = owners.of(added.id);
    if (owner.data() != nullptr && owner != added.content) {
      return invalid(fmt::format("{}: the id {} of {} belongs to {} too", where, added.id,
                                 show(added.content), show(owner)));
    }
    owner = added.content;
  }
  return tokens;
}

}  // namespace

Result<TokenizerDescription> read_tokenizer_description(const Json& file) {
  FOVEA_CHECK_OK(require_object(file, "the file"));
  if (const Json& version = member(file, "version"); !version.is_null() && version != "1.0") {
    return invalid(fmt::format("version: only \"1.0\" is supported, found {}", show(version.dump())));
  }
  // `truncation` and `padding` are what some training run last used; the reference's callers reset them.
  TokenizerDescription description;
  FOVEA_TRY(description.model, read_model(member(file, "model")));
  FOVEA_TRY(description.nfc, read_normalizer(member(file, "normalizer"), "normalizer"));
  FOVEA_TRY(description.stages, read_stages(member(file, "pre_tokenizer")));
  FOVEA_CHECK_OK(check_post_processor(member(file, "post_processor"), "post_processor"));
  FOVEA_CHECK_OK(check_decoder(member(file, "decoder")));
  FOVEA_TRY(description.added, read_added_tokens(member(file, "added_tokens"), description.model.vocabulary));
  return description;
}

}  // namespace fovea::text
