#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace fovea::test {

/// A program that runs beside the test, killed with all its children at the end of the scope.
class ChildProcess {
 public:
  struct Options {
    std::filesystem::path output;  ///< a file for standard output and standard error
    unsigned int user = 0;         ///< 0: the test's own
    unsigned int group = 0;
  };

  ChildProcess() = default;
  /// `arguments[0]` is looked up in PATH.
  ChildProcess(const std::vector<std::string>& arguments, const Options& options);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  /// To the program and its children: SIGSTOP makes a server hang, SIGCONT lets it go on.
  void signal(int number) const;
  /// SIGKILL, and waits for the end.
  void kill();
  /// Its exit status; 128 + the signal that ended it.
  int wait();
  [[nodiscard]] bool is_running() const { return process_ > 0; }
  [[nodiscard]] pid_t id() const { return process_; }

 private:
  pid_t process_ = -1;
};

}  // namespace fovea::test
