#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fovea::cli {

using Environment = std::map<std::string, std::string>;

struct RunOptions {
  std::string input = "";        ///< what stands on standard input
  Environment environment = {};  ///< beside the test's own, without its FOVEA_… variables
  std::string output = "";       ///< a file that standard output goes to instead, such as /dev/full
  bool closed_output = false;    ///< standard output is a pipe that nobody reads any more
};

struct Finished {
  int exit_code = -1;  ///< -1 when a signal ended it
  int signal = 0;
  std::string out;
  std::string err;
};

/// Runs `fovea` with these arguments to its end.
Finished run(const std::vector<std::string>& arguments, const RunOptions& options = {});

/// A `fovea` that runs beside the test; killed at the end of the scope if it has not ended.
class Running {
 public:
  explicit Running(const std::vector<std::string>& arguments, const Environment& environment = {});
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  /// The next line on standard error that holds `text`, or nothing when the program ends before.
  std::optional<std::string> wait_for_line(const std::string& text);
  void signal(int number) const;
  /// Waits for the end. `err` is what came after the last line that was waited for.
  Finished wait();

 private:
  pid_t process_ = -1;
  int error_ = -1;  // the reading end of its standard error
  std::string pending_;
};

/// The tiny checkpoint of the reference data, and one of its pictures.
std::filesystem::path tiny_model();
std::filesystem::path tiny_picture(const std::string& name = "2_90x70_RGBA.png");

}  // namespace fovea::cli
