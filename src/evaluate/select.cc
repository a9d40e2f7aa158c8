#include "evaluate/select.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

namespace fovea::evaluate {
namespace {

/// Whoever answered nothing is not fast.
double latency_of(const Variant& variant) {
  return variant.warm.n > 0 ? variant.warm.p95_ms : std::numeric_limits<double>::infinity();
}

/// Smaller is better: the preference first, then what else matters, the name last so that nothing is left to
/// chance.
auto rank(const Variant& variant, Preference preference) {
  const double error = -variant.whole.rate();
  const double latency = latency_of(variant);
  const auto size = static_cast<double>(variant.file_bytes);
  const auto memory = static_cast<double>(variant.memory_bytes);
  switch (preference) {
    case Preference::kLatency:
      return std::tuple(latency, error, size, memory, variant.name);
    case Preference::kSize:
      return std::tuple(size, error, latency, memory, variant.name);
    case Preference::kAccuracy:
      break;
  }
  return std::tuple(error, latency, size, memory, variant.name);
}

/// At least as good in all, and better in one.
bool dominates(const Variant& a, const Variant& b) {
  const std::array one{-a.whole.rate(), latency_of(a), static_cast<double>(a.memory_bytes),
                       static_cast<double>(a.file_bytes)};
  const std::array other{-b.whole.rate(), latency_of(b), static_cast<double>(b.memory_bytes),
                         static_cast<double>(b.file_bytes)};
  bool better = false;
  for (std::size_t i = 0; i < one.size(); ++i) {
    if (one[i] > other[i]) return false;
    better = better || one[i] < other[i];
  }
  return better;
}

std::string figures(const Variant& variant) {
  return fmt::format("accuracy {}, latency_p95 {}, memory {}, size {}",
                     format_quantity(variant.whole.rate(), Dimension::kShare),
                     format_quantity(variant.warm.p95_ms, Dimension::kTime),
                     format_quantity(static_cast<double>(variant.memory_bytes), Dimension::kBytes),
                     format_quantity(static_cast<double>(variant.file_bytes), Dimension::kBytes));
}

const char* superlative(Preference preference) {
  switch (preference) {
    case Preference::kLatency:
      return "the lowest latency_p95";
    case Preference::kSize:
      return "the smallest files";
    case Preference::kAccuracy:
      break;
  }
  return "the highest accuracy";
}

/// What the pictures that only one of them reads rightly say about a lead.
std::string lead_over(const Variant& first, const Variant& second) {
  if (first.right.size() != second.right.size()) return "";
  Evaluation a, b;
  a.right = first.right;
  b.right = second.right;
  const PairedComparison pair = compare_paired(a, b);
  const auto [low, high] = pair.interval95();
  const bool chance = low <= 0 && high >= 0;
  return fmt::format("; {:+.1f} points against {} (95 % interval {:+.1f} to {:+.1f}{})",
                     100 * pair.difference(), second.name, 100 * low, 100 * high,
                     chance ? ", so chance may have made it" : "");
}

std::string failures(const Outcome& outcome) {
  std::string text;
  for (const Verdict& verdict : outcome.verdicts) {
    if (!verdict.met) text += (text.empty() ? "" : "; ") + verdict.text;
  }
  return text;
}

/// Chooses; one object a selection.
class Chooser {
 public:
  Chooser(const Matrix& matrix, Selection& selection) : matrix_(matrix), selection_(selection) {}

  void run() {
    judge_all();
    choose_primary();
    choose_fallback();
    choose_edge();
    explain_the_rest();
  }

 private:
  const Variant& variant(std::size_t index) const { return matrix_.variants[index]; }

  void judge_all() {
    for (std::size_t i = 0; i < matrix_.variants.size(); ++i) {
      Outcome outcome;
      for (const Requirement& requirement : selection_.requirements) {
        outcome.verdicts.push_back(judge(matrix_, variant(i), requirement));
      }
      outcome.meets_all = std::ranges::all_of(outcome.verdicts, &Verdict::met);
      if (outcome.meets_all) fitting_.push_back(i);
      selection_.outcomes.push_back(std::move(outcome));
    }
    std::ranges::sort(fitting_, {}, [&](std::size_t i) { return rank(variant(i), selection_.preference); });
  }

  void choose_primary() {
    if (fitting_.empty()) return rank_misses();
    const Variant& first = variant(fitting_.front());
    std::string why = fmt::format("{} of {} that meet every requirement", superlative(selection_.preference),
                                  fitting_.size());
    if (fitting_.size() == 1) why = "the only one that meets every requirement";
    if (fitting_.size() > 1 && selection_.preference == Preference::kAccuracy) {
      const Variant& second = variant(fitting_[1]);
      why += first.whole.rate() == second.whole.rate()
                 ? fmt::format("; {} is as accurate and no faster", second.name)
                 : lead_over(first, second);
    }
    selection_.primary = Choice{fitting_.front(), std::move(why)};
  }

