#include "cache/answer.h"

#include <bit>
#include <chrono>
#include <span>

#include "cache/sha256.h"

namespace fovea::cache {
namespace {

/// Changes with the layout: entries of another version are misses.
constexpr std::string_view kMagic = "FVA1";
/// What a list node, a map node and the control block of a shared answer take.
constexpr std::size_t kOverhead = 256;

void append_number(std::string& bytes, std::uint64_t number) {
  for (int i = 0; i < 8; ++i) {
    bytes += static_cast<char>(number & 0xffU);
    number >>= 8U;
  }
}

void append_text(std::string& bytes, std::string_view text) {
  append_number(bytes, text.size());
  bytes += text;
}

std::string encode_body(const Key& key, const Answer& answer) {
  std::string bytes;
  bytes.reserve(answer.payload.size() + kOverhead);
  bytes += kMagic;
  bytes.append(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  append_number(bytes, static_cast<std::uint64_t>(answer.created_ms));
  append_number(bytes, std::bit_cast<std::uint64_t>(answer.latency_ms));
  append_text(bytes, answer.model);
  append_text(bytes, answer.model_version);
  append_text(bytes, answer.task);
  append_text(bytes, answer.payload);
  return bytes;
}

Digest digest_text(std::string_view text) {
  return digest_bytes(std::as_bytes(std::span(text)));
}

/// Takes parts off the front of bytes whose checksum was right; still asks before every step, for a checksum
/// can be made by anyone.
class Parser {
 public:
  explicit Parser(std::string_view rest) : rest_(rest) {}

  std::optional<std::string_view> take(std::size_t size) {
    if (rest_.size() < size) return std::nullopt;
    const std::string_view part = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return part;
  }
  std::optional<std::uint64_t> number() {
    const auto bytes = take(8);
    if (!bytes) return std::nullopt;
    std::uint64_t number = 0;
    for (std::size_t i = 8; i-- > 0;) number = (number << 8U) | static_cast<unsigned char>((*bytes)[i]);
    return number;
  }
  bool text(std::string& into) {
    const auto size = number();
    const auto bytes = size ? take(*size) : std::nullopt;
    if (bytes) into = *bytes;
    return bytes.has_value();
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::size_t size_in_memory(const Answer& answer) {
  return answer.payload.size() + answer.model.size() + answer.model_version.size() + answer.task.size() +
         sizeof(Answer) + kOverhead;
}

Digest checksum(const Key& key, const Answer& answer) {
  return digest_text(encode_body(key, answer));
}

std::string encode_entry(const Key& key, const Answer& answer) {
  std::string bytes = encode_body(key, answer);
  const Digest sum = digest_text(bytes);
  bytes.append(reinterpret_cast<const char*>(sum.bytes.data()), sum.bytes.size());
  return bytes;
}

std::optional<Answer> decode_entry(const Key& key, std::string_view bytes) {
  Digest sum;
  if (bytes.size() < sum.bytes.size()) return std::nullopt;
  const std::string_view body = bytes.substr(0, bytes.size() - sum.bytes.size());
  std::memcpy(sum.bytes.data(), bytes.data() + body.size(), sum.bytes.size());
  if (digest_text(body) != sum) return std::nullopt;

  Parser parser(body);
  const std::string_view wanted(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  if (parser.take(kMagic.size()) != kMagic || parser.take(wanted.size()) != wanted) return std::nullopt;
  const auto created = parser.number();
  const auto latency = parser.number();
  Answer answer;
  const bool whole = created && latency && parser.text(answer.model) && parser.text(answer.model_version) &&
                     parser.text(answer.task) && parser.text(answer.payload) && parser.at_end();
  if (!whole) return std::nullopt;
  answer.created_ms = static_cast<std::int64_t>(*created);
  answer.latency_ms = std::bit_cast<double>(*latency);
  return answer;
}

}  // namespace fovea::cache
