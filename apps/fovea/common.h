#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/result.h"
#include "engine/generator.h"

namespace fovea::cli {

/// The model that commands use unless told otherwise.
inline constexpr const char* kDefaultModel = "card-reader-m";

/// Prints "fovea: message" on standard error and gives the exit code that goes with the error.
int report(const Error& error);

/// Prints "fovea: file: message" for a picture that could not be read; what surrounds it goes on.
void report_failure(const std::string& file, const Error& error);

/// Options that every command with a model has.
struct ModelOptions {
  std::string model;
  std::string dtype;  ///< empty: as stored
  std::size_t threads = 0;
  std::string pin = "auto";
  bool mlock = false;
  bool huge_pages = false;

  /// `--model`, `--dtype`, `--threads`, `--pin`, `--mlock`, `--huge-pages` and their environment variables.
  void add_to(CLI::App& command, bool model_required);

  [[nodiscard]] engine::GeneratorOptions generator_options() const;
};

}  // namespace fovea::cli