  /// Whoever misses fewer requirements, and then by less, is nearer.
  void rank_misses() {
    selection_.nearest.resize(matrix_.variants.size());
    std::iota(selection_.nearest.begin(), selection_.nearest.end(), std::size_t{0});
    std::ranges::sort(selection_.nearest, {}, [&](std::size_t i) {
      std::size_t missed = 0;
      double by = 0;
      for (const Verdict& verdict : selection_.outcomes[i].verdicts) {
        missed += verdict.met ? 0 : 1;
        by += verdict.miss;
      }
      return std::tuple(missed, by, variant(i).name);
    });
  }

  /// The fastest of the others. Weights of another model come first: what damages a file or is wrong with a
  /// model then does not take both.
  void choose_fallback() {
    if (!selection_.primary) return;
    const Variant& primary = variant(selection_.primary->variant);
    std::optional<std::size_t> best;
    const auto place = [&](std::size_t i) {
      return std::tuple(variant(i).model == primary.model, rank(variant(i), Preference::kLatency));
    };
    for (const std::size_t i : fitting_) {
      if (i == selection_.primary->variant) continue;
      if (!best || place(i) < place(*best)) best = i;
    }
    if (!best) return;
    const bool other_model = variant(*best).model != primary.model;
    selection_.fallback = Choice{
        *best, other_model ? "the lowest latency_p95 of the other models that meet every requirement"
                           : "the lowest latency_p95 of what else meets every requirement; of the same "
                             "model as the primary, since no other does"};
  }

  /// A device has its own speed and memory: what was measured here of those says nothing about it. It has no
  /// floating point either, so integers come first.
  void choose_edge() {
    std::optional<std::size_t> best;
    const auto place = [&](std::size_t i) {
      const Variant& one = variant(i);
      const bool integers = one.dtype == "int8" || one.dtype == "int4";
      return std::tuple(!integers, -one.whole.rate(), one.edge.flash_bytes, one.name);
    };
    for (std::size_t i = 0; i < matrix_.variants.size(); ++i) {
      if (!variant(i).edge.fits || !suits_edge(i)) continue;
      if (!best || place(i) < place(*best)) best = i;
    }
    if (!best) return;
    const EdgeFit& fit = variant(*best).edge;
    selection_.edge = Choice{
        *best,
        fmt::format("fits the RP2040 budget (flash {}, RAM {}) and is the most accurate there{}",
                    format_quantity(static_cast<double>(fit.flash_bytes), Dimension::kBytes),
                    format_quantity(static_cast<double>(fit.ram_bytes), Dimension::kBytes),
                    std::get<0>(place(*best)) ? "; its floating point runs in software" : " in integers")};
  }

  bool suits_edge(std::size_t index) const {
    for (std::size_t r = 0; r < selection_.requirements.size(); ++r) {
      if (selection_.requirements[r].metric.of_machine) continue;
      if (!selection_.outcomes[index].verdicts[r].met) return false;
    }
    return true;
  }

  void explain_the_rest() {
    for (const auto& [choice, role] :
         {std::pair{&selection_.primary, "primary"}, std::pair{&selection_.fallback, "fallback"},
          std::pair{&selection_.edge, "edge"}}) {
      if (!*choice) continue;
      Outcome& outcome = selection_.outcomes[(*choice)->variant];
      outcome.role += (outcome.role.empty() ? "" : ", ") + std::string(role);
      outcome.why += (outcome.why.empty() ? "" : "; ") + (*choice)->why;
    }
    for (std::size_t i = 0; i < matrix_.variants.size(); ++i) {
      Outcome& outcome = selection_.outcomes[i];
      if (outcome.role.empty()) outcome.why = rejection(i);
    }
  }

  std::string rejection(std::size_t index) const {
    if (!selection_.outcomes[index].meets_all) return failures(selection_.outcomes[index]);
    for (const std::size_t other : fitting_) {
      if (!dominates(variant(other), variant(index))) continue;
      return fmt::format("dominated by {}: {} against {}", variant(other).name, figures(variant(other)),
                         figures(variant(index)));
    }
    const Variant& primary = variant(selection_.primary->variant);
    return fmt::format("meets every requirement; {} has {} ({} against {})", primary.name,
                       superlative(selection_.preference), figures(primary), figures(variant(index)));
  }

  const Matrix& matrix_;
  Selection& selection_;
  std::vector<std::size_t> fitting_;  // meet every requirement, the best first
};

}  // namespace

std::optional<Preference> parse_preference(std::string_view name) {
  for (const Preference preference : {Preference::kAccuracy, Preference::kLatency, Preference::kSize}) {
    if (name == preference_name(preference)) return preference;
  }
  return std::nullopt;
}

const char* preference_name(Preference preference) {
  switch (preference) {
    case Preference::kLatency:
      return "latency";
    case Preference::kSize:
      return "size";
    case Preference::kAccuracy:
      break;
  }
  return "accuracy";
}

Selection select(const Matrix& matrix, std::vector<Requirement> requirements, Preference preference) {
  Selection selection{.requirements = std::move(requirements), .preference = preference};
  Chooser(matrix, selection).run();
  return selection;
}

}  // namespace fovea::evaluate
