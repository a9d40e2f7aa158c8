#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/json.h"
#include "catalog/catalog.h"
#include "catalog/schema.h"
#include "tasks/normalise.h"
#include "text/unicode.h"

namespace fovea::catalog {
namespace {

using Json = nlohmann::ordered_json;

// Each bounds the work of one question; what lies beyond is told in docs/tasks.md.
constexpr std::int64_t kMaxValuesOfTrigram = 1500;  // a trigram that more values have tells too little
constexpr std::size_t kMaxTrigrams = 48;
constexpr std::size_t kMaxSimilarValues = 64;  // compared letter by letter
constexpr std::int64_t kMaxEntriesOfValue = 2000;
constexpr std::size_t kMaxScored = 64;  // entries that are read and scored in full
constexpr double kLeastSimilarity = 0.6;
constexpr double kMissingShare = 0.5;

/// A field of the reading that is compared.
struct Asked {
  const tasks::Field* field;
  std::int64_t number;  ///< in the catalogue
  std::string canonical;
};

double field_similarity(const tasks::Field& field, std::string_view a, std::string_view b) {
  if (a == b) return 1;
  if (field.match != tasks::Match::kSimilar) return 0;
  const double alike = similarity(a, b);
  return alike >= kLeastSimilarity ? alike : 0;
}

std::set<std::string> trigrams(std::string_view text) {
  std::vector<std::string> characters;
  while (!text.empty()) {
    const text::CodePoint next = text::first_code_point(text);
    characters.emplace_back(text.substr(0, next.length));
    text.remove_prefix(next.length);
  }
  std::set<std::string> result;
  for (std::size_t i = 0; i + 3 <= characters.size() && result.size() < kMaxTrigrams; ++i) {
    result.insert(characters[i] + characters[i + 1] + characters[i + 2]);
  }
  return result;
}

/// A trigram as FTS5 takes it: a string with its quotes doubled.
std::string fts_string(const std::string& trigram) {
  std::string quoted = "\"";
  for (const char c : trigram) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// The search for candidates, over one connection.
class Search {
 public:
  static Result<Search> make(sqlite::Database& database) {
    Search search;
    FOVEA_TRY(search.equal_, database.prepare("SELECT id FROM value WHERE field = ? AND canonical = ?"));
    FOVEA_TRY(search.similar_, database.prepare("SELECT rowid FROM similar WHERE similar MATCH ? LIMIT ?"));
    FOVEA_TRY(search.canonical_, database.prepare("SELECT canonical FROM value WHERE id = ?"));
    FOVEA_TRY(search.entries_,
              database.prepare("SELECT entry FROM entry_value WHERE value = ? ORDER BY entry LIMIT ?"));
    FOVEA_TRY(search.entry_, database.prepare("SELECT fields, extra FROM entry WHERE id = ?"));
    return search;
  }

  /// Adds what this field says for every entry that has an equal or similar value.
  Result<void> gather(const Asked& asked) {
    FOVEA_TRY(const auto values, values_like(asked));
    for (const auto& [value, alike] : values) {
      FOVEA_CHECK_OK(entries_->bind(value, kMaxEntriesOfValue));
      for (;;) {
        FOVEA_TRY(const bool found, entries_->step());
        if (!found) break;
        sums_[entries_->integer(0)] += alike * asked.field->match_weight;
      }
    }
    return {};
  }

  /// The entries with the largest sums.
  [[nodiscard]] std::vector<std::int64_t> best_entries() const {
    std::vector<std::pair<double, std::int64_t>> order;
    order.reserve(sums_.size());
    for (const auto& [entry, sum] : sums_) order.emplace_back(-sum, entry);
    const std::size_t kept = std::min(order.size(), kMaxScored);
    std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(kept));
    std::vector<std::int64_t> entries;
    entries.reserve(kept);
    for (std::size_t i = 0; i < kept; ++i) entries.push_back(order[i].second);
    return entries;
  }

  Result<Candidate> read_entry(std::int64_t id) {
    FOVEA_CHECK_OK(entry_->bind(id));
    FOVEA_TRY(const bool found, entry_->step());
    if (!found) return fail(ErrorCode::kDamaged, "the catalogue's index names an entry that is not there");
    Candidate candidate;
    candidate.id = id;
    candidate.fields = Json::parse(entry_->text(0), nullptr, /*allow_exceptions=*/false);
    if (!entry_->is_null(1)) candidate.extra = Json::parse(entry_->text(1), nullptr, false);
    if (!candidate.fields.is_object())
      return fail(ErrorCode::kDamaged, "an entry of the catalogue is no JSON object");
    return candidate;
  }

 private:
  using Values = std::vector<std::pair<std::int64_t, double>>;

  /// The values of the field that equal what was read or are like it, with their similarity.
  Result<Values> values_like(const Asked& asked) {
    Values values;
    FOVEA_CHECK_OK(equal_->bind(asked.number, asked.canonical));
    FOVEA_TRY(const bool found, equal_->step());
    if (found) values.emplace_back(equal_->integer(0), 1.0);
    equal_->reset();
    if (asked.field->match != tasks::Match::kSimilar) return values;
    FOVEA_TRY(const auto shared, values_that_share_trigrams(asked));
    for (const std::int64_t value : shared) {
      FOVEA_CHECK_OK(canonical_->bind(value));
      FOVEA_TRY(const bool there, canonical_->step());
      if (!there) continue;
      const double alike = field_similarity(*asked.field, asked.canonical, canonical_->text(0));
      if (alike > 0 && alike < 1) values.emplace_back(value, alike);
    }
    return values;
  }

  Result<std::vector<std::int64_t>> values_that_share_trigrams(const Asked& asked) {
    std::unordered_map<std::int64_t, int> shared;
    for (const std::string& trigram : trigrams(asked.canonical)) {
      FOVEA_CHECK_OK(similar_->bind(fts_string(trigram), kMaxValuesOfTrigram + 1));
      std::vector<std::int64_t> with_it;
      for (;;) {
        FOVEA_TRY(const bool found, similar_->step());
        if (!found) break;
        with_it.push_back(similar_->integer(0));
      }
      if (std::ssize(with_it) > kMaxValuesOfTrigram) continue;
      for (const std::int64_t value : with_it) {
        if (value % kFieldsAtMost == asked.number) ++shared[value];
      }
    }
    std::vector<std::pair<int, std::int64_t>> order;
    order.reserve(shared.size());
    for (const auto& [value, count] : shared) order.emplace_back(-count, value);
    const std::size_t kept = std::min(order.size(), kMaxSimilarValues);
    std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(kept));
    std::vector<std::int64_t> values;
    values.reserve(kept);
    for (std::size_t i = 0; i < kept; ++i) values.push_back(order[i].second);
    return values;
  }

