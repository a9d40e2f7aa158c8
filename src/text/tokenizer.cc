#include "text/tokenizer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/byte_symbols.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer_json.h"
#include "text/unicode.h"

namespace fovea::text {
namespace {

/// The largest published tokenizer.json has some 35 MB.
constexpr std::size_t kMaxFileBytes = std::size_t{128} << 20;

/// What an id stands for. Indexed by id; ids without a token have `exists` false.
struct TokenEntry {
  std::string bytes;
  bool exists = false;
  bool special = false;
};

/// Added tokens of one kind, special ones first: where two normalise to the same text the reference finds the
/// special one.
AddedTokenSplitter make_splitter(const std::vector<AddedToken>& added, bool normalized, bool nfc) {
  std::vector<AddedToken> tokens;
  for (const bool special : {true, false}) {
    std::ranges::copy_if(added, std::back_inserter(tokens), [=](const AddedToken& token) {
      return token.normalized == normalized && token.special == special;
    });
  }
  if (normalized && nfc) {
    for (AddedToken& token : tokens) token.content = to_nfc(token.content);
  }
  return AddedTokenSplitter(std::move(tokens));
}

Error as_model_error(Error error) {
  // To a caller who names a checkpoint, bad JSON in it is a damaged checkpoint, not a bad request.
  if (error.code == ErrorCode::kInvalidJson || error.code == ErrorCode::kTooLarge) {
    error.code = ErrorCode::kInvalidModel;
  }
  return error;
}

}  // namespace

struct Tokenizer::State {
  explicit State(TokenizerDescription description)
      : bpe(std::move(description.model)),
        pre_tokenizer(std::move(description.stages)),
        nfc(description.nfc),
        raw_splitter(make_splitter(description.added, false, description.nfc)),
        normalized_splitter(make_splitter(description.added, true, description.nfc)) {
    for (const auto& [token, id] : bpe.vocabulary()) entry(id) = {token_text(token), true, false};
    for (AddedToken& token : description.added) {
      // Not through the byte alphabet, where é would be the byte 0xE9 (a fault of the reference up to 0.22).
      entry(token.id) = {token.content, true, token.special};
      added_ids.emplace(std::move(token.content), token.id);
    }
  }

  TokenEntry& entry(std::int32_t id) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= entries.size()) entries.resize(index + 1);
    return entries[index];
  }
  [[nodiscard]] const TokenEntry* find(std::int32_t id) const {
    const auto index = static_cast<std::size_t>(id);  // a negative id becomes a huge index
    return index < entries.size() && entries[index].exists ? &entries[index] : nullptr;
  }

  void encode_segment(std::string_view segment, Bpe::Scratch& scratch, std::vector<std::int32_t>& ids) const;

  Bpe bpe;
  PreTokenizer pre_tokenizer;
  bool nfc;
  AddedTokenSplitter raw_splitter;
  AddedTokenSplitter normalized_splitter;
  Vocabulary added_ids;
  std::vector<TokenEntry> entries;
};

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::load(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "tokenizer.json";
  auto text = read_file(path, kMaxFileBytes);
  if (!text) return std::unexpected(as_model_error(std::move(text).error()));
  return parse(*text, path.string());
}

Result<Tokenizer> Tokenizer::parse(std::string_view json, std::string_view source) {
  auto file = parse_json(json, source, {.max_bytes = kMaxFileBytes});
  if (!file) return std::unexpected(as_model_error(std::move(file).error()));
  auto description = read_tokenizer_description(*file);
  if (!description) return with_context(std::move(description).error(), std::string(source));
  return Tokenizer(std::make_unique<const State>(*std::move(description)));
}

/// Everything between two added tokens: normalise, find the added tokens that are searched in normalised
/// text, cut the rest into pieces, encode each. Patterns look no further than the segment.
void Tokenizer::State::encode_segment(std::string_view segment, Bpe::Scratch& scratch,
                                      std::vector<std::int32_t>& ids) const {
  std::string normalized;
  if (nfc) {
    normalized = to_nfc(segment);
    segment = normalized;
  }
  for (const AddedTokenSplitter::Part& part : normalized_splitter.split(segment)) {
    if (part.id) {
      ids.push_back(*part.id);
    } else {
      pre_tokenizer.split(part.text, [&](std::string_view piece) { bpe.encode(piece, scratch, ids); });
    }
  }
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = replace_invalid_utf8(text);
    text = repaired;
  }
  std::vector<std::int32_t> ids;
  Bpe::Scratch scratch;
  for (const AddedTokenSplitter::Part& part : state_->raw_splitter.split(text)) {
    if (part.id) {
      ids.push_back(*part.id);
    } else {
      state_->encode_segment(part.text, scratch, ids);
    }
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const std::int32_t id : ids) {
    const TokenEntry* entry = state_->find(id);
    if (entry != nullptr && !(skip_special && entry->special)) bytes += entry->bytes;
  }
  return is_valid_utf8(bytes) ? bytes : replace_invalid_utf8(bytes);
}

std::string_view Tokenizer::token_bytes(std::int32_t id) const {
  const TokenEntry* entry = state_->find(id);
  return entry == nullptr ? std::string_view{} : entry->bytes;
}

std::optional<std::int32_t> Tokenizer::token_to_id(std::string_view token) const {
  for (const Vocabulary* tokens : {&std::as_const(state_->added_ids), &state_->bpe.vocabulary()}) {
    if (const auto found = tokens->find(token); found != tokens->end()) return found->second;
  }
  return std::nullopt;
}

bool Tokenizer::is_special(std::int32_t id) const {
  const TokenEntry* entry = state_->find(id);
  return entry != nullptr && entry->special;
}

std::int32_t Tokenizer::size() const {
  return static_cast<std::int32_t>(state_->entries.size());
}

}  // namespace fovea::text
