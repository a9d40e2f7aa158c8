#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "config/router.h"
#include "routing/call.h"

namespace fovea::routing {

/// Makes models fail on purpose, as `[[faults]]` of a test config says: to see that requests are answered all
/// the same. Stands between the router and the models. Which calls are struck is decided by seed and the
/// number of the call of that fault alone, so a run can be repeated. Thread-safe.
///
/// error: fails with kInternal at once. slow: the model's answer comes late. hang: nothing comes before the
/// stop is requested. wrong-shape: the model's answer without its fields.
class FaultyModels : public ModelCall {
 public:
  /// `models` and `timers` must outlive it and the calls under way.
  FaultyModels(ModelCall& models, Timers& timers, std::span<const config::FaultConfig> faults);

  void ask(Ask ask, Done done) override;

 private:
  enum class Kind { kError, kSlow, kHang, kWrongShape };
  struct Fault {
    std::string model;
    Kind kind;
    double probability;
    std::uint64_t seed;
    TimePoint from, until;
    std::chrono::milliseconds delay;
    std::unique_ptr<std::atomic<std::uint64_t>> calls = std::make_unique<std::atomic<std::uint64_t>>(0);
  };
  [[nodiscard]] const Fault* struck(const std::string& model, TimePoint now) const;

  ModelCall& models_;
  Timers& timers_;
  std::vector<Fault> faults_;
};

}  // namespace fovea::routing