  std::optional<sqlite::Statement> equal_, similar_, canonical_, entries_, entry_;
  std::unordered_map<std::int64_t, double> sums_;
};

/// Fills in score and evidence.
void judge(const tasks::Task& task, const Json& fields, Candidate& candidate) {
  double sum = 0;
  double weights = 0;
  for (const tasks::Field& field : task.fields) {
    if (field.match == tasks::Match::kNone) continue;
    Evidence evidence{.field = field.name, .agreement = Agreement::kMissing, .similarity = 0};
    const auto read = fields.find(field.name);
    const auto asked = read == fields.end() ? std::nullopt : tasks::canonical(field, *read);
    const auto held = candidate.fields.find(field.name);
    const auto known = held == candidate.fields.end() ? std::nullopt : tasks::canonical(field, *held);
    if (asked) weights += field.match_weight;
    if (asked && known) {
      evidence.similarity = field_similarity(field, *asked, *known);
      evidence.agreement = *asked == *known          ? Agreement::kEqual
                           : evidence.similarity > 0 ? Agreement::kSimilar
                                                     : Agreement::kDiffers;
      sum += field.match_weight * evidence.similarity;
    } else if (asked) {
      sum += field.match_weight * kMissingShare;
    }
    candidate.evidence.push_back(std::move(evidence));
  }
  candidate.score = weights > 0 ? sum / weights : 0;
}

}  // namespace

Result<std::vector<Candidate>> Catalog::match(const tasks::Task& task, const Json& fields,
                                              std::size_t limit) {
  const std::scoped_lock lock(mutex_);
  FOVEA_TRY(Search search, Search::make(database_));
  for (const tasks::Field& field : task.fields) {
    const bool text = field.type == tasks::FieldType::kText || field.type == tasks::FieldType::kLabel;
    const auto read = fields.find(field.name);
    if (field.match == tasks::Match::kNone || !text || read == fields.end()) continue;
    auto canonical = tasks::canonical(field, *read);
    if (!canonical) continue;
    FOVEA_TRY(const auto number, find_field(database_, task.name, field.name));
    if (!number) continue;
    FOVEA_CHECK_OK(search.gather({.field = &field, .number = *number, .canonical = std::move(*canonical)}));
  }
  std::vector<Candidate> candidates;
  for (const std::int64_t id : search.best_entries()) {
    FOVEA_TRY(Candidate candidate, search.read_entry(id));
    judge(task, fields, candidate);
    candidates.push_back(std::move(candidate));
  }
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    return std::pair(-a.score, a.id) < std::pair(-b.score, b.id);
  });
  if (candidates.size() > limit) candidates.resize(limit);
  return candidates;
}

}  // namespace fovea::catalog
