// The parser of stored answers on arbitrary bytes, as they come and with a right checksum behind them, so
// that the parts are reached: whatever it accepts must be exactly what would have been stored.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "cache/answer.h"
#include "cache/sha256.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const fovea::cache::Key& key, std::string_view bytes) {
  const auto answer = fovea::cache::decode_entry(key, bytes);
  if (answer) require(fovea::cache::encode_entry(key, *answer) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // The key that the entry names, where it is long enough to name one.
  fovea::cache::Key key;
  if (size >= 4 + key.bytes.size()) std::memcpy(key.bytes.data(), data + 4, key.bytes.size());
  check(key, bytes);
  const fovea::cache::Digest sum = fovea::cache::Sha256().add(bytes).finish();
  check(key, std::string(bytes) + std::string(sum.bytes.begin(), sum.bytes.end()));
  return 0;
}
