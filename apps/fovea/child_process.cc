#include "child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

namespace fovea::cli {
namespace {

std::unexpected<Error> system_failure(const char* what, int number) {
  return fail(ErrorCode::kIo,
              fmt::format("cannot {}: {}", what, std::error_code(number, std::generic_category()).message()));
}

/// Options of the command that starts children, which are nothing to them.
bool is_for_parent(std::string_view variable) {
  constexpr std::array<std::string_view, 5> kNames{
      "FOVEA_DTYPE=", "FOVEA_REPORT=", "FOVEA_VARIANTS=", "FOVEA_RELIABILITY=", "FOVEA_CALIBRATE="};
  return std::ranges::any_of(kNames, [&](std::string_view name) { return variable.starts_with(name); });
}

void wait_for(pid_t child, ChildOutcome& outcome) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
}

}  // namespace

ChildRunner::ChildRunner() {
  sigset_t ending;
  ::sigemptyset(&ending);
  ::sigaddset(&ending, SIGINT);
  ::sigaddset(&ending, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &ending, &before_);
  signals_ = ::signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
}

ChildRunner::~ChildRunner() {
  (void)interrupted();  // takes what has come, so that it does not end the process now
  if (signals_ >= 0) ::close(signals_);
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool ChildRunner::interrupted() {
  signalfd_siginfo information{};
  while (::read(signals_, &information, sizeof information) == static_cast<ssize_t>(sizeof information)) {
    interrupted_ = true;
  }
  return interrupted_;
}

Result<pid_t> ChildRunner::start(const std::vector<std::string>& arguments, int output) const {
  std::vector<std::string> texts{"fovea"};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv, variables;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!is_for_parent(*variable)) variables.push_back(*variable);
  }
  variables.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  ::posix_spawnattr_setsigmask(&attributes, &before_);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child = 0;
  const int error =
      ::posix_spawn(&child, "/proc/self/exe", &files, &attributes, argv.data(), variables.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) return system_failure("start a child process", error);
  return child;
}

Result<ChildOutcome> ChildRunner::run(const std::vector<std::string>& arguments) {
  if (signals_ < 0) return system_failure("watch for signals", errno);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_failure("make a pipe", errno);
  const auto child = start(arguments, ends[1]);
  ::close(ends[1]);
  if (!child) {
    ::close(ends[0]);
    return std::unexpected(child.error());
  }
  ChildOutcome outcome;
  std::array<pollfd, 2> watched{
      {{.fd = ends[0], .events = POLLIN, .revents = 0}, {.fd = signals_, .events = POLLIN, .revents = 0}}};
  for (bool open = true; open;) {
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) break;
    if (watched[1].revents != 0 && interrupted() && !outcome.interrupted) {
      outcome.interrupted = true;
      ::kill(*child, SIGTERM);
    }
    if (watched[0].revents == 0) continue;
    std::array<char, 1 << 16> chunk{};
    const ssize_t got = ::read(ends[0], chunk.data(), chunk.size());
    if (got > 0) outcome.out.append(chunk.data(), static_cast<std::size_t>(got));
    open = got > 0 || (got < 0 && errno == EINTR);
  }
  ::close(ends[0]);
  wait_for(*child, outcome);
  outcome.interrupted = interrupted();  // a terminal's Ctrl-C ends the child before it is seen here
  return outcome;
}

void end_with_parent() {
  const pid_t parent = ::getppid();
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  // It may have ended before that was said.
  if (::getppid() != parent) ::raise(SIGTERM);
}

}  // namespace fovea::cli
