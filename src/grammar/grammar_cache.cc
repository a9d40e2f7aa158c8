#include "grammar/grammar_cache.h"

#include <fmt/format.h>

#include <utility>

namespace fovea::grammar {
namespace {

std::string options_key(const Options& options) {
  return fmt::format("{} {} {} {} {} {} {} {} {}\n", static_cast<int>(options.layout),
                     options.max_string_length, options.max_items, options.max_recursion,
                     options.max_fraction_digits, options.max_schema_bytes, options.max_schema_depth,
                     options.max_nodes, options.max_shortest_answer);
}

}  // namespace

GrammarCache::GrammarCache(TokenVocabulary::Pointer vocabulary, std::size_t max_grammars,
                           std::size_t max_mask_bytes_each)
    : vocabulary_(std::move(vocabulary)),
      max_grammars_(max_grammars),
      max_mask_bytes_each_(max_mask_bytes_each) {}

template <class Compile>
Result<TokenGrammar::Pointer> GrammarCache::find_or_compile(std::string key, Compile compile) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
      ++statistics_.hits;
      recent_.splice(recent_.begin(), recent_, found->second);
      return found->second->grammar;
    }
    ++statistics_.misses;
  }
  FOVEA_TRY(Grammar::Pointer grammar, compile());
  auto made = std::make_shared<const TokenGrammar>(std::move(grammar), vocabulary_, max_mask_bytes_each_);
  const std::lock_guard lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) return found->second->grammar;
  recent_.push_front({std::move(key), made});
  by_key_.emplace(recent_.front().key, recent_.begin());
  while (recent_.size() > max_grammars_) {
    by_key_.erase(recent_.back().key);
    recent_.pop_back();
  }
  return made;
}

Result<TokenGrammar::Pointer> GrammarCache::from_schema_text(std::string_view schema,
                                                             const Options& options) {
  // Not worth a copy as a key: it is refused.
  if (schema.size() > options.max_schema_bytes) {
    return std::unexpected(Grammar::from_schema_text(schema, options).error());
  }
  return find_or_compile("schema " + options_key(options).append(schema),
                         [&] { return Grammar::from_schema_text(schema, options); });
}

Result<TokenGrammar::Pointer> GrammarCache::any_object(const Options& options) {
  return find_or_compile("object " + options_key(options), [&] { return Grammar::any_object(options); });
}

Result<TokenGrammar::Pointer> GrammarCache::one_of(std::span<const std::string> texts,
                                                   const Options& options) {
  std::string key = "texts " + options_key(options);
  for (const std::string& text : texts) key += fmt::format("{} {}", text.size(), text);
  return find_or_compile(std::move(key), [&] { return Grammar::one_of(texts, options); });
}

GrammarCache::Statistics GrammarCache::statistics() const {
  const std::lock_guard lock(mutex_);
  Statistics result = statistics_;
  result.grammars = recent_.size();
  return result;
}

}  // namespace fovea::grammar
