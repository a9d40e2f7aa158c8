#include "reviews/reviews.h"

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "commands.h"
#include "common.h"

namespace fovea::cli {
namespace {

struct ReviewsArguments {
  TaskOptions task;
  std::string state = "pending";
  std::size_t limit = 100;
  std::int64_t after = 0;
  std::int64_t id = 0;
  std::string who;
  std::string reason;
  std::string fields;
  std::string folder;
  bool supersede = false;
  bool json = false;
};

std::string dump(const nlohmann::ordered_json& json, int indent = -1) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<std::unique_ptr<reviews::ReviewQueue>> open(const ReviewsArguments& arguments) {
  FOVEA_TRY(auto known_tasks, arguments.task.load());
  return reviews::ReviewQueue::open(reviews::ReviewQueue::default_folder(), std::move(known_tasks));
}

/// The name in the history: `--who`, else the login name.
std::string decider_name(const ReviewsArguments& arguments) {
  if (!arguments.who.empty()) return arguments.who;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the program sets no variables.
  const char* user = std::getenv("USER");
  return user == nullptr || *user == '\0' ? "someone" : user;
}

int print_decision(const ReviewsArguments& arguments, const reviews::Review& review) {
  if (arguments.json) {
    fmt::print("{}\n", dump(review.to_json()));
  } else {
    fmt::print("review {}: {} by {}\n", review.id, reviews::state_name(review.state),
               review.history.back().who);
  }
  return 0;
}

Result<int> list(const ReviewsArguments& arguments) {
  std::optional<reviews::State> state;
  if (arguments.state != "all") state = reviews::parse_state(arguments.state);
  FOVEA_TRY(auto queue, open(arguments));
  FOVEA_TRY(const auto page, queue->list(state, arguments.limit, arguments.after));
  FOVEA_TRY(const auto counts, queue->counts());
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const auto& review : page.reviews) {
    all.push_back(review.to_json());
    if (arguments.json) continue;
    fmt::print("{:>6}  {:<9}  {}  {:<16}  {}\n        {}\n", review.id, reviews::state_name(review.state),
               review.created, review.task, dump(review.fields), review.reason);
  }
  const nlohmann::ordered_json after =
      page.after ? nlohmann::ordered_json(*page.after) : nlohmann::ordered_json(nullptr);
  if (arguments.json) {
    fmt::print("{}\n", dump({{"reviews", all}, {"after", after}}));
  } else {
    fmt::print(stderr, "{} pending, {} accepted, {} corrected, {} rejected\n", counts.pending,
               counts.accepted, counts.corrected, counts.rejected);
    if (page.after) fmt::print(stderr, "there are more: --after {}\n", *page.after);
  }
  return 0;
}

Result<int> show(const ReviewsArguments& arguments) {
  FOVEA_TRY(auto queue, open(arguments));
  FOVEA_TRY(const auto review, queue->get(arguments.id));
  fmt::print("{}\n", dump(review.to_json(), arguments.json ? -1 : 2));
  return 0;
}

Result<int> accept(const ReviewsArguments& arguments) {
  FOVEA_TRY(auto queue, open(arguments));
  FOVEA_TRY(const auto review,
            queue->accept(arguments.id, {.who = decider_name(arguments), .supersede = arguments.supersede}));
  return print_decision(arguments, review);
}

Result<int> correct(const ReviewsArguments& arguments) {
  FOVEA_TRY(const auto changes, parse_json(arguments.fields, "--fields"));
  if (!changes.is_object()) return fail(ErrorCode::kUsage, "--fields: expected a JSON object");
  FOVEA_TRY(auto queue, open(arguments));
  FOVEA_TRY(const auto before, queue->get(arguments.id));
  nlohmann::ordered_json fields = before.fields;
  for (const auto& [name, value] : changes.items()) fields[name] = value;
  FOVEA_TRY(const auto review,
            queue->correct(arguments.id, fields,
                           {.who = decider_name(arguments), .supersede = arguments.supersede}));
  return print_decision(arguments, review);
}

Result<int> reject(const ReviewsArguments& arguments) {
  FOVEA_TRY(auto queue, open(arguments));
  FOVEA_TRY(const auto review,
            queue->reject(arguments.id, arguments.reason,
                          {.who = decider_name(arguments), .supersede = arguments.supersede}));
  return print_decision(arguments, review);
}

Result<int> reopen(const ReviewsArguments& arguments) {
  FOVEA_TRY(auto queue, open(arguments));
  FOVEA_TRY(const auto review, queue->reopen(arguments.id, arguments.reason, decider_name(arguments)));
  return print_decision(arguments, review);
}

Result<int> export_set(const ReviewsArguments& arguments) {
  FOVEA_TRY(auto queue, open(arguments));
  FOVEA_TRY(const auto done, queue->export_set(arguments.task.name, arguments.folder));
  fmt::print("{}: {} pictures with their truth", arguments.folder, done.written);
  if (done.without_picture > 0)
    fmt::print("; {} decided reviews have no picture any more", done.without_picture);
  fmt::print("\n");
  return 0;
}

}  // namespace

void add_reviews(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ReviewsArguments>();
  CLI::App* command = app.add_subcommand("reviews", "Readings that wait for a person");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* text, Result<int> (*run)(const ReviewsArguments&)) {
    CLI::App* part = command->add_subcommand(name, text);
    part->add_flag("--json", arguments->json, "Print JSON on one line");
    arguments->task.add_paths_to(*part);
    part->callback([arguments, run, &action] {
      action = [arguments, run] {
        const auto done = run(*arguments);
        return done ? *done : report(done.error());
      };
    });
    return part;
  };
  const auto add_id = [&](CLI::App* part) {
    part->add_option("id", arguments->id, "The review's number")->required()->type_name("ID");
    return part;
  };
  const auto add_decider = [&](CLI::App* part, bool may_supersede) {
    add_id(part)
        ->add_option("--who", arguments->who, "Your name in the history (default: $USER)")
        ->type_name("NAME");
    if (may_supersede) part->add_flag("--supersede", arguments->supersede, "Decide again what was decided");
    return part;
  };
  CLI::App* listing = add("list", "The reviews of one state, oldest first", list);
  listing->add_option("--state", arguments->state, "pending, accepted, corrected, rejected or all")
      ->capture_default_str()
      ->type_name("STATE")
      ->check(CLI::IsMember({"pending", "accepted", "corrected", "rejected", "all"}).description(""));
  listing->add_option("--limit", arguments->limit, "Reviews at most")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(1, 1000).description(""));
  listing->add_option("--after", arguments->after, "Those behind this number")->type_name("ID");
  add_id(add("show", "One review with its history", show));
  add_decider(add("accept", "The reading is right", accept), true);
  add_decider(add("correct", "Say what is right", correct), true)
      ->add_option("--fields", arguments->fields, "What is right, for the fields that were not")
      ->required()
      ->type_name("JSON");
  for (CLI::App* part : {add_decider(add("reject", "No reading is right", reject), true),
                         add_decider(add("reopen", "Decide later, after all", reopen), false)}) {
    part->add_option("--reason", arguments->reason, "Why")->required()->type_name("TEXT");
  }
  CLI::App* exporting =
      add("export", "Write what was decided as a data directory of fovea evaluate", export_set);
  exporting->add_option("folder", arguments->folder, "A new folder")->required()->type_name("DIR");
  exporting->add_option("--task", arguments->task.name, "The task")->capture_default_str()->type_name("NAME");
}

}  // namespace fovea::cli
