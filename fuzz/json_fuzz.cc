// The JSON reader on arbitrary bytes: whatever it accepts must come back equal from its own text, and
// whatever it refuses must be refused with a message that can stand in a JSON answer.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = fovea::parse_json(text, "fuzz");
  if (!value) {
    require(value.error().code == fovea::ErrorCode::kInvalidJson);
    require(value.error().message.size() < 1000);
    (void)nlohmann::json(value.error().message).dump();  // throws where the message is not UTF-8
    return 0;
  }
  const auto again = fovea::parse_json(value->dump(), "fuzz");
  require(again && *again == *value);
  return 0;
}
