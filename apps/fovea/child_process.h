#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

#include "base/result.h"

namespace fovea::cli {

/// How a child of this program ended.
struct ChildOutcome {
  int exit_code = -1;        ///< -1 when a signal ended it
  int signal = 0;            ///< that one
  bool interrupted = false;  ///< this process was asked to end meanwhile (SIGINT, SIGTERM): so was the child
  std::string out;           ///< what it wrote to standard output; standard error is shared
};

/// Runs this very program, one child at a time. While it lives, SIGINT and SIGTERM do not end this process
/// but are passed to the child. One object, on the main thread, before other threads are started.
class ChildRunner {
 public:
  ChildRunner();
  ~ChildRunner();
  ChildRunner(const ChildRunner&) = delete;
  ChildRunner& operator=(const ChildRunner&) = delete;

  /// Waits for the child's end. Its environment is this process's without the variables of the options that
  /// choose what is compared. Errors: kIo.
  Result<ChildOutcome> run(const std::vector<std::string>& arguments);

  /// A signal to end came while no child ran, or while one did.
  [[nodiscard]] bool interrupted();

 private:
  Result<pid_t> start(const std::vector<std::string>& arguments, int output) const;

  sigset_t before_{};
  int signals_ = -1;  // a signalfd
  bool interrupted_ = false;
};

/// Ends this process when the one that started it does. For a child's beginning.
void end_with_parent();

}  // namespace fovea::cli
