#include "cli/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/file.h"
#include "support/golden.h"
#include "support/paths.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

struct Streams {
  int in, out, err;
};

/// Starts the program; the arguments and the environment are made before the fork.
pid_t start(const std::vector<std::string>& arguments, const Environment& environment,
            const Streams& streams) {
  std::vector<std::string> texts{test::build_folder().string() + "/fovea"};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  Environment variables = environment;
  // No model of this machine's user is found by name.
  variables.try_emplace("XDG_DATA_HOME", "/nonexistent");
  // Nothing is remembered there: no folder can be made in it.
  variables.try_emplace("XDG_STATE_HOME", "/dev/null/none");
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const std::size_t equals = text.find('=');
    if (!text.starts_with("FOVEA_")) variables.try_emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  std::vector<std::string> assignments;
  for (const auto& [name, value] : variables) assignments.push_back(name + "=" + value);
  std::vector<char*> argv, envp;
  for (std::string& text : texts) argv.push_back(text.data());
  for (std::string& text : assignments) envp.push_back(text.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  const pid_t process = ::fork();
  if (process == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // does not outlive a test that is stopped
    ::signal(SIGPIPE, SIG_DFL);
    ::dup2(streams.in, STDIN_FILENO);
    ::dup2(streams.out, STDOUT_FILENO);
    ::dup2(streams.err, STDERR_FILENO);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  EXPECT_GT(process, 0);
  return process;
}

Finished wait_for(pid_t process) {
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  Finished finished;
  if (WIFEXITED(status)) finished.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) finished.signal = WTERMSIG(status);
  return finished;
}

/// An open file that closes itself, and not in the program that is started.
class File {
 public:
  explicit File(int fd) : fd_(fd) { EXPECT_GE(fd, 0); }
  File(const std::filesystem::path& path, int flags) : File(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

int pipe_without_reader() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  ::close(ends[0]);
  return ends[1];
}

}  // namespace

Finished run(const std::vector<std::string>& arguments, const RunOptions& options) {
  const test::TemporaryFolder folder;
  EXPECT_TRUE(write_file(folder.path() / "in", options.input).has_value());
  Finished finished;
  {
    const File in(folder.path() / "in", O_RDONLY);
    const File out(options.closed_output ? pipe_without_reader()
                                         : ::open(options.output.empty() ? (folder.path() / "out").c_str()
                                                                         : options.output.c_str(),
                                                  O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const File err(folder.path() / "err", O_WRONLY | O_CREAT);
    finished = wait_for(start(arguments, options.environment, {in.get(), out.get(), err.get()}));
  }
  finished.out = read_file(folder.path() / "out").value_or("");
  finished.err = read_file(folder.path() / "err").value_or("");
  return finished;
}

Running::Running(const std::vector<std::string>& arguments, const Environment& environment) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  error_ = ends[0];
  const File writing(ends[1]);
  const File null("/dev/null", O_RDWR);
  process_ = start(arguments, environment, {null.get(), null.get(), writing.get()});
}

Running::~Running() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    wait_for(process_);
  }
  ::close(error_);
}

std::optional<std::string> Running::wait_for_line(const std::string& text) {
  for (;;) {
    for (std::size_t end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n')) {
      const std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      if (line.contains(text)) return line;
    }
    std::array<char, 4096> chunk{};
    const ssize_t got = ::read(error_, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    pending_.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

void Running::signal(int number) const {
  ::kill(process_, number);
}

Finished Running::wait() {
  Finished finished = wait_for(process_);
  process_ = -1;
  std::array<char, 4096> chunk{};
  for (ssize_t got = 0; (got = ::read(error_, chunk.data(), chunk.size())) > 0;) {
    pending_.append(chunk.data(), static_cast<std::size_t>(got));
  }
  finished.err = pending_;
  return finished;
}

std::filesystem::path tiny_model() {
  return test::golden_folder("smolvlm-tiny-f32");
}

std::filesystem::path tiny_picture(const std::string& name) {
  return tiny_model() / "images" / name;
}

}  // namespace fovea::cli
