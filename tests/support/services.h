#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "support/child_process.h"
#include "support/temporary_folder.h"

/// Real servers for tests, on unix sockets (and a free port) in temporary folders. Failures to start fail the
/// test that is running.
namespace fovea::test {

/// A port of the loopback interface that nobody listens on.
std::uint16_t free_port();

/// A Redis that keeps nothing on disk.
class RedisServer {
 public:
  explicit RedisServer(std::string password = {});

  /// Starts it (again), empty, at the same place, and waits until it answers.
  void start();
  /// SIGKILL.
  void kill() { process_.kill(); }
  /// SIGSTOP: it accepts connections and answers nothing. SIGCONT.
  void hang() const;
  void go_on() const;

  [[nodiscard]] std::string unix_path() const { return (folder_.path() / "redis.sock").string(); }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// "unix:///…", with the password.
  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::string tcp_url() const;
  /// What redis-cli prints for a command in the shell's words, such as "SET a b".
  [[nodiscard]] std::string cli(const std::string& words) const;

 private:
  TemporaryFolder folder_;
  std::string password_;
  std::uint16_t port_ = 0;
  ChildProcess process_;
};

/// A PostgreSQL with the user "fovea", the password "secret" and the database "postgres". As root it runs
/// under the user nobody, for it refuses root.
class PostgresServer {
 public:
  PostgresServer();
  ~PostgresServer();

  /// Starts it (again) with the data it has, and waits until it answers.
  void start();
  /// SIGKILL to all its processes.
  void kill();
  void hang() const;
  void go_on() const;

  /// "postgresql://fovea:secret@127.0.0.1:PORT/postgres".
  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// What psql prints for a statement, without headings.
  [[nodiscard]] std::string sql(const std::string& statement) const;

 private:
  void signal(int number) const;
  [[nodiscard]] std::filesystem::path data() const { return folder_.path() / "data"; }
  TemporaryFolder folder_;
  std::uint16_t port_ = 0;
  ChildProcess process_;
};

}  // namespace fovea::test
