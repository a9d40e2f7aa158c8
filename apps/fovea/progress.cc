#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

namespace fovea::cli {

Progress::Progress(std::size_t total) : total_(total), terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  clear();
}

void Progress::show(std::size_t done) {
  if (!terminal_) return;
  const double seconds = watch_.elapsed_ms() / 1000;
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
  constexpr std::size_t kBarWidth = 24;
  const std::size_t filled = total_ == 0 ? 0 : kBarWidth * done / total_;
  const auto whole_seconds = std::lround(left);
  fmt::print(stderr, "\r\033[K[{:#<{}}{:.<{}}] {}/{}  {:.1f}/s  ETA {}:{:02}", "", filled, "",
             kBarWidth - filled, done, total_, rate, whole_seconds / 60, whole_seconds % 60);
  std::fflush(stderr);
  shown_ = true;
}

void Progress::clear() {
  if (!shown_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace fovea::cli
