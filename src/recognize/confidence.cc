#include "recognize/confidence.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <vector>

namespace fovea::recognize {
namespace {

/// A member's name and where its value stands, [begin, end).
struct Member {
  std::string name;
  std::size_t begin = 0, end = 0;
};

/// Walks over valid JSON without building it.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::vector<Member> members() {
    std::vector<Member> members;
    skip_space();
    if (at_ >= text_.size() || text_[at_] != '{') return members;
    ++at_;
    while (true) {
      skip_space();
      if (at_ >= text_.size() || text_[at_] != '"') return members;
      const std::size_t begin = at_;
      skip_value();
      const auto name = nlohmann::json::parse(text_.substr(begin, at_ - begin), nullptr, false);
      skip_space();
      if (!name.is_string() || at_ >= text_.size() || text_[at_] != ':') return members;
      ++at_;
      skip_space();
      Member member{.name = name.get<std::string>(), .begin = at_};
      skip_value();
      member.end = at_;
      members.push_back(std::move(member));
      skip_space();
      if (at_ >= text_.size() || text_[at_] != ',') return members;
      ++at_;
    }
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    at_ = std::min(at_ + 1, text_.size());
  }
  void skip_value() {
    if (at_ < text_.size() && text_[at_] == '"') return skip_string();
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
        --at_;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return;
        if (--depth == 0) {
          ++at_;
          return;
        }
      } else if (c == ',' && depth == 0) {
        return;
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::map<std::string, double> member_logprobs(std::string_view text,
                                              std::span<const engine::TokenLogprob> tokens) {
  const std::vector<Member> members = Scanner(text).members();
  std::map<std::string, double> result;
  for (const Member& member : members) {
    // A number's or a word's end is decided by the character behind it; a string's by its closing quote.
    const bool quoted = member.begin < text.size() && text[member.begin] == '"';
    const std::size_t end = quoted ? member.end : member.end + 1;
    double sum = 0;
    std::size_t at = 0;
    for (const engine::TokenLogprob& token : tokens) {
      const std::size_t after = at + token.bytes.size();
      if (at < end && after > member.begin) sum += static_cast<double>(token.logprob);
      at = after;
    }
    result[member.name] = sum;
  }
  return result;
}

}  // namespace fovea::recognize
