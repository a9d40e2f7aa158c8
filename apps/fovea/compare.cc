#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "commands.h"
#include "common.h"
#include "evaluate/agreement.h"
#include "evaluate/evaluate.h"
#include "progress.h"
#include "registry/locate.h"
#include "tasks/task_set.h"

namespace fovea::cli {
namespace {

struct CompareArguments {
  ModelOptions model;
  std::string reference;
  std::string reference_dtype;     // empty: as stored
  std::string reference_kv_cache;  // empty: as goes with the weights
  TaskOptions task;
  std::string data;
  std::size_t limit = 0;           // 0: all
  std::size_t max_new_tokens = 0;  // 0: as the task says
  bool json = false;
};

Result<std::unique_ptr<engine::Generator>> open(const ModelOptions& model) {
  FOVEA_TRY(const auto directory, registry::locate_model(model.model));
  const auto options = model.generator_options();
  return engine::Generator::open(directory, options);
}

/// The reference on the same threads as the model.
ModelOptions reference_of(const CompareArguments& arguments) {
  ModelOptions reference = arguments.model;
  reference.model = arguments.reference;
  reference.dtype = arguments.reference_dtype;
  reference.kv_cache = arguments.reference_kv_cache;
  return reference;
}

std::string title(const ModelOptions& model) {
  return model.model + (model.dtype.empty() ? "" : " in " + model.dtype) +
         (model.kv_cache.empty() ? "" : " with keys and values in " + model.kv_cache);
}

void print_table(const CompareArguments& arguments, const evaluate::Agreement& agreement) {
  const auto [low, high] = evaluate::wilson_interval95(agreement.same_top);
  fmt::print("{} against {}: {} pictures, {} without an answer, {} tokens\n", title(arguments.model),
             title(reference_of(arguments)), agreement.pictures, agreement.failed,
             agreement.same_top.compared);
  fmt::print("  {:<24} {:>8.2f} %   95 % interval {:.2f} to {:.2f}\n", "same most likely token",
             100 * agreement.same_top.rate(), 100 * low, 100 * high);
  fmt::print("  {:<24} {:>10.5f} nats a token\n", "divergence (KL)", agreement.mean_divergence());
  fmt::print("  {:<24} {:>10.5f}   least of a picture {:.5f}\n", "cosine, image features",
             agreement.image_features.mean(), agreement.image_features.least);
  fmt::print("  {:<24} {:>10.5f}   least of a picture {:.5f}\n", "cosine, logits", agreement.logits.mean(),
             agreement.logits.least);
}

Result<int> run_compare(const CompareArguments& arguments) {
  FOVEA_TRY(const auto known_tasks, arguments.task.load());
  FOVEA_TRY(const tasks::Task* task, known_tasks->require(arguments.task.name, ErrorCode::kUsage));
  FOVEA_TRY(auto examples, evaluate::read_manifest(arguments.data));
  if (arguments.limit > 0) examples.resize(std::min(examples.size(), arguments.limit));
  FOVEA_TRY(auto reference, open(reference_of(arguments)));
  FOVEA_TRY(auto model, open(arguments.model));
  Progress progress(examples.size());
  const auto after_each = [&](std::size_t done, const evaluate::Example& example,
                              const std::optional<Error>& error) {
    if (error) {
      progress.clear();
      report_failure(example.image.string(), *error);
    }
    progress.show(done);
  };
  const std::size_t max_new_tokens =
      arguments.max_new_tokens > 0 ? arguments.max_new_tokens : task->max_new_tokens;
  FOVEA_TRY(const auto agreement,
            evaluate::measure_agreement(*reference, *model,
                                        {.prompt = task->prompt, .max_new_tokens = max_new_tokens}, examples,
                                        after_each));
  progress.clear();
  if (arguments.json) {
    const auto kv_cache = [](const engine::Generator& generator) {
      return nn::key_value_type_name(generator.model().text().key_value_type());
    };
    nlohmann::ordered_json json{{"reference", arguments.reference},
                                {"reference_dtype", nn::precision_name(reference->model().precision())},
                                {"reference_kv_cache", kv_cache(*reference)},
                                {"model", arguments.model.model},
                                {"dtype", nn::precision_name(model->model().precision())},
                                {"kv_cache", kv_cache(*model)}};
    json.update(agreement.to_json());
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    print_table(arguments, agreement);
  }
  return agreement.failed > 0 ? 1 : 0;
}

}  // namespace

void add_compare(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App* command =
      app.add_subcommand("compare", "Measure how closely a model follows another, token by token");
  command->add_option("--reference", arguments->reference, "The model whose answers are followed")
      ->required()
      ->type_name("NAME|DIR");
  command
      ->add_option("--reference-dtype", arguments->reference_dtype,
                   "Its weights' type: f32, bf16, int8 or int4 (default: as stored)")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"f32", "bf16", "int8", "int4"}).description(""));
  command
      ->add_option("--reference-kv-cache", arguments->reference_kv_cache,
                   "What it keeps keys and values in: bf16 or int8 (default: bf16; beside f32 weights f32)")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"bf16", "int8"}).description(""));
  arguments->model.add_to(*command, /*model_required=*/true);
  arguments->task.add_to(*command);
  command->add_option("--data", arguments->data, "A folder with manifest.jsonl and its pictures")
      ->required()
      ->type_name("DIR");
  for (const auto& [name, value, text] :
       {std::tuple{"--limit", &arguments->limit, "Take so many pictures (default: all)"},
        std::tuple{"--max-new-tokens", &arguments->max_new_tokens,
                   "Follow so many tokens of each answer (default: as the task says)"}}) {
    command->add_option(name, *value, text)->type_name("N")->check(CLI::Range(1, 1 << 20).description(""));
  }
  command->add_flag("--json", arguments->json, "Print one JSON object");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_compare(*arguments);
      return done ? *done : report(done.error());
    };
  });
}

}  // namespace fovea::cli
