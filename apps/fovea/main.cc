#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "commands.h"

namespace {

/// Gives every named option of every subcommand its environment variable: --max-new-tokens is
/// FOVEA_MAX_NEW_TOKENS, in subcommands of subcommands too.
void name_environment_variables(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({})) {
    name_environment_variables(*command);
    for (CLI::Option* option : command->get_options()) {
      if (option->get_lnames().empty() || option == command->get_help_ptr()) continue;
      std::string variable = "FOVEA_" + option->get_lnames().front();
      std::ranges::transform(variable, variable.begin(), [](unsigned char c) {
        return c == '-' ? '_' : static_cast<char>(std::toupper(c));
      });
      option->envname(variable);
    }
    name_environment_variables(*command);
  }
}

/// "fovea generate: --prompt is required", and where to read on.
std::string usage_message(const CLI::App* app, const CLI::Error& error) {
  const auto commands = app->get_subcommands();
  std::string program = commands.empty() ? "fovea" : "fovea " + commands.front()->get_name();
  if (!commands.empty() && !commands.front()->get_subcommands().empty()) {
    program += " " + commands.front()->get_subcommands().front()->get_name();
  }
  return fmt::format("{}: {}\nTry: {} --help\n", program, error.what(), program);
}

/// The parser would only say that a subcommand is required. True where `name` is none.
bool is_unknown_command(const CLI::App& app, const std::string& name) {
  std::string known;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == name) return false;
    known += (known.empty() ? "" : ", ") + command->get_name();
  }
  fmt::print(stderr, "fovea: no command \"{}\"; there is: {}\nTry: fovea --help\n", name, known);
  return true;
}

/// The parser takes "[a,b]" for a list of two; a file or folder of such a name is spelled so that it stays
/// one.
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (std::string& argument : arguments) {
    std::error_code ignored;
    if (argument.starts_with('[') && argument.ends_with(']') && std::filesystem::exists(argument, ignored)) {
      argument.insert(0, "./");
    }
  }
  std::ranges::reverse(arguments);  // the order that the parser wants
  return arguments;
}

int run(int argc, char** argv) {
  CLI::App app{"fovea: answers questions about images with small vision-language models, on CPUs", "fovea"};
  app.set_version_flag("--version", FOVEA_VERSION);
  app.require_subcommand(1);
  app.failure_message(usage_message);
  fovea::cli::Action action;
  fovea::cli::add_recognize(app, action);
  fovea::cli::add_serve(app, action);
  fovea::cli::add_evaluate(app, action);
  fovea::cli::add_select(app, action);
  fovea::cli::add_calibrate(app, action);
  fovea::cli::add_compare(app, action);
  fovea::cli::add_tasks(app, action);
  fovea::cli::add_catalog(app, action);
  fovea::cli::add_reviews(app, action);
  fovea::cli::add_cache(app, action);
  fovea::cli::add_bench(app, action);
  fovea::cli::add_doctor(app, action);
  fovea::cli::add_generate(app, action);
  fovea::cli::add_tokenize(app, action);
  fovea::cli::add_quantize(app, action);
  fovea::cli::add_prune(app, action);
  fovea::cli::add_export_edge(app, action);
  fovea::cli::add_synth_checkpoint(app, action);
  name_environment_variables(app);
  if (argc > 1 && argv[1][0] != '-' && is_unknown_command(app, argv[1])) return 2;
  try {
    app.parse(arguments_of(argc, argv));
  } catch (const CLI::ParseError& error) {
    // Help and version are asked for; everything else is a usage error, whatever number the parser gives it.
    const bool asked = error.get_exit_code() == 0;
    app.exit(error);
    return asked ? 0 : 2;
  }
  return action();
}

/// What a buffer still holds may meet a full disk: an answer that nobody got is a failure.
int flush_output(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  fmt::print(stderr, "fovea: cannot write to standard output: {}\n",
             std::error_code(errno, std::generic_category()).message());
  return code == 0 ? 1 : code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return flush_output(run(argc, argv));
  } catch (const std::system_error& error) {
    fmt::print(stderr, "fovea: {}\n", error.what());
    return 1;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "fovea: not enough memory\n");
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "fovea: internal error: {}\n", error.what());
    return 3;
  }
}
