// How many decode steps the card task takes with jump-forward, against the tokens of its answers:
// jump_forward_bench TOKENIZER_FOLDER [MANIFEST]
//
// Counts, for a model that answers what is true: what the schema dictates is appended, and each other token,
// as the tokenizer cuts the answer, is a step.

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "grammar/grammar.h"
#include "grammar/matcher.h"
#include "tasks/task_set.h"
#include "text/tokenizer.h"

namespace fovea::grammar {
namespace {

struct Count {
  std::size_t tokens = 0;
  std::size_t steps = 0;
};

/// The token that a model writes next towards `answer`, of which `written` bytes are there.
std::int32_t next_token(const text::Tokenizer& tokenizer, const TokenVocabulary& vocabulary,
                        const std::string& answer, std::size_t written) {
  std::size_t position = 0;
  for (const std::int32_t id : tokenizer.encode(answer)) {
    if (position == written) return id;
    position += vocabulary.bytes(id).size();
  }
  return tokenizer.encode(answer.substr(written)).front();  // the jump ended inside a token
}

Result<Count> count(const text::Tokenizer& tokenizer, const TokenGrammar::Pointer& grammar,
                    const std::string& answer) {
  Matcher matcher(grammar);
  const TokenVocabulary& vocabulary = matcher.vocabulary();
  std::vector<std::int32_t> ids;
  Count counted;
  while (true) {
    const JumpPlan plan = plan_jump(tokenizer, matcher, ids);
    matcher.rollback(ids.size() - plan.keep);
    ids.resize(plan.keep);
    for (const std::int32_t id : plan.append) {
      if (!matcher.accept(id)) return fail(ErrorCode::kInternal, "a dictated token was refused");
      ids.push_back(id);
    }
    const std::string text = vocabulary.text(ids);
    if (!answer.starts_with(text)) {
      return fail(ErrorCode::kInternal, fmt::format("expected a beginning of {}, found {}", answer, text));
    }
    if (text == answer) break;
    const std::int32_t id = next_token(tokenizer, vocabulary, answer, text.size());
    if (!matcher.accept(id)) return fail(ErrorCode::kInvalidArgument, "the schema refuses " + answer);
    ids.push_back(id);
    ++counted.steps;
  }
  counted.tokens = ids.size();
  return counted;
}

Result<void> run(const std::filesystem::path& folder, const std::filesystem::path& manifest) {
  FOVEA_TRY(const auto tokenizer, text::Tokenizer::load(folder));
  const tasks::Task& task = *tasks::builtin_tasks()->find("trading-card");
  const std::int32_t eos = -1;
  FOVEA_TRY(auto grammar, Grammar::from_schema_text(task.json_schema().dump()));
  const auto bound = std::make_shared<const TokenGrammar>(
      std::move(grammar), std::make_shared<const TokenVocabulary>(tokenizer, std::span(&eos, 0)));
  FOVEA_TRY(const std::string lines, read_file(manifest));
  Count all;
  std::size_t cards = 0;
  std::istringstream stream(lines);
  for (std::string line; std::getline(stream, line);) {
    const auto truth = nlohmann::ordered_json::parse(line)["truth"];
    nlohmann::ordered_json answer;
    for (const tasks::Field& field : task.fields) answer[field.name] = truth[field.name];
    FOVEA_TRY(const Count one, count(tokenizer, bound, answer.dump()));
    all.tokens += one.tokens;
    all.steps += one.steps;
    ++cards;
  }
  fmt::print("{}: {} cards, {} tokens in {} decode steps, {:.2f} tokens a step\n", folder.string(), cards,
             all.tokens, all.steps, static_cast<double>(all.tokens) / static_cast<double>(all.steps));
  return {};
}

}  // namespace
}  // namespace fovea::grammar

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    fmt::print(stderr, "usage: jump_forward_bench TOKENIZER_FOLDER [MANIFEST]\n");
    return 2;
  }
  const std::filesystem::path manifest =
      argc == 3 ? argv[2] : FOVEA_SOURCE_DIR "/models/eval/trading-card/clean/manifest.jsonl";
  const auto done = fovea::grammar::run(argv[1], manifest);
  if (!done) fmt::print(stderr, "jump_forward_bench: {}\n", done.error().message);
  return done ? 0 : 1;
}
