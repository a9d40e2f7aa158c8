#include "grammar/vocabulary.h"

#include <algorithm>
#include <limits>

namespace fovea::grammar {

TokenVocabulary::TokenVocabulary(const text::Tokenizer& tokenizer, std::span<const std::int32_t> eos_ids,
                                 std::size_t logits)
    : size_(std::max(static_cast<std::size_t>(tokenizer.size()), logits)) {
  for (const std::int32_t id : eos_ids) {
    if (id >= 0 && static_cast<std::size_t>(id) < size_ && !is_eos(id)) eos_ids_.push_back(id);
  }
  offsets_.push_back(0);
  for (std::int32_t id = 0; static_cast<std::size_t>(id) < size_; ++id) {
    const std::string_view bytes = tokenizer.token_bytes(id);
    // No text of an answer needs a token of that length, and the trie's depth is a narrow number.
    const bool fits = bytes.size() <= std::numeric_limits<std::uint16_t>::max();
    if (fits && !tokenizer.is_special(id) && !is_eos(id)) text_ += bytes;
    offsets_.push_back(static_cast<std::uint32_t>(text_.size()));
    if (!this->bytes(id).empty()) sorted_ids_.push_back(id);
    longest_token_ = std::max(longest_token_, this->bytes(id).size());
  }
  std::ranges::sort(sorted_ids_, [this](std::int32_t a, std::int32_t b) {
    return std::pair(bytes(a), a) < std::pair(bytes(b), b);
  });

  std::string_view before;
  std::vector<std::uint32_t> open;  // the nodes of `before`, from the root down
  const auto close = [&](std::size_t depth) {
    for (; open.size() > depth; open.pop_back())
      nodes_[open.back()].end = static_cast<std::uint32_t>(nodes_.size());
  };
  for (std::uint32_t i = 0; i < sorted_ids_.size(); ++i) {
    const std::string_view bytes = this->bytes(sorted_ids_[i]);
    const auto shared = static_cast<std::size_t>(std::ranges::mismatch(before, bytes).in1 - before.begin());
    close(shared);
    for (std::size_t depth = shared; depth < bytes.size(); ++depth) {
      open.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back({.end = 0,
                        .first_token = i,
                        .tokens = 0,
                        .depth = static_cast<std::uint16_t>(depth + 1),
                        .byte = static_cast<unsigned char>(bytes[depth])});
    }
    ++nodes_[open.back()].tokens;
    before = bytes;
  }
  close(0);
}

bool TokenVocabulary::is_eos(std::int32_t id) const {
  return std::ranges::count(eos_ids_, id) != 0;
}

std::string_view TokenVocabulary::bytes(std::int32_t id) const {
  const auto index = static_cast<std::size_t>(id);  // a negative id becomes a huge index
  if (index >= size_) return {};
  return std::string_view(text_).substr(offsets_[index], offsets_[index + 1] - offsets_[index]);
}

std::string TokenVocabulary::text(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) text += bytes(id);
  return text;
}

}  // namespace fovea::grammar
