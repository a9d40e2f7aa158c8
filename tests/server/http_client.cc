#include "server/http_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cctype>
#include <charconv>

namespace fovea::testing {

std::string WireResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

HttpClient::HttpClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{.tv_sec = 30, .tv_usec = 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) close();
}

HttpClient::~HttpClient() {
  close();
}

void HttpClient::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

bool HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void HttpClient::finish_sending() {
  shutdown(socket_, SHUT_WR);
}

bool HttpClient::fill() {
  char chunk[16384];
  const auto count = recv(socket_, chunk, sizeof chunk, 0);
  if (count <= 0) return false;
  received_.append(chunk, static_cast<std::size_t>(count));
  return true;
}

bool HttpClient::at_end() {
  char byte = 0;
  return received_.empty() && recv(socket_, &byte, 1, 0) == 0;
}

bool HttpClient::skip_past(std::string_view wanted) {
  std::size_t at = 0;
  while ((at = received_.find(wanted)) == std::string::npos) {
    if (!fill()) return false;
  }
  received_.erase(0, at + wanted.size());
  return true;
}

/// Puts the chunks from `begin` together and throws them away with what is before them.
bool HttpClient::read_chunks(std::size_t begin, std::string& body) {
  while (true) {
    std::size_t end = 0;
    while ((end = received_.find("\r\n", begin)) == std::string::npos) {
      if (!fill()) return false;
    }
    std::size_t size = 0;
    const auto [last, error] = std::from_chars(received_.data() + begin, received_.data() + end, size, 16);
    if (error != std::errc() || last != received_.data() + end) return false;
    while (received_.size() < end + size + 4) {
      if (!fill()) return false;
    }
    body += received_.substr(end + 2, size);
    begin = end + size + 4;
    if (size == 0) {
      received_.erase(0, begin);
      return true;
    }
  }
}

std::optional<WireResponse> HttpClient::receive(bool to_head) {
  std::size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  WireResponse response;
  std::string_view head = std::string_view(received_).substr(0, end + 2);
  if (!head.starts_with("HTTP/1.1 ")) return std::nullopt;
  std::from_chars(head.data() + 9, head.data() + 12, response.status);
  head.remove_prefix(head.find("\r\n") + 2);
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(line.size() + 2);
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos) return std::nullopt;
    std::string name(line.substr(0, colon));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    response.headers.emplace_back(std::move(name), line.substr(colon + 2));
  }
  if (response.header("transfer-encoding") == "chunked" && !to_head) {
    if (!read_chunks(end + 4, response.body)) return std::nullopt;
    return response;
  }
  std::size_t length = 0;
  const std::string content_length = response.header("content-length");
  std::from_chars(content_length.data(), content_length.data() + content_length.size(), length);
  if (to_head) length = 0;
  const std::size_t begin = end + 4;
  while (received_.size() < begin + length) {
    if (!fill()) return std::nullopt;
  }
  response.body = received_.substr(begin, length);
  received_.erase(0, begin + length);
  return response;
}

std::string make_request(std::string_view method, std::string_view target, std::string_view body,
                         std::string_view headers) {
  std::string request = fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n{}", method, target, headers);
  if (!body.empty() || method == "POST") request += fmt::format("Content-Length: {}\r\n", body.size());
  return request.append("\r\n").append(body);
}

}  // namespace fovea::testing
