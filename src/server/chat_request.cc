#include "server/chat_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <utility>

#include "base/base64.h"
#include "base/json.h"
#include "server/http.h"
#include "server/image_fetcher.h"

namespace fovea::server {
namespace {

using Json = nlohmann::ordered_json;
using Checked = std::expected<void, ChatFault>;

constexpr std::size_t kShown = 64;  ///< bytes of a caller's text that a message repeats
constexpr std::size_t kMaxStopTexts = 4;
constexpr std::size_t kMaxStopBytes = 256;
constexpr std::int64_t kMaxNewTokens = 1'000'000;  ///< the model's context is the real limit
constexpr std::int64_t kMaxDeadlineMs = 24 * 60 * 60 * std::int64_t{1000};
constexpr std::int64_t kMaxTopK = 1'000'000;

/// Members that cannot change the answer here.
constexpr auto kSkipped =
    std::to_array<std::string_view>({"user", "metadata", "store", "service_tier", "safety_identifier",
                                     "prompt_cache_key", "prompt_cache_retention", "parallel_tool_calls"});

std::unexpected<ChatFault> fault(std::string param, std::string message,
                                 ErrorCode code = ErrorCode::kInvalidArgument) {
  return std::unexpected(ChatFault{.error = {code, std::move(message)}, .param = std::move(param)});
}

std::unexpected<ChatFault> not_supported(const std::string& param, std::string_view what) {
  return fault(param, fmt::format("{}: {}", param, what));
}

std::string shown(std::string_view text) {
  return Json(std::string(text.substr(0, kShown))).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::expected<std::string, ChatFault> text_of(const Json& value, const std::string& param) {
  if (!value.is_string()) return fault(param, fmt::format("{} must be a string", param));
  return value.get<std::string>();
}

std::expected<bool, ChatFault> flag_of(const Json& value, const std::string& param) {
  if (!value.is_boolean()) return fault(param, fmt::format("{} must be true or false", param));
  return value.get<bool>();
}

std::expected<double, ChatFault> number_of(const Json& value, const std::string& param, double low,
                                           double high) {
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!(number >= low && number <= high)) {
    return fault(param, fmt::format("{} must be a number from {} to {}", param, low, high));
  }
  return number;
}

std::expected<std::int64_t, ChatFault> integer_of(const Json& value, const std::string& param,
                                                  std::int64_t low, std::int64_t high) {
  // The parser keeps what does not fit into 64 signed bits as unsigned.
  const bool fits =
      value.is_number_integer() &&
      (!value.is_number_unsigned() ||
       value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  if (!fits || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high) {
    return fault(param, fmt::format("{} must be a whole number from {} to {}", param, low, high));
  }
  return value.get<std::int64_t>();
}

/// Refuses members that are none of `known`; those that are null count as left out.
Checked only_members(const Json& object, const std::string& param,
                     std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (!value.is_null() && std::ranges::find(known, key) == known.end()) {
      const std::string name = key.substr(0, kShown);
      return fault(param.empty() ? name : fmt::format("{}.{}", param, name),
                   fmt::format("unknown member {} of {}", shown(key), param.empty() ? "the request" : param));
    }
  }
  return {};
}

/// The member of that name, or null where it is missing or null.
const Json* member(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

/// True for what a client sends to say "none": null, false, "none", an empty list or object.
bool is_nothing(const Json& value) {
  return value.is_null() || value == Json("none") ||
         ((value.is_array() || value.is_object()) && value.empty());
}

bool starts_with(std::string_view text, std::string_view start) {
  return equal_ignoring_case(text.substr(0, start.size()), start);
}

bool is_http_url(std::string_view text) {
  return starts_with(text, "http://") || starts_with(text, "https://");
}

class Reader {
 public:
  explicit Reader(const ChatLimits& limits) : limits_(limits) {}

  std::expected<ChatCall, ChatFault> read(const Json& body) {
    if (!body.is_object()) return fault("", "the body must be a JSON object");
    for (const auto& [key, value] : body.items()) {
      if (value.is_null()) continue;
      FOVEA_CHECK_OK(read_member(key, value));
    }
    if (call_.request.turns.empty())
      return fault("messages", "messages must be a list of at least one message");
    auto& sampling = call_.request.sampling;
    if (sampling.top_logprobs > 0 && !sampling.logprobs) {
      return fault("top_logprobs", "top_logprobs takes logprobs to be true");
    }
    if (has_stream_options_ && !call_.request.stream) {
      return fault("stream_options", "stream_options takes stream to be true");
    }
    if (!has_seed_ && sampling.temperature > 0) {
      std::random_device entropy;
      sampling.seed = std::uint64_t{entropy()} << 32 | entropy();
    }
    return std::move(call_);
  }

 private:
  Checked read_member(const std::string& key, const Json& value) {
    using Read = Checked (Reader::*)(const Json&);
    static constexpr auto kReaders = std::to_array<std::pair<std::string_view, Read>>({
        {"model", &Reader::model},
        {"messages", &Reader::messages},
        {"temperature", &Reader::temperature},
        {"top_p", &Reader::top_p},
        {"top_k", &Reader::top_k},
        {"seed", &Reader::seed},
        {"stop", &Reader::stop},
        {"max_tokens", &Reader::max_tokens},
        {"max_completion_tokens", &Reader::max_completion_tokens},
        {"stream", &Reader::stream},
        {"stream_options", &Reader::stream_options},
        {"logprobs", &Reader::logprobs},
        {"top_logprobs", &Reader::top_logprobs},
        {"response_format", &Reader::response_format},
        {"priority", &Reader::priority},
        {"deadline_ms", &Reader::deadline_ms},
    });
    const auto found = std::ranges::find(kReaders, key, &std::pair<std::string_view, Read>::first);
    if (found != kReaders.end()) return (this->*found->second)(value);
    if (std::ranges::find(kSkipped, key) != kSkipped.end()) return {};
    return refuse(key, value);
  }

  /// Members that OpenAI knows and that may say "as usual"; anything else is refused.
  static Checked refuse(const std::string& key, const Json& value) {
    if (key == "n")
      return value == 1 ? Checked{} : not_supported(key, "only one choice a request is made here");
    if (key == "frequency_penalty" || key == "presence_penalty") {
      return value.is_number() && value.get<double>() == 0 ? Checked{}
                                                           : not_supported(key, "only 0 is supported here");
    }
    if (key == "modalities") {
      return value == Json::array({"text"}) ? Checked{}
                                            : not_supported(key, "only [\"text\"] is supported here");
    }
    if (key == "tools" || key == "tool_choice" || key == "functions" || key == "function_call" ||
        key == "logit_bias" || key == "audio" || key == "prediction" || key == "web_search_options" ||
        key == "reasoning_effort" || key == "verbosity") {
      return is_nothing(value) ? Checked{} : not_supported(key, "not supported here");
    }
    const std::string name = key.substr(0, kShown);
    return fault(name, fmt::format("unknown parameter {}", shown(key)));
  }

  Checked model(const Json& value) {
    FOVEA_TRY(call_.request.model, text_of(value, "model"));
    return {};
  }
  Checked temperature(const Json& value) {
    FOVEA_TRY(const double number, number_of(value, "temperature", 0, 2));
    call_.request.sampling.temperature = static_cast<float>(number);
    return {};
  }
  Checked top_p(const Json& value) {
    FOVEA_TRY(const double number, number_of(value, "top_p", 0, 1));
    call_.request.sampling.top_p = static_cast<float>(number);
    return {};
  }
  Checked top_k(const Json& value) {
    FOVEA_TRY(const std::int64_t number, integer_of(value, "top_k", 0, kMaxTopK));
    call_.request.sampling.top_k = static_cast<std::size_t>(number);
    return {};
  }
  Checked seed(const Json& value) {
    FOVEA_TRY(const std::int64_t number, integer_of(value, "seed", std::numeric_limits<std::int64_t>::min(),
                                                    std::numeric_limits<std::int64_t>::max()));
    call_.request.sampling.seed = static_cast<std::uint64_t>(number);
    has_seed_ = true;
    return {};
  }
  Checked stop(const Json& value) {
    const Json list = value.is_array() ? value : Json::array({value});
    if (list.size() > kMaxStopTexts) {
      return fault("stop", fmt::format("stop takes at most {} texts", kMaxStopTexts));
    }
    for (const Json& item : list) {
      FOVEA_TRY(std::string text, text_of(item, "stop"));
      if (text.empty() || text.size() > kMaxStopBytes) {
        return fault("stop", fmt::format("a stop text has 1 to {} bytes", kMaxStopBytes));
      }
      call_.request.sampling.stop.push_back(std::move(text));
    }
    return {};
  }
  Checked max_tokens(const Json& value) { return limit_tokens(value, "max_tokens"); }
  Checked max_completion_tokens(const Json& value) { return limit_tokens(value, "max_completion_tokens"); }
  Checked limit_tokens(const Json& value, const std::string& param) {
    FOVEA_TRY(const std::int64_t number, integer_of(value, param, 1, kMaxNewTokens));
    const auto tokens = static_cast<std::size_t>(number);
    if (std::exchange(has_max_tokens_, true) && tokens != call_.request.max_new_tokens) {
      return fault(param, "max_tokens and max_completion_tokens say different things");
    }
    call_.request.max_new_tokens = tokens;
    return {};
  }
  Checked stream(const Json& value) {
    FOVEA_TRY(call_.request.stream, flag_of(value, "stream"));
    return {};
  }
  Checked stream_options(const Json& value) {
    if (!value.is_object()) return fault("stream_options", "stream_options must be an object");
    FOVEA_CHECK_OK(only_members(value, "stream_options", {"include_usage", "include_obfuscation"}));
    has_stream_options_ = true;
    if (const Json* usage = member(value, "include_usage")) {
      FOVEA_TRY(call_.include_usage, flag_of(*usage, "stream_options.include_usage"));
    }
    return {};
  }
  Checked logprobs(const Json& value) {
    FOVEA_TRY(call_.request.sampling.logprobs, flag_of(value, "logprobs"));
    return {};
  }
  Checked top_logprobs(const Json& value) {
    FOVEA_TRY(const std::int64_t number,
              integer_of(value, "top_logprobs", 0, static_cast<std::int64_t>(engine::kMostTopLogprobs)));
    call_.request.sampling.top_logprobs = static_cast<std::size_t>(number);
    return {};
  }
  Checked priority(const Json& value) {
    FOVEA_TRY(const std::string text, text_of(value, "priority"));
    if (text == "high") {
      call_.request.priority = engine::Priority::kHigh;
    } else if (text == "batch") {
      call_.request.priority = engine::Priority::kBatch;
    } else if (text != "normal") {
      return fault("priority", fmt::format("unknown priority {}; known: high, normal, batch", shown(text)));
    }
    return {};
  }
  Checked deadline_ms(const Json& value) {
    FOVEA_TRY(const std::int64_t number, integer_of(value, "deadline_ms", 1, kMaxDeadlineMs));
    call_.deadline = std::chrono::milliseconds(number);
    return {};
  }

  Checked response_format(const Json& value) {
    using Kind = recognize::ResponseFormat::Kind;
    const std::string param = "response_format";
    if (!value.is_object()) return fault(param, "response_format must be an object");
    const Json* type = member(value, "type");
    if (type == nullptr) return fault(param + ".type", "response_format has no type");
    FOVEA_TRY(const std::string name, text_of(*type, param + ".type"));
    if (name == "json_schema") {
      FOVEA_CHECK_OK(only_members(value, param, {"type", "json_schema"}));
      return json_schema(member(value, "json_schema"), param + ".json_schema");
    }
    FOVEA_CHECK_OK(only_members(value, param, {"type"}));
    if (name == "json_object") {
      call_.request.format.kind = Kind::kJsonObject;
    } else if (name != "text") {
      return fault(
          param + ".type",
          fmt::format("unknown response_format {}; known: text, json_object, json_schema", shown(name)));
    }
    return {};
  }
  Checked json_schema(const Json* value, const std::string& param) {
    if (value == nullptr || !value->is_object()) return fault(param, param + " must be an object");
    FOVEA_CHECK_OK(only_members(*value, param, {"name", "description", "schema", "strict"}));
    const Json* name = member(*value, "name");
    if (name == nullptr || !name->is_string())
      return fault(param + ".name", param + ".name must be a string");
    // With strict or without, an answer here always has the form of the schema.
    if (const Json* strict = member(*value, "strict")) FOVEA_CHECK_OK(flag_of(*strict, param + ".strict"));
    const Json* schema = member(*value, "schema");
    if (schema == nullptr || !(schema->is_object() || schema->is_boolean())) {
      return fault(param + ".schema", param + ".schema must be an object");
    }
    call_.request.format = {.kind = recognize::ResponseFormat::Kind::kJsonSchema, .schema = schema->dump()};
    return {};
  }

  Checked messages(const Json& value) {
    if (!value.is_array() || value.empty()) {
      return fault("messages", "messages must be a list of at least one message");
    }
    if (value.size() > limits_.max_messages) {
      return fault("messages", fmt::format("more than {} messages", limits_.max_messages));
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      FOVEA_CHECK_OK(message(value[i], fmt::format("messages[{}]", i)));
    }
    return {};
  }
  Checked message(const Json& value, const std::string& param) {
    if (!value.is_object()) return fault(param, param + " must be an object");
    for (const char* name :
         {"tool_calls", "function_call", "audio", "tool_call_id", "refusal", "annotations"}) {
      const Json* unusable = member(value, name);
      if (unusable != nullptr && !is_nothing(*unusable))
        return not_supported(param + "." + name, "not supported here");
    }
    FOVEA_CHECK_OK(only_members(value, param,
                                {"role", "content", "name", "tool_calls", "function_call", "audio",
                                 "tool_call_id", "refusal", "annotations"}));
    const Json* role = member(value, "role");
    if (role == nullptr) return fault(param + ".role", param + " has no role");
    recognize::ChatTurn turn;
    FOVEA_TRY(turn.role, text_of(*role, param + ".role"));
    if (turn.role == "developer") turn.role = "system";  // the later name of the same thing
    if (turn.role != "system" && turn.role != "user" && turn.role != "assistant") {
      return fault(param + ".role",
                   fmt::format("role {} is not supported here; known: system, developer, user, assistant",
                               shown(turn.role)));
    }
    const Json* content = member(value, "content");
    if (content == nullptr) return fault(param + ".content", param + " has no content");
    if (content->is_string()) {
      turn.content.emplace_back(content->get<std::string>());
    } else if (content->is_array() && !content->empty()) {
      for (std::size_t i = 0; i < content->size(); ++i) {
        FOVEA_CHECK_OK(part((*content)[i], fmt::format("{}.content[{}]", param, i), turn));
      }
    } else {
      return fault(param + ".content", param + ".content must be a string or a list of at least one part");
    }
    call_.request.turns.push_back(std::move(turn));
    return {};
  }
  Checked part(const Json& value, const std::string& param, recognize::ChatTurn& turn) {
    if (!value.is_object()) return fault(param, param + " must be an object");
    const Json* type = member(value, "type");
    if (type == nullptr) return fault(param + ".type", param + " has no type");
    FOVEA_TRY(const std::string name, text_of(*type, param + ".type"));
    if (name == "text") {
      FOVEA_CHECK_OK(only_members(value, param, {"type", "text"}));
      const Json* text = member(value, "text");
      if (text == nullptr) return fault(param + ".text", param + " has no text");
      FOVEA_TRY(std::string content, text_of(*text, param + ".text"));
      turn.content.emplace_back(std::move(content));
      return {};
    }
    if (name != "image_url") {
      return fault(
          param + ".type",
          fmt::format("content of type {} is not supported here; known: text, image_url", shown(name)));
    }
    FOVEA_CHECK_OK(only_members(value, param, {"type", "image_url"}));
    if (turn.role != "user") return fault(param, "only messages of the user may have pictures");
    return image(member(value, "image_url"), param + ".image_url", turn);
  }
  Checked image(const Json* value, const std::string& param, recognize::ChatTurn& turn) {
    if (value == nullptr || !value->is_object()) return fault(param, param + " must be an object with a url");
    FOVEA_CHECK_OK(only_members(*value, param, {"url", "detail"}));
    if (const Json* detail = member(*value, "detail")) {
      if (*detail != "auto" && *detail != "low" && *detail != "high") {
        return fault(param + ".detail", param + ".detail must be auto, low or high");
      }
    }
    const Json* url = member(*value, "url");
    if (url == nullptr || !url->is_string()) return fault(param + ".url", param + ".url must be a string");
    if (++images_ > limits_.max_images) {
      return fault(param, fmt::format("more than {} pictures", limits_.max_images));
    }
    const auto& text = url->get_ref<const std::string&>();
    if (limits_.fetcher != nullptr && is_http_url(text)) {
      if (const auto allowed = limits_.fetcher->check_url(text); !allowed) {
        return fault(param + ".url", fmt::format("{}.url: {}", param, allowed.error().message));
      }
      call_.remote.push_back({.url = text,
                              .param = param + ".url",
                              .turn = call_.request.turns.size(),
                              .part = turn.content.size()});
      turn.content.emplace_back(recognize::ImagePart{});
      return {};
    }
    auto bytes = decode_image_uri(text, limits_.max_body_bytes);
    if (!bytes) {
      return fault(param + ".url", fmt::format("{}.url: {}", param, bytes.error().message),
                   bytes.error().code);
    }
    turn.content.emplace_back(recognize::ImagePart{std::move(*bytes)});
    return {};
  }

  const ChatLimits& limits_;
  ChatCall call_;
  std::size_t images_ = 0;
  bool has_seed_ = false;
  bool has_max_tokens_ = false;
  bool has_stream_options_ = false;
};

}  // namespace

Result<std::vector<std::byte>> decode_image_uri(std::string_view uri, std::size_t max_bytes) {
  constexpr std::string_view kScheme = "data:";
  if (is_http_url(uri)) {
    return fail(
        ErrorCode::kInvalidArgument,
        "pictures are not fetched from other hosts; send the picture itself as data:image/…;base64,…");
  }
  if (!starts_with(uri, kScheme)) {
    return fail(ErrorCode::kInvalidArgument, "expected data:image/…;base64,…");
  }
  uri.remove_prefix(kScheme.size());
  constexpr std::size_t kMaxTypeLength = 256;
  const auto comma = uri.substr(0, kMaxTypeLength).find(',');
  if (comma == std::string_view::npos)
    return fail(ErrorCode::kInvalidArgument, "a data: URI without a comma");
  std::string_view type = uri.substr(0, comma);
  constexpr std::string_view kBase64 = ";base64";
  if (type.size() < kBase64.size() ||
      !equal_ignoring_case(type.substr(type.size() - kBase64.size()), kBase64)) {
    return fail(ErrorCode::kInvalidArgument, "a data: URI that is not in base64");
  }
  if (!starts_with(type, "image/")) {
    return fail(ErrorCode::kInvalidArgument, "a data: URI whose type is no image/…");
  }
  auto bytes = decode_base64(uri.substr(comma + 1), max_bytes);
  if (bytes && bytes->empty()) return fail(ErrorCode::kInvalidArgument, "the picture is empty");
  return bytes;
}

std::expected<ChatCall, ChatFault> parse_chat_request(std::string_view body, const ChatLimits& limits) {
  auto parsed =
      parse_ordered_json(body, "request body", {.max_bytes = limits.max_body_bytes, .max_depth = 64});
  if (!parsed) return std::unexpected(ChatFault{.error = std::move(parsed).error(), .param = {}});
  return Reader(limits).read(*parsed);
}

}  // namespace fovea::server
