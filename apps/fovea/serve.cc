#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "commands.h"
#include "common.h"
#include "recognize/recognizer.h"
#include "registry/locate.h"
#include "server/server.h"
#include "tasks/task_set.h"

namespace fovea::cli {
namespace {

struct ServeArguments {
  ModelOptions model;
  TaskOptions tasks;
  server::ServerOptions server;
};

Result<void> run_serve(ServeArguments arguments) {
  const auto options = arguments.model.generator_options();
  FOVEA_TRY(const auto directory, registry::locate_model(arguments.model.model));
  FOVEA_TRY(const auto known_tasks, arguments.tasks.load());
  FOVEA_TRY(auto recognizer, recognize::Recognizer::open(directory, options, {}, known_tasks));
  recognizer->use_catalogue(open_catalogue());
  arguments.server.handle_signals = true;
  arguments.server.task_names = known_tasks->names();
  server::Server server(*recognizer, arguments.server);
  FOVEA_CHECK_OK(server.start());
  const auto model = recognizer->models().front();
  fmt::print(stderr, "fovea: ready: {} with model {} ({})\n", server.url(), model.id, model.version);
  std::fflush(stderr);
  server.wait();
  return {};
}

}  // namespace

void add_serve(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App* command = app.add_subcommand("serve", "Serve over HTTP until interrupted");
  command->add_option("--host", arguments->server.host, "Address to listen on")->capture_default_str();
  command->add_option("--port", arguments->server.port, "Port to listen on; 0 takes a free one")
      ->capture_default_str();
  command
      ->add_option("--max-body-bytes", arguments->server.max_body_bytes,
                   "Refuse request bodies over this size")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30).description(""));
  command
      ->add_option("--queue-capacity", arguments->server.queue_capacity,
                   "Requests that may wait for the model")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{100'000}).description(""));
  arguments->tasks.add_paths_to(*command);
  arguments->model.model = kDefaultModel;
  arguments->model.add_to(*command, /*model_required=*/false);
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = run_serve(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
