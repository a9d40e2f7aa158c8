#include "engine/answer_text.h"

#include <algorithm>
#include <utility>

namespace fovea::engine {
namespace {

/// The length of `text` without a character at its end that more bytes could complete.
std::size_t complete_characters(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;  // a continuation: its beginning stands before it
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > back ? text.size() - back : text.size();
  }
  return text.size();
}

}  // namespace

AnswerText::AnswerText(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
  for (const std::string& stop : stops_) longest_stop_ = std::max(longest_stop_, stop.size());
}

std::string AnswerText::append(std::string_view bytes) {
  if (stopped_) return {};
  // A stop text that ends in these bytes can begin as much before them.
  const std::size_t from = bytes_.size() - std::min(bytes_.size(), longest_stop_);
  bytes_ += bytes;
  std::size_t end = std::string::npos;
  for (const std::string& stop : stops_) end = std::min(end, bytes_.find(stop, from));
  if (end != std::string::npos) {
    stopped_ = true;
    bytes_.resize(end);
    return release(end);
  }
  std::size_t decided = complete_characters(bytes_);
  for (const std::string& stop : stops_) {
    for (std::size_t length = std::min(stop.size() - 1, bytes_.size()); length > 0; --length) {
      if (!bytes_.ends_with(std::string_view(stop).substr(0, length))) continue;
      decided = std::min(decided, bytes_.size() - length);
      break;
    }
  }
  return release(decided);
}

std::string AnswerText::finish() {
  return release(bytes_.size());
}

std::string AnswerText::release(std::size_t end) {
  if (end <= released_) return {};
  std::string piece = bytes_.substr(released_, end - released_);
  released_ = end;
  return piece;
}

}  // namespace fovea::engine
