#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace fovea::cli {

/// What a command line asked for; returns the process's exit code. Set by the subcommand that was parsed.
using Action = std::function<int()>;

void add_generate(CLI::App& app, Action& action);
void add_tokenize(CLI::App& app, Action& action);
void add_quantize(CLI::App& app, Action& action);
void add_export_edge(CLI::App& app, Action& action);
void add_prune(CLI::App& app, Action& action);
void add_synth_checkpoint(CLI::App& app, Action& action);
void add_recognize(CLI::App& app, Action& action);
void add_calibrate(CLI::App& app, Action& action);
void add_evaluate(CLI::App& app, Action& action);
void add_select(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_serve(CLI::App& app, Action& action);
void add_cache(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_tasks(CLI::App& app, Action& action);
void add_catalog(CLI::App& app, Action& action);
void add_reviews(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);

}  // namespace fovea::cli
