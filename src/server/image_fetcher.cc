#include "server/image_fetcher.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "server/http.h"

namespace fovea::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kShown = 80;

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;
struct HandleDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
  std::string copy = text;
  curl_free(text);
  return copy;
}

/// Read by the library that fetches it, so that both mean the same host.
Result<Url> parse(const std::string& text) {
  Url url(curl_url());
  if (url == nullptr) return fail(ErrorCode::kInternal, "out of memory");
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\" is no URL", text.substr(0, kShown)));
  }
  const std::string scheme = part(url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return fail(ErrorCode::kInvalidArgument, "expected an http: or https: URL");
  }
  if (!part(url.get(), CURLUPART_USER).empty() || !part(url.get(), CURLUPART_PASSWORD).empty()) {
    return fail(ErrorCode::kInvalidArgument, "a URL with a user name or password is not fetched");
  }
  return url;
}

bool is_allowed(CURLU* url, const std::vector<std::string>& hosts) {
  const std::string host = part(url, CURLUPART_HOST);
  const std::string port = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  const std::string with_port = host + ":" + port;
  const bool usual_port = port == (part(url, CURLUPART_SCHEME) == "http" ? "80" : "443");
  return std::ranges::any_of(hosts, [&](const std::string& allowed) {
    return equal_ignoring_case(allowed, with_port) || (usual_port && equal_ignoring_case(allowed, host));
  });
}

/// What arrives of one picture, and why it is to stop.
struct Download {
  std::vector<std::byte> bytes;
  std::size_t max_bytes;
  const std::stop_token& stop;
  bool too_large = false;
};

std::size_t take(char* data, std::size_t size, std::size_t count, void* context) {
  auto& download = *static_cast<Download*>(context);
  const std::size_t all = size * count;
  if (all > download.max_bytes - download.bytes.size()) {
    download.too_large = true;
    return 0;
  }
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  download.bytes.insert(download.bytes.end(), begin, begin + all);
  return all;
}

/// Called about once a second and whenever something arrives; anything but 0 ends the transfer.
int look_around(void* context, curl_off_t /*to_get*/, curl_off_t /*got*/, curl_off_t /*to_send*/,
                curl_off_t /*sent*/) {
  return static_cast<Download*>(context)->stop.stop_requested() ? 1 : 0;
}

}  // namespace

Result<void> ImageFetcher::check_url(const std::string& url) const {
  FOVEA_TRY(const Url parsed, parse(url));
  if (is_allowed(parsed.get(), options_.hosts)) return {};
  if (options_.hosts.empty()) {
    return fail(
        ErrorCode::kInvalidArgument,
        "pictures are not fetched from other hosts; send the picture itself as data:image/…;base64,…");
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("pictures are not fetched from the host \"{}\"; send the picture itself as "
                          "data:image/…;base64,…",
                          part(parsed.get(), CURLUPART_HOST).substr(0, kShown)));
}

Result<std::vector<std::byte>> ImageFetcher::fetch(const std::string& url,
                                                   std::optional<Clock::time_point> deadline,
                                                   const std::stop_token& stop) const {
  FOVEA_CHECK_OK(check_url(url));
  FOVEA_TRY(const Url parsed, parse(url));
  auto timeout = options_.timeout;
  bool until_deadline = false;
  if (deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*deadline - Clock::now());
    until_deadline = left < timeout;
    timeout = std::min(timeout, left);
  }
  if (timeout <= std::chrono::milliseconds(0)) return fail(ErrorCode::kDeadline, "the deadline has passed");

  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, HandleDeleter> handle(started == CURLE_OK ? curl_easy_init() : nullptr);
  if (handle == nullptr) return fail(ErrorCode::kInternal, "the HTTP client could not be started");
  CURL* const curl = handle.get();
  Download download{.bytes = {}, .max_bytes = options_.max_bytes, .stop = stop};
  std::array<char, CURL_ERROR_SIZE> reason{};
  curl_easy_setopt(curl, CURLOPT_CURLU, parsed.get());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "fovea");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason.data());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &download);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_around);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &download);
  const CURLcode done = curl_easy_perform(curl);
  if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "the request was cancelled");
  if (download.too_large) {
    return fail(ErrorCode::kTooLarge, fmt::format("the picture is larger than {} bytes", options_.max_bytes));
  }
  if (done == CURLE_OPERATION_TIMEDOUT && until_deadline) {
    return fail(ErrorCode::kDeadline, "the deadline passed while the picture was fetched");
  }
  if (done != CURLE_OK) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the picture could not be fetched: {}",
                            reason[0] == '\0' ? curl_easy_strerror(done) : reason.data()));
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the picture could not be fetched: expected status 200, found {}", status));
  }
  if (download.bytes.empty()) return fail(ErrorCode::kInvalidArgument, "the picture is empty");
  return std::move(download.bytes);
}

}  // namespace fovea::server
