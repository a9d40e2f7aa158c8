#include "cache/single_flight.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "answers.h"

namespace fovea::cache {
namespace {

using Flights = SingleFlight<std::string>;

/// One request: what became of it, and its lead where it got one.
struct Request {
  std::optional<Flights::Outcome> outcome;
  int starts = 0;
  int calls = 0;
  Flights::Ticket ticket;
  std::optional<Flights::Lead> lead;  // goes first: a lead that goes is given up, and its outcome heard

  void join(Flights& flights, std::string_view key, Clock::time_point deadline = Clock::time_point::max()) {
    ticket = flights.join(
        test_key(key), deadline,
        [this](Flights::Lead given) {
          ++starts;
          lead.emplace(std::move(given));
        },
        [this](Flights::Outcome heard) {
          ++calls;
          outcome = std::move(heard);
        });
  }
  void succeed(const std::string& value) { lead->complete(std::make_shared<const std::string>(value)); }
  void fail_with(ErrorCode code) { lead->complete(fail(code, "a reason")); }
  [[nodiscard]] std::string heard() const {
    if (!outcome) return "nothing";
    return *outcome ? **outcome.value() : error_name(outcome->error().code);
  }
};

class SingleFlightTest : public ::testing::Test {
 protected:
  Timer timer;
  Flights flights{timer};
  Request a, b, c;
};

TEST_F(SingleFlightTest, OneComputesForAll) {
  a.join(flights, "k");
  b.join(flights, "k");
  c.join(flights, "k");
  EXPECT_EQ(a.starts, 1);
  EXPECT_EQ(b.starts + c.starts, 0);
  EXPECT_EQ(b.heard(), "nothing");
  a.succeed("value");
  for (const Request* request : {&a, &b, &c}) {
    EXPECT_EQ(request->heard(), "value");
    EXPECT_EQ(request->calls, 1);
  }
  EXPECT_EQ(&**a.outcome.value(), &**b.outcome.value()) << "shared, not copied";
  EXPECT_EQ(flights.stats().led, 1U);
  EXPECT_EQ(flights.stats().followed, 2U);
  EXPECT_EQ(flights.stats().in_flight, 0U);
}

TEST_F(SingleFlightTest, OtherKeysAndLaterRequestsComputeThemselves) {
  a.join(flights, "k");
  b.join(flights, "other");
  EXPECT_EQ(b.starts, 1);
  a.succeed("value");
  c.join(flights, "k");
  EXPECT_EQ(c.starts, 1);
}

TEST_F(SingleFlightTest, FollowersGetTheErrorOfTheirRequestOrAFullServer) {
  for (const ErrorCode code : {ErrorCode::kInvalidImage, ErrorCode::kUnavailable, ErrorCode::kInternal}) {
    Request leader, follower;
    leader.join(flights, "k");
    follower.join(flights, "k");
    leader.fail_with(code);
    EXPECT_EQ(leader.heard(), error_name(code));
    EXPECT_EQ(follower.heard(), error_name(code));
    EXPECT_EQ(follower.starts, 0);
  }
}

TEST_F(SingleFlightTest, AComputationGoesOnForTheOthersWhenItsLeaderCancels) {
  a.join(flights, "k");
  b.join(flights, "k");
  int stopped = 0;
  a.lead->when_unwanted([&] { ++stopped; });
  a.ticket.cancel();
  EXPECT_EQ(a.heard(), "cancelled");
  EXPECT_EQ(b.starts, 0);
  EXPECT_TRUE(a.lead->is_wanted());
  c.join(flights, "k");
  a.succeed("value");
  EXPECT_EQ(b.heard(), "value");
  EXPECT_EQ(c.heard(), "value");
  EXPECT_EQ(a.calls, 1);
  EXPECT_EQ(stopped, 0);
}

TEST_F(SingleFlightTest, AComputationThatNobodyWaitsForIsToldSo) {
  a.join(flights, "k");
  b.join(flights, "k");
  int stopped = 0;
  a.lead->when_unwanted([&] { ++stopped; });
  b.ticket.cancel();
  EXPECT_EQ(stopped, 0);
  a.ticket.cancel();
  EXPECT_EQ(stopped, 1);
  EXPECT_FALSE(a.lead->is_wanted());
  a.lead->when_unwanted([&] { ++stopped; });
  EXPECT_EQ(stopped, 2) << "at once, where it is so already";
  c.join(flights, "k");
  EXPECT_EQ(c.starts, 1) << "who comes later begins anew";
  a.succeed("too late");
  EXPECT_EQ(c.heard(), "nothing");
}

TEST_F(SingleFlightTest, ALeaderWhoseComputationMissesItsDeadlineHandsOver) {
  a.join(flights, "k");
  b.join(flights, "k");
  a.fail_with(ErrorCode::kDeadline);
  EXPECT_EQ(a.heard(), error_name(ErrorCode::kDeadline)) << "the deadline was its own";
  ASSERT_EQ(b.starts, 1);
  b.succeed("value");
  EXPECT_EQ(b.heard(), "value");
}

TEST_F(SingleFlightTest, ALeaderWhoseComputationWasCancelledHandsOver) {
  a.join(flights, "k");
  b.join(flights, "k");
  a.fail_with(ErrorCode::kCancelled);
  EXPECT_EQ(a.heard(), "cancelled");
  EXPECT_EQ(b.starts, 1);
}

TEST_F(SingleFlightTest, ALeadThatIsDroppedHandsOver) {
  a.join(flights, "k");
  b.join(flights, "k");
  a.lead.reset();
  EXPECT_EQ(a.heard(), "cancelled");
  ASSERT_EQ(b.starts, 1);
  b.lead.reset();
  EXPECT_EQ(b.heard(), "cancelled");
  EXPECT_EQ(flights.stats().in_flight, 0U);
}

TEST_F(SingleFlightTest, AFollowerThatCancelsLeavesTheOthersAlone) {
  a.join(flights, "k");
  b.join(flights, "k");
  c.join(flights, "k");
  b.ticket.cancel();
  b.ticket.cancel();
  EXPECT_EQ(b.heard(), "cancelled");
  a.succeed("value");
  EXPECT_EQ(b.calls, 1);
  EXPECT_EQ(c.heard(), "value");
}

TEST_F(SingleFlightTest, CancellingAfterTheOutcomeChangesNothing) {
  a.join(flights, "k");
  a.succeed("value");
  a.ticket.cancel();
  EXPECT_EQ(a.heard(), "value");
  EXPECT_EQ(a.calls, 1);
}

TEST_F(SingleFlightTest, EveryParticipantHasItsOwnDeadline) {
  std::promise<std::string> late;
  a.join(flights, "k");
  flights.join(
      test_key("k"), Clock::now() + std::chrono::milliseconds(1), [](Flights::Lead) { FAIL(); },
      [&](Flights::Outcome outcome) { late.set_value(error_name(outcome.error().code)); });
  EXPECT_EQ(late.get_future().get(), "deadline_exceeded");
  a.succeed("value");
  EXPECT_EQ(a.heard(), "value");
}

TEST_F(SingleFlightTest, ALeaderWhoseDeadlinePassesLeavesItsComputationToTheOthers) {
  std::promise<std::string> late;
  std::optional<Flights::Lead> lead;
  flights.join(
      test_key("k"), Clock::now() + std::chrono::milliseconds(50),
      [&](Flights::Lead given) { lead.emplace(std::move(given)); },
      [&](Flights::Outcome outcome) { late.set_value(error_name(outcome.error().code)); });
  b.join(flights, "k", soon());
  EXPECT_EQ(late.get_future().get(), "deadline_exceeded");
  lead->complete(std::make_shared<const std::string>("value"));
  EXPECT_EQ(b.heard(), "value");
}

TEST_F(SingleFlightTest, AComputationThatTakesTooLongIsBegunAgainByTheNext) {
  Flights impatient(timer, std::chrono::milliseconds(1));
  a.join(impatient, "k");
  std::promise<std::string> value;
  impatient.join(
      test_key("k"), soon(),
      [](Flights::Lead lead) { lead.complete(std::make_shared<const std::string>("the follower's")); },
      [&](Flights::Outcome outcome) { value.set_value(*outcome.value()); });
  EXPECT_EQ(value.get_future().get(), "the follower's");
  timer.stop();
  EXPECT_EQ(a.heard(), "the follower's") << "the first success is everyone's";
  EXPECT_FALSE(a.lead->is_wanted());
  a.succeed("too late");
  EXPECT_EQ(a.calls, 1);
}

TEST_F(SingleFlightTest, OneOfTwoComputationsMayFail) {
  Flights impatient(timer, std::chrono::milliseconds(1));
  a.join(impatient, "k");
  std::promise<void> begun;
  Request second;
  second.ticket = impatient.join(
      test_key("k"), Clock::time_point::max(),
      [&](Flights::Lead lead) {
        second.lead.emplace(std::move(lead));
        begun.set_value();
      },
      [&](Flights::Outcome outcome) { second.outcome = std::move(outcome); });
  begun.get_future().wait();
  timer.stop();
  a.fail_with(ErrorCode::kInternal);
  EXPECT_EQ(a.heard(), "nothing") << "the other computation may succeed";
  second.succeed("value");
  EXPECT_EQ(a.heard(), "value");
  EXPECT_EQ(second.heard(), "value");
}

TEST_F(SingleFlightTest, AComputationThatEndsAtOnceIsFine) {
  std::string heard;
  flights.join(
      test_key("k"), soon(),
      [](Flights::Lead lead) { lead.complete(std::make_shared<const std::string>("at once")); },
      [&](Flights::Outcome outcome) { heard = *outcome.value(); });
  EXPECT_EQ(heard, "at once");
}

TEST_F(SingleFlightTest, HearsExactlyOnceWhateverHappensTogether) {
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  std::atomic<int> heard{0};
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          const std::string key = std::to_string(i % 3);
          const int kind = (i + t) % 5;
          const auto deadline = kind == 4 ? Clock::now() + std::chrono::microseconds(50) : soon();
          const Flights::Ticket ticket = flights.join(
              test_key(key), deadline,
              [key, kind](Flights::Lead lead) {
                if (kind == 0) return;  // dropped
                if (kind == 1) {
                  lead.complete(fail(ErrorCode::kInvalidImage, "wrong"));
                  return;
                }
                std::thread([key, kept = std::move(lead)]() mutable {
                  kept.complete(std::make_shared<const std::string>(key));
                }).detach();
              },
              [&, key](Flights::Outcome outcome) {
                if (outcome && *outcome.value() != key) ++wrong;
                ++heard;
              });
          if (kind == 3) ticket.cancel();
        }
      });
    }
  }
  const Clock::time_point deadline = soon();
  while (heard < kThreads * kEach && Clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(heard, kThreads * kEach);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(flights.stats().in_flight, 0U);
  timer.stop();
}

}  // namespace
}  // namespace fovea::cache
