#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>

#include "engine/generator.h"
#include "support/temporary_folder.h"
#include "synth/checkpoint.h"
#include "tensor/safetensors.h"

namespace fovea::synth {
namespace {

std::size_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

TEST(WholeCheckpointTest, IsWrittenOpenedWithoutACopyAndAnswers) {
  const test::TemporaryFolder folder;
  const auto directory = folder.path() / "smolvlm-256m";
  std::size_t told = 0;
  std::size_t total = 0;
  const auto written = write_checkpoint({.preset = "smolvlm-256m", .outliers = true}, directory,
                                        [&](std::size_t done, std::size_t all) {
                                          EXPECT_GT(done, told);
                                          told = done;
                                          total = all;
                                        });
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(told, total);
  EXPECT_EQ(total, 512'969'856U);  // the payload of the published file
  {
    const auto file = tensor::SafeTensors::open(directory / "model.safetensors");
    ASSERT_TRUE(file.has_value()) << file.error().message;
    EXPECT_EQ(file->tensors().size(), 471U);
  }

  const std::size_t before = peak_memory();
  const auto generator = engine::Generator::open(directory, {.model = {}, .threads = 2});
  ASSERT_TRUE(generator.has_value()) << generator.error().message;
  // Weights stay in the map; the tokenizer, the biases and the position table are what is held.
  EXPECT_LT(peak_memory() - before, std::size_t{150} << 20);
  const auto answer = (*generator)->generate({}, "Hello", {.max_new_tokens = 2, .ignore_eos = true});
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->token_ids.size(), 2U);
}

}  // namespace
}  // namespace fovea::synth
