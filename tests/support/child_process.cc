#include "support/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace fovea::test {

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, const Options& options) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ != 0) {
    (void)::setpgid(process_, process_);  // here too: who comes second finds it done
    return;
  }

  (void)::setpgid(0, 0);  // its own group, so that a signal reaches the processes it starts
  if (!options.output.empty()) {
    const int file = ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    (void)::dup2(file, STDOUT_FILENO);
    (void)::dup2(file, STDERR_FILENO);
  }
  if (options.user != 0 &&
      (::setgroups(0, nullptr) != 0 || ::setgid(options.group) != 0 || ::setuid(options.user) != 0)) {
    ::_exit(126);
  }
  // Gone when the test is. A change of user would undo it.
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  ::execvp(pointers[0], pointers.data());
  ::_exit(127);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept : process_(std::exchange(other.process_, -1)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    kill();
    process_ = std::exchange(other.process_, -1);
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  kill();
}

void ChildProcess::signal(int number) const {
  if (process_ > 0) (void)::kill(-process_, number);
}

void ChildProcess::kill() {
  if (process_ <= 0) return;
  signal(SIGKILL);
  (void)wait();
}

int ChildProcess::wait() {
  if (process_ <= 0) return -1;
  int status = 0;
  (void)::waitpid(std::exchange(process_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace fovea::test
