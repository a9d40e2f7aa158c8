#include "support/services.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

namespace fovea::test {
namespace {

namespace fs = std::filesystem;

/// What a shell command prints; its exit status is ignored.
std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return text;
  char buffer[4096];
  while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, size);
  ::pclose(pipe);
  return text;
}

std::string content(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

void wait_until(const std::function<bool()>& ready, const std::string& what, const fs::path& log) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!ready()) {
    if (std::chrono::steady_clock::now() > deadline) {
      ADD_FAILURE() << what << " does not answer; its log:\n" << content(log);
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

/// The folder of the newest PostgreSQL that is installed.
fs::path postgres_programs() {
  fs::path newest;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    if (fs::exists(entry.path() / "bin" / "initdb") && entry.path() > newest) newest = entry.path();
  }
  EXPECT_FALSE(newest.empty()) << "expected PostgreSQL in /usr/lib/postgresql; install postgresql";
  return newest / "bin";
}

ChildProcess::Options unprivileged(const fs::path& output) {
  if (::geteuid() != 0) return {.output = output};
  const passwd* nobody = ::getpwnam("nobody");
  EXPECT_NE(nobody, nullptr);
  return {.output = output, .user = nobody->pw_uid, .group = nobody->pw_gid};
}

}  // namespace

std::uint16_t free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(listener);
  return ntohs(address.sin_port);
}

RedisServer::RedisServer(std::string password) : password_(std::move(password)), port_(free_port()) {
  start();
}

void RedisServer::start() {
  const fs::path log = folder_.path() / "redis.log";
  std::vector<std::string> arguments = {"redis-server",
                                        "--port",
                                        std::to_string(port_),
                                        "--bind",
                                        "127.0.0.1",
                                        "--unixsocket",
                                        unix_path(),
                                        "--save",
                                        "",
                                        "--appendonly",
                                        "no",
                                        "--dir",
                                        folder_.path().string(),
                                        "--databases",
                                        "4"};
  if (!password_.empty()) arguments.insert(arguments.end(), {"--requirepass", password_});
  process_ = ChildProcess(arguments, {.output = log});
  wait_until([&] { return cli("PING").starts_with("PONG"); }, "Redis", log);
}

void RedisServer::hang() const {
  process_.signal(SIGSTOP);
}
void RedisServer::go_on() const {
  process_.signal(SIGCONT);
}

std::string RedisServer::url() const {
  return "unix://" + unix_path() + (password_.empty() ? "" : "?password=" + password_);
}

std::string RedisServer::tcp_url() const {
  return "redis://" + (password_.empty() ? "" : ":" + password_ + "@") + "127.0.0.1:" + std::to_string(port_);
}

std::string RedisServer::cli(const std::string& words) const {
  const std::string password = password_.empty() ? "" : "REDISCLI_AUTH='" + password_ + "' ";
  return output_of(password + "redis-cli -s '" + unix_path() + "' " + words);
}

PostgresServer::PostgresServer() : port_(free_port()) {
  const ChildProcess::Options options = unprivileged(folder_.path() / "initdb.log");
  std::ofstream(folder_.path() / "password") << "secret\n";
  fs::permissions(folder_.path() / "password", fs::perms::owner_read | fs::perms::others_read,
                  fs::perm_options::add);
  if (options.user != 0) {
    EXPECT_EQ(::chown(folder_.path().c_str(), options.user, options.group), 0);
  }
  ChildProcess initdb({(postgres_programs() / "initdb").string(), "--pgdata", data().string(), "--username",
                       "fovea", "--auth", "scram-sha-256", "--pwfile", (folder_.path() / "password").string(),
                       "--no-sync", "--encoding", "UTF8", "--no-locale"},
                      options);
  EXPECT_EQ(initdb.wait(), 0) << content(folder_.path() / "initdb.log");
  start();
}

PostgresServer::~PostgresServer() {
  kill();
}

void PostgresServer::start() {
  const fs::path log = folder_.path() / "postgres.log";
  process_ = ChildProcess(
      {(postgres_programs() / "postgres").string(), "-D", data().string(), "-p", std::to_string(port_), "-c",
       "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + folder_.path().string(), "-c",
       "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=20"},
      unprivileged(log));
  wait_until([&] { return sql("SELECT 1") == "1\n"; }, "PostgreSQL", log);
}

// Its processes make groups of their own, so a signal to the group of the first does not reach them.
void PostgresServer::signal(int number) const {
  const std::string first_process = std::to_string(process_.id());
  std::istringstream children(
      content(fs::path("/proc") / first_process / "task" / first_process / "children"));
  process_.signal(number);
  for (pid_t child = 0; children >> child;) (void)::kill(child, number);
}

void PostgresServer::kill() {
  if (process_.is_running()) signal(SIGKILL);
  process_.kill();
  std::error_code ignored;
  fs::remove(data() / "postmaster.pid", ignored);
}

void PostgresServer::hang() const {
  signal(SIGSTOP);
}
void PostgresServer::go_on() const {
  signal(SIGCONT);
}

std::string PostgresServer::url() const {
  return "postgresql://fovea:secret@127.0.0.1:" + std::to_string(port_) + "/postgres";
}

std::string PostgresServer::sql(const std::string& statement) const {
  return output_of("psql --no-psqlrc -At '" + url() + "' -c \"" + statement + "\"");
}

}  // namespace fovea::test
