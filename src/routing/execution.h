#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "routing/core.h"

namespace fovea::routing {

/// One request on its way through its plan. Whatever happens to it (an answer, a timer, the client leaving)
/// is an event in a queue; whoever puts one into an empty queue handles it and those that come meanwhile. So
/// handlers never run beside one another, hold no lock while they call out, and a model that answers before
/// ask() returns is nothing special. Private to the room.
class Execution : public std::enable_shared_from_this<Execution> {
 public:
  static void start(std::shared_ptr<Core> core, Plan plan, Question question,
                    std::optional<TimePoint> deadline, std::stop_token stop, Listener listener);

  Execution(std::shared_ptr<Core> core, Plan plan, Question question, std::optional<TimePoint> deadline,
            Listener listener);

 private:
  // Events.
  struct Start {};
  struct Came {
    std::size_t call = {};
    Result<Answer> answer;
  };
  struct Rang {
    std::size_t number = {};  // of the timer
  };
  struct Left {};     // the client
  struct Closing {};  // the router
  using Event = std::variant<Start, Came, Rang, Left, Closing>;

  /// A step of the plan, or a further model that may stand in.
  struct Stage {
    Step::Kind kind = {};
    std::vector<std::string> models = {};
    bool planned = true;
    bool forced = false;  // the breaker is not asked
    std::size_t running = 0;
    std::vector<std::pair<std::string, Answer>> votes = {};
  };
  struct Call {
    std::string model = {};
    std::size_t stage = {};
    std::size_t attempt = {};  // its place in outcome_.attempts
    std::size_t tries = {};
    ModelHealth* health = {};
    CircuitBreaker::Permit permit;
    TimePoint started = {}, give_up = {};
    std::stop_source stop = {};
    bool over = false;
  };
  /// An answer that is given if none better comes.
  struct Held {
    Answer answer;
    std::string model = {};
    bool planned;
  };

  void count_request();
  void post(Event event);
  void handle(Start event);
  void handle(Came event);
  void handle(Rang event);
  void handle(Left event);
  void handle(Closing event);

  // Beginning calls.
  bool open_next();
  bool begin(std::size_t stage);
  bool ask(const std::string& model, std::size_t stage, std::size_t tries);
  [[nodiscard]] bool worth(const Stage& stage) const;
  bool ask_again(const Call& call, const Error& error);

  // What calls lead to.
  void answered(Call& call, Answer answer);
  void lost(Call& call);
  void time_out(Call& call);
  void show(const std::string& model, const Answer& answer);
  void hold(const Call& call, Answer answer);
  void proceed();
  void conclude_vote(Stage& stage);
  void at_deadline();

  // The end.
  void finish_held();
  void finish_empty();
  void finish_with(Answer answer, std::string model, bool degraded);
  void finish_with(Error error);
  void finish();
  void give_up(Call& call);

  // Time.
  void arrange_hedge();
  void arrange_timer();
  [[nodiscard]] double left_ms() const;

  [[nodiscard]] bool running() const;
  [[nodiscard]] bool planned_running() const;
  [[nodiscard]] bool voted() const;
  void note(Call& call, const char* outcome, std::string detail);
  void remark(std::string_view text);

  const std::shared_ptr<Core> core_;
  const Plan plan_;
  const std::shared_ptr<const Question> question_;
  std::optional<TimePoint> deadline_;
  const TimePoint started_;
  Listener listener_;

  std::mutex mutex_;
  std::deque<Event> events_;  // guarded by mutex_
  bool handling_ = false;     // guarded by mutex_

  // Touched by handlers alone.
  std::vector<Stage> stages_;
  std::size_t next_ = 0;  // the stage that has not begun
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<std::string> barred_;  // models whose breaker was open
  bool resorted_ = false;
  std::optional<Held> held_;
  std::vector<std::pair<std::string, Error>> errors_;
  std::string remarks_;
  Outcome outcome_;
  bool finished_ = false;
  TimePoint hedge_at_ = TimePoint::max();
  std::optional<Timers::Id> timer_;
  TimePoint timer_at_ = TimePoint::max();
  std::size_t timer_number_ = 0;

  using Watch = std::optional<std::stop_callback<std::function<void()>>>;
  Watch left_, closing_;
};

}  // namespace fovea::routing
