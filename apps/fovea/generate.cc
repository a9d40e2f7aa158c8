#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "commands.h"
#include "common.h"
#include "engine/generator.h"
#include "image/decode.h"
#include "registry/locate.h"
#include "tensor/safetensors.h"

namespace fovea::cli {
namespace {

struct GenerateArguments {
  ModelOptions model;
  std::vector<std::string> images;
  std::string prompt;
  std::size_t max_new_tokens = 256;
  bool ignore_eos = false;
  bool json = false;
  std::string dump;
  std::string rope_frequencies = "f32";
};

Result<std::vector<image::Image>> read_pictures(const std::vector<std::string>& files) {
  std::vector<image::Image> pictures;
  for (const std::string& file : files) {
    FOVEA_TRY(const std::string bytes, read_file(file, image::kMaxFileBytes));
    auto picture = image::decode_image(std::as_bytes(std::span(bytes)));
    if (!picture) return with_context(std::move(picture).error(), file);
    pictures.push_back(std::move(*picture));
  }
  return pictures;
}

Result<void> dump_tensors(const std::string& path, const engine::Generated& generation,
                          const models::smolvlm::Config& config) {
  const auto& tensors = generation.tensors;
  const std::size_t side = config.vision.image_size;
  const auto named = [](const char* name, std::vector<std::size_t> shape, const std::vector<float>& values) {
    return tensor::NamedTensor{.name = name,
                               .dtype = tensor::DType::kF32,
                               .shape = std::move(shape),
                               .bytes = std::as_bytes(std::span(values))};
  };
  const std::vector<tensor::NamedTensor> list{
      named("pixel_values", {tensors.frames, 3, side, side}, tensors.pixel_values),
      named("image_features", {tensors.frames, config.tokens_per_frame(), config.text.hidden_size},
            tensors.image_features),
      named("logits", {generation.prompt_tokens, config.text.vocab_size}, tensors.logits)};
  return tensor::write_safetensors(path, list);
}

std::string to_json(const engine::Generated& generation, double load_ms) {
  const double total_ms =
      load_ms + generation.image_ms + generation.vision_ms + generation.prefill_ms + generation.decode_ms;
  nlohmann::ordered_json json{
      {"prompt_tokens", generation.prompt_tokens},
      {"token_ids", generation.token_ids},
      {"text", generation.text},
      {"finish_reason", generation.finish_reason == engine::FinishReason::kStop ? "stop" : "length"},
      {"timings",
       {{"load_ms", load_ms},
        {"image_ms", generation.image_ms},
        {"vision_ms", generation.vision_ms},
        {"prefill_ms", generation.prefill_ms},
        {"decode_ms", generation.decode_ms},
        {"total_ms", total_ms}}}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<void> generate(const GenerateArguments& arguments) {
  Stopwatch watch;
  auto options = arguments.model.generator_options();
  options.model.bf16_rope_frequencies = arguments.rope_frequencies == "bf16";
  FOVEA_TRY(const auto directory, registry::locate_model(arguments.model.model));
  FOVEA_TRY(auto generator, engine::Generator::open(directory, options));
  const double load_ms = watch.lap_ms();
  FOVEA_TRY(const auto pictures, read_pictures(arguments.images));
  const double decode_image_ms = watch.lap_ms();
  FOVEA_TRY(auto generation, generator->generate(pictures, arguments.prompt,
                                                 {.max_new_tokens = arguments.max_new_tokens,
                                                  .ignore_eos = arguments.ignore_eos,
                                                  .keep_tensors = !arguments.dump.empty()}));
  generation.image_ms += decode_image_ms;
  if (!arguments.dump.empty()) FOVEA_CHECK_OK(dump_tensors(arguments.dump, generation, generator->config()));
  fmt::print("{}\n", arguments.json ? to_json(generation, load_ms) : generation.text);
  return {};
}

}  // namespace

void add_generate(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<GenerateArguments>();
  CLI::App* command = app.add_subcommand("generate", "Answer one question about a picture");
  arguments->model.add_to(*command, /*model_required=*/true);
  command
      ->add_option("--image", arguments->images, "A picture (JPEG, PNG or WebP); may be given several times")
      ->type_name("FILE");
  command->add_option("--prompt", arguments->prompt, "The question")->required()->type_name("TEXT");
  command->add_option("--max-new-tokens", arguments->max_new_tokens, "Stop after so many tokens")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20).description(""));
  command->add_flag("--ignore-eos", arguments->ignore_eos, "Never select an end-of-sequence token");
  command->add_option("--dump", arguments->dump, "Write pixel_values, image_features and logits to this file")
      ->type_name("F.safetensors");
  command
      ->add_option("--rope-frequencies", arguments->rope_frequencies,
                   "f32, or bf16 to compare with a reference run that cast its rotary frequencies to bf16")
      ->capture_default_str()
      ->type_name("TYPE")
      ->check(CLI::IsMember({"f32", "bf16"}).description(""));
  command->add_flag("--json", arguments->json, "Print one JSON object with token ids and timings");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = generate(*arguments);
      return done ? 0 : report(done.error());
    };
  });
}

}  // namespace fovea::cli
