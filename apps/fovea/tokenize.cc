#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "commands.h"
#include "common.h"
#include "registry/locate.h"
#include "text/tokenizer.h"

namespace fovea::cli {
namespace {

constexpr std::size_t kMaxInputBytes = std::size_t{256} << 20;

struct TokenizeArguments {
  std::string model;
  bool json = false;
};

Result<void> tokenize(const TokenizeArguments& arguments) {
  FOVEA_TRY(const auto directory, registry::locate_model(arguments.model));
  FOVEA_TRY(const auto tokenizer, text::Tokenizer::load(directory));
  FOVEA_TRY(const std::string input, read_standard_input(kMaxInputBytes));
  const auto ids = tokenizer.encode(input);
  if (arguments.json) {
    const nlohmann::ordered_json json{{"ids", ids}, {"text", tokenizer.decode(ids, /*skip_special=*/false)}};
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    for (const auto id : ids)
      fmt::print("{}\t{}\n", id, nlohmann::json(tokenizer.decode({{id}}, false)).dump());
  }
  return {};
}

}  // namespace

void add_tokenize(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<TokenizeArguments>();
  CLI::App* command = app.add_subcommand("tokenize", "Print the token ids of the text on standard input");
  command->add_option("--model", arguments->model, "A checkpoint directory, or the name of a model")
      ->required()
      ->type_name("NAME|DIR");
  command->add_flag("--json", arguments->json, "Print one JSON object: ids and the decoded text");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = tokenize(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
