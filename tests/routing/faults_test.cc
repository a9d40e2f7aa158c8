#include "routing/faults.h"

#include <gtest/gtest.h>

#include <set>

#include "routing/simulation.h"

namespace fovea::routing {
namespace {

using std::chrono::milliseconds;
using test::ScriptedModels;
using test::SimulatedTimers;

class FaultsTest : public ::testing::Test {
 protected:
  /// Asks a model through the faults; what came, and when.
  std::optional<Result<Answer>> ask(FaultyModels& faulty, const std::string& model = "m",
                                    std::stop_token stop = {}) {
    auto came = std::make_shared<std::optional<Result<Answer>>>();
    faulty.ask({.model = model, .stop = std::move(stop)}, [came, this](Result<Answer> answer) {
      EXPECT_FALSE(*came) << "answered twice";
      *came = std::move(answer);
      at = timers.now();
    });
    timers.run_all();
    return *came;
  }
  FaultyModels with(std::vector<config::FaultConfig> faults) { return {models, timers, faults}; }

  SimulatedTimers timers;
  ScriptedModels models{timers, [](const Ask&, std::size_t) { return test::Behaviour{}; }};
  TimePoint at;
};

TEST_F(FaultsTest, WithoutFaultsNothingChanges) {
  FaultyModels faulty = with({});
  EXPECT_EQ(ask(faulty)->value().fields["value"], "right");
}

TEST_F(FaultsTest, AnErrorStrikesTheModelItNamesAndNoOther) {
  FaultyModels faulty = with({{.model = "m", .kind = "error"}});
  EXPECT_EQ(ask(faulty)->error().code, ErrorCode::kInternal);
  EXPECT_TRUE(ask(faulty, "other")->has_value());
  EXPECT_EQ(models.asked("m"), 0U);
}

TEST_F(FaultsTest, ASlowCallComesLate) {
  FaultyModels faulty = with({{.kind = "slow", .delay_ms = 500}});
  const TimePoint start = timers.now();
  EXPECT_TRUE(ask(faulty)->has_value());
  EXPECT_EQ(at - start, milliseconds(510));
}

TEST_F(FaultsTest, AHangEndsWithTheStop) {
  FaultyModels faulty = with({{.kind = "hang"}});
  std::stop_source stop;
  auto came = std::make_shared<int>(0);
  faulty.ask({.model = "m", .stop = stop.get_token()}, [came](Result<Answer> answer) {
    ++*came;
    EXPECT_EQ(answer.error().code, ErrorCode::kCancelled);
  });
  timers.run_all();
  EXPECT_EQ(*came, 0);
  stop.request_stop();
  EXPECT_EQ(*came, 1);
  EXPECT_EQ(ask(faulty, "m", stop.get_token())->error().code, ErrorCode::kCancelled) << "stopped before";
}

TEST_F(FaultsTest, AWrongShapeIsNoFormOfTheTask) {
  FaultyModels faulty = with({{.kind = "wrong-shape"}});
  const auto answer = ask(faulty);
  EXPECT_FALSE(tasks::check_fields(test::task_of_one_field(), answer->value().fields));
}

TEST_F(FaultsTest, StrikesInItsTimeOnly) {
  FaultyModels faulty = with({{.kind = "error", .after_s = 1, .for_s = 2}});
  EXPECT_TRUE(ask(faulty)->has_value());
  timers.run_for(milliseconds(1000));
  EXPECT_FALSE(ask(faulty)->has_value());
  timers.run_for(milliseconds(2000));
  EXPECT_TRUE(ask(faulty)->has_value());
}

TEST_F(FaultsTest, TheSeedDecidesWhichCallsAreStruck) {
  std::set<std::string> patterns;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    std::string pattern[2];
    for (std::string& run : pattern) {
      FaultyModels faulty = with({{.kind = "error", .probability = 0.3, .seed = seed}});
      for (int i = 0; i < 300; ++i) run += ask(faulty)->has_value() ? '.' : 'x';
    }
    EXPECT_EQ(pattern[0], pattern[1]) << "a run can be repeated";
    EXPECT_NEAR(static_cast<double>(std::ranges::count(pattern[0], 'x')), 90, 35);
    patterns.insert(pattern[0]);
  }
  EXPECT_EQ(patterns.size(), 8U);
}

}  // namespace
}  // namespace fovea::routing
