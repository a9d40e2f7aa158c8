#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/token_grammar.h"
#include "grammar/vocabulary.h"

namespace fovea::grammar {

/// Compiled grammars of one vocabulary with their masks, found again by what they were compiled from. The
/// whole text is compared, so no two schemas can be taken for each other. Thread-safe; bounded: the least
/// recently used go first (sequences that still run keep theirs).
class GrammarCache {
 public:
  explicit GrammarCache(TokenVocabulary::Pointer vocabulary, std::size_t max_grammars = 64,
                        std::size_t max_mask_bytes_each = std::size_t{8} << 20);

  /// Errors: as the functions of the same name in Grammar. Errors are not cached.
  Result<TokenGrammar::Pointer> from_schema_text(std::string_view schema, const Options& options = {});
  Result<TokenGrammar::Pointer> any_object(const Options& options = {});
  Result<TokenGrammar::Pointer> one_of(std::span<const std::string> texts, const Options& options = {});

  struct Statistics {
    std::size_t hits = 0;
    std::size_t misses = 0;
    std::size_t grammars = 0;  ///< cached now
  };
  [[nodiscard]] Statistics statistics() const;
  [[nodiscard]] const TokenVocabulary& vocabulary() const { return *vocabulary_; }

 private:
  template <class Compile>
  Result<TokenGrammar::Pointer> find_or_compile(std::string key, Compile compile);

  struct Entry {
    std::string key;
    TokenGrammar::Pointer grammar;
  };
  TokenVocabulary::Pointer vocabulary_;
  std::size_t max_grammars_;
  std::size_t max_mask_bytes_each_;
  mutable std::mutex mutex_;  // guards all below; not held while compiling
  std::list<Entry> recent_;
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;  // keys live in recent_
  Statistics statistics_;
};

}  // namespace fovea::grammar
