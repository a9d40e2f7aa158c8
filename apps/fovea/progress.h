#pragma once

#include <cstddef>

#include "base/clock.h"

namespace fovea::cli {

/// A line on standard error with count, rate and time left, redrawn in place; nothing where standard error
/// is no terminal.
class Progress {
 public:
  explicit Progress(std::size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows that `done` of the total are done.
  void show(std::size_t done);
  /// Takes the line away, before something else is printed.
  void clear();

 private:
  std::size_t total_;
  bool terminal_;
  bool shown_ = false;
  Stopwatch watch_;
};

}  // namespace fovea::cli
