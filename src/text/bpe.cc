#include "text/bpe.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "text/byte_symbols.h"

namespace fovea::text {
namespace {

constexpr std::int32_t kMissing = -1;
constexpr std::int32_t kMerged = -1;
constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
         static_cast<std::uint32_t>(right);
}

/// Orders a heap so that the lowest rank is on top, the leftmost among equals.
constexpr auto kAfter = [](const auto& a, const auto& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
};

}  // namespace

std::size_t Bpe::PairHash::operator()(std::uint64_t pair) const {
  // The finaliser of SplitMix64: ids are small and regular, buckets must not be.
  pair = (pair ^ (pair >> 30)) * 0xBF58476D1CE4E5B9ULL;
  pair = (pair ^ (pair >> 27)) * 0x94D049BB133111EBULL;
  return pair ^ (pair >> 31);
}

Bpe::Bpe(BpeDescription description)
    : vocabulary_(std::move(description.vocabulary)),
      byte_ids_{},
      unknown_(description.unknown),
      fuse_unknown_(description.fuse_unknown),
      ignore_merges_(description.ignore_merges) {
  merges_.reserve(description.merges.size());
  std::uint32_t rank = 0;
  for (const MergeRule& rule : description.merges) {
    merges_.insert_or_assign(pair_key(rule.left, rule.right), Merge{rank++, rule.merged});
  }
  for (unsigned byte = 0; byte < byte_ids_.size(); ++byte) {
    const auto entry = vocabulary_.find(byte_symbol(static_cast<unsigned char>(byte)));
    byte_ids_[byte] = entry == vocabulary_.end() ? kMissing : entry->second;
  }
}

const Bpe::Merge* Bpe::find_merge(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void Bpe::encode(std::string_view piece, Scratch& scratch, std::vector<std::int32_t>& ids) const {
  if (ignore_merges_) {
    std::string spelled;
    for (const char byte : piece) spelled += byte_symbol(static_cast<unsigned char>(byte));
    if (const auto entry = vocabulary_.find(spelled); entry != vocabulary_.end()) {
      ids.push_back(entry->second);
      return;
    }
  }
  load_symbols(piece, scratch);
  merge_all(scratch);
  for (const Scratch::Symbol& symbol : scratch.symbols_) {
    if (symbol.id != kMerged) ids.push_back(symbol.id);
  }
}

/// One symbol for each byte. Bytes without an entry leave before any merge, so their neighbours may merge
/// with each other: that is what the reference does.
void Bpe::load_symbols(std::string_view piece, Scratch& scratch) const {
  auto& symbols = scratch.symbols_;
  symbols.clear();
  bool in_unknown_run = false;
  for (const char byte : piece) {
    std::int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
    const bool is_unknown = id == kMissing;
    if (is_unknown) {
      if (!unknown_ || (fuse_unknown_ && in_unknown_run)) continue;
      id = *unknown_;
    }
    in_unknown_run = is_unknown;
    const std::size_t index = symbols.size();
    symbols.push_back({id, index == 0 ? kNone : index - 1, index + 1});
  }
  if (!symbols.empty()) symbols.back().next = kNone;
}

void Bpe::push_candidate(Scratch& scratch, std::size_t left) const {
  const auto& symbols = scratch.symbols_;
  const Merge* merge = find_merge(symbols[left].id, symbols[symbols[left].next].id);
  if (merge == nullptr) return;
  scratch.heap_.push_back({merge->rank, left});
  std::ranges::push_heap(scratch.heap_, kAfter);
}

void Bpe::merge_all(Scratch& scratch) const {
  auto& symbols = scratch.symbols_;
  auto& heap = scratch.heap_;
  heap.clear();
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) push_candidate(scratch, i);
  while (!heap.empty()) {
    std::ranges::pop_heap(heap, kAfter);
    const auto [rank, left] = heap.back();
    heap.pop_back();
    // A candidate goes stale when one of its two symbols was merged meanwhile: then there is no pair here, or
    // another one, which has a candidate of its own.
    const std::size_t right = symbols[left].next;
    if (symbols[left].id == kMerged || right == kNone) continue;
    const Merge* merge = find_merge(symbols[left].id, symbols[right].id);
    if (merge == nullptr || merge->rank != rank) continue;

    symbols[left].id = merge->merged;
    symbols[left].next = symbols[right].next;
    symbols[right].id = kMerged;
    if (symbols[left].next != kNone) {
      symbols[symbols[left].next].previous = left;
      push_candidate(scratch, left);
    }
    if (symbols[left].previous != kNone) push_candidate(scratch, symbols[left].previous);
  }
}

}  // namespace fovea::text
