#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "commands.h"

namespace {

int run(int argc, char** argv) {
  CLI::App app{"fovea: answers questions about images with small vision-language models, on CPUs", "fovea"};
  app.set_version_flag("--version", FOVEA_VERSION);
  app.require_subcommand(1);
  fovea::cli::Action action;
  fovea::cli::add_recognize(app, action);
  fovea::cli::add_serve(app, action);
  fovea::cli::add_evaluate(app, action);
  fovea::cli::add_generate(app, action);
  fovea::cli::add_tokenize(app, action);
  fovea::cli::add_synth_checkpoint(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are asked for; everything else is a usage error, whatever number the parser gives it.
    const bool asked = error.get_exit_code() == 0;
    app.exit(error);
    return asked ? 0 : 2;
  }
  return action();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fovea: internal error: {}\n", error.what());
    return 3;
  }
}
