#include "engine/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

#include "engine/scheduler_fixture.h"
#include "support/checkpoint_copy.h"

// Many requests at once against each alone: batching must never change an answer, so token ids and
// log-probabilities are compared bit for bit.

namespace fovea::engine {
namespace {

using testing::HasSubstr;

struct Form {
  nn::Precision precision;
  std::optional<nn::KeyValueType> key_values = {};
};

class SchedulerTest : public SchedulerFixture, public testing::WithParamInterface<Form> {
 protected:
  SchedulerTest() : SchedulerFixture(GetParam().precision, GetParam().key_values) {}

  void SetUp() override {
    SchedulerFixture::SetUp();
    for (std::size_t i = 0; i < 3; ++i) pictures_.push_back(golden_.picture(golden_.cases()[i]));
  }

  using SchedulerFixture::ask;
  GenerationRequest ask(int picture, const std::string& text, Generation* result, std::size_t tokens = 20) {
    return ask(picture < 0 ? nullptr : &pictures_[static_cast<std::size_t>(picture)], text, result, tokens);
  }

  grammar::TokenGrammar::Pointer grammar_of(std::string_view schema) {
    return std::make_shared<const grammar::TokenGrammar>(grammar::Grammar::from_schema_text(schema).value(),
                                                         loaded_->vocabulary());
  }

  std::vector<image::Image> pictures_;
};

INSTANTIATE_TEST_SUITE_P(Precisions, SchedulerTest,
                         testing::Values(Form{nn::Precision::kF32}, Form{nn::Precision::kInt8},
                                         Form{nn::Precision::kInt8, nn::KeyValueType::kInt8}),
                         [](const auto& info) {
                           return std::string(nn::precision_name(info.param.precision)) +
                                  (info.param.key_values ? "_kv_int8" : "");
                         });

constexpr const char* kSchema =
    R"({"type":"object","properties":{"name":{"type":"string","maxLength":12},"hp":{"type":"integer","minimum":0,"maximum":999},"kind":{"enum":["holographic","ordinary",null]}},"required":["name","hp","kind"],"additionalProperties":false})";

TEST_P(SchedulerTest, ManyTogetherAnswerAsEachAloneToTheBit) {
  struct Case {
    int picture;
    std::string text;
    bool constrained;
    float temperature;
  };
  const std::vector<Case> cases{{0, "What is this?", false, 0}, {1, "Read it.", true, 0},
                                {-1, "Hello", false, 0},        {2, "Describe the picture.", false, 0.9F},
                                {0, "Something else", true, 1}, {1, "What is this?", false, 0},
                                {-1, "Hello", true, 0.7F},      {2, "?", false, 0}};
  const auto grammar = grammar_of(kSchema);
  const auto make_request = [&](std::size_t i, Generation* result) {
    const Case& c = cases[i];
    GenerationRequest request = ask(c.picture, c.text, result, 20 + 5 * i);
    if (c.constrained) request.grammar = grammar;
    request.sampling.temperature = c.temperature;
    request.sampling.seed = i;
    request.sampling.ignore_eos = !c.constrained;
    return request;
  };
  std::vector<Generation> together(cases.size());
  auto scheduler = make({.max_sequences = 5});
  for (std::size_t i = 0; i < cases.size(); ++i) {
    scheduler->add(make_request(i, &together[i]));
    for (int step = 0; step < 3; ++step) scheduler->step();  // they join one after the other
  }
  run(*scheduler);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_FALSE(together[i].error.has_value()) << together[i].error->message;
    Generation single;
    single = alone(make_request(i, &single));
    EXPECT_EQ(together[i].token_ids, single.token_ids);
    EXPECT_EQ(logprobs(together[i]), logprobs(single));
    EXPECT_EQ(together[i].text, single.text);
    EXPECT_EQ(together[i].finish_reason, single.finish_reason);
  }
}

TEST_P(SchedulerTest, APictureSeenBeforeNeedsNoTowerAndGivesTheSameAnswer) {
  Generation first, other_question, again;
  auto scheduler = make();
  scheduler->add(ask(0, "What is this?", &first));
  run(*scheduler);
  EXPECT_GT(first.frames_encoded, 0U);
  EXPECT_EQ(first.cached_tokens, 0U);
  scheduler->add(ask(0, "What else is there?", &other_question));
  scheduler->add(ask(0, "What is this?", &again));
  run(*scheduler);
  EXPECT_EQ(other_question.frames_encoded, 0U);
  EXPECT_GT(other_question.cached_tokens, 0U) << "the rows before the question are the same";
  EXPECT_EQ(again.cached_tokens, again.prompt_tokens - 1);
  EXPECT_EQ(again.token_ids, first.token_ids);
  EXPECT_EQ(logprobs(again), logprobs(first));
  Generation unbatched;
  unbatched = alone(ask(0, "What else is there?", &unbatched));
  EXPECT_EQ(other_question.token_ids, unbatched.token_ids);
  EXPECT_EQ(logprobs(other_question), logprobs(unbatched));
}

TEST_P(SchedulerTest, APictureBesideAnotherQuestionReusesItsFramesWithoutACommonBeginning) {
  Generation first, second;
  auto scheduler = make({.prefix_entries = 0});
  scheduler->add(ask(0, "What is this?", &first));
  scheduler->add(ask(0, "And this?", &second));
  run(*scheduler);
  EXPECT_EQ(first.frames_encoded, scheduler->statistics().frames_encoded);
  EXPECT_EQ(second.frames_encoded, 0U);
  EXPECT_GT(scheduler->statistics().frames_reused, 0U);
}

TEST_P(SchedulerTest, AnotherPictureSharesNothingOfTheFirst) {
  Generation first, second;
  auto scheduler = make();
  scheduler->add(ask(0, "What is this?", &first));
  run(*scheduler);
  pictures_[0].rgb[0] ^= 255;  // one pixel, which the resize spreads into the tiles
  pictures_[0].rgb[1] ^= 255;
  scheduler->add(ask(0, "What is this?", &second));
  run(*scheduler);
  Generation unbatched;
  unbatched = alone(ask(0, "What is this?", &unbatched));
  EXPECT_GT(second.frames_encoded, 0U);
  EXPECT_EQ(second.token_ids, unbatched.token_ids);
  EXPECT_EQ(logprobs(second), logprobs(unbatched));
}

TEST_P(SchedulerTest, ATightPoolMakesRequestsWaitAndLosesNone) {
  std::vector<Generation> results(6);
  const std::size_t page = loaded_->model().text().make_pool(1)->page_bytes();
  Generation probe;
  const std::size_t prompt = ask(1, "What is this?", &probe).prompt.ids.size();
  const std::size_t pages = (prompt + 20) / nn::kPagePositions + 1;
  auto scheduler = make({.key_value_bytes = pages * page});
  for (Generation& result : results) scheduler->add(ask(1, "What is this?", &result));
  run(*scheduler);
  for (const Generation& result : results) {
    EXPECT_FALSE(result.error.has_value());
    EXPECT_EQ(result.token_ids, results[0].token_ids);
  }
  EXPECT_EQ(scheduler->statistics().pages, pages);
}

TEST_P(SchedulerTest, APromptLargerThanThePoolIsRefused) {
  const std::size_t page = loaded_->model().text().make_pool(1)->page_bytes();
  Generation result;
  auto scheduler = make({.key_value_bytes = page});
  std::string words;
  for (int i = 0; i < 300; ++i) words += "word ";
  scheduler->add(ask(-1, words, &result));
  ASSERT_TRUE(result.error.has_value());
  EXPECT_EQ(result.error->code, ErrorCode::kContextExceeded);
  EXPECT_TRUE(scheduler->idle());
}

TEST(SchedulerBudget, LeftOutHoldsOneLongestSequenceEvenWhereThatIsMoreThanTheUsual) {
  constexpr std::size_t kContext = 500'000;  // more than 256 MiB of this model's keys and values
  const test::CheckpointCopy copy;
  copy.edit("config.json", [&](auto& json) { json["text_config"]["max_position_embeddings"] = kContext; });
  const auto loaded = LoadedModel::open(copy.folder(), {.model = {}, .threads = 1}).value();
  const auto make = [&](std::size_t bytes) {
    return Scheduler(loaded->model(), loaded->tokenizer(), loaded->vocabulary(), loaded->compute(),
                     {.max_sequences = 2, .key_value_bytes = bytes});
  };
  EXPECT_EQ(make(0).most_tokens(), kContext);
  const Scheduler asked = make(std::size_t{256} << 20);
  EXPECT_LT(asked.most_tokens(), kContext);
  EXPECT_LE(asked.statistics().pages * asked.statistics().page_bytes, std::size_t{256} << 20);
}

TEST_P(SchedulerTest, ACancelledRequestEndsWithinAStepAndGivesItsPagesBack) {
  Generation cancelled, other;
  std::stop_source stop;
  auto scheduler = make({.prefix_entries = 0});
  auto request = ask(-1, "Hello", &cancelled, 200);
  request.sampling.ignore_eos = true;
  request.stop = stop.get_token();
  scheduler->add(std::move(request));
  scheduler->add(ask(-1, "Hello", &other, 10));
  for (int i = 0; i < 5; ++i) scheduler->step();
  stop.request_stop();
  scheduler->step();
  ASSERT_TRUE(cancelled.error.has_value());
  EXPECT_EQ(cancelled.error->code, ErrorCode::kCancelled);
  run(*scheduler);
  EXPECT_FALSE(other.error.has_value());
  EXPECT_EQ(scheduler->statistics().pages_free, scheduler->statistics().pages);
}

TEST_P(SchedulerTest, ADeadlineThatPassesEndsARequest) {
  Generation result;
  auto request = ask(-1, "Hello", &result, 200);
  request.sampling.ignore_eos = true;
  request.deadline = std::chrono::steady_clock::now() - std::chrono::milliseconds(1);
  auto scheduler = make();
  scheduler->add(std::move(request));
  scheduler->step();
  ASSERT_TRUE(result.error.has_value());
  EXPECT_EQ(result.error->code, ErrorCode::kDeadline);
}

TEST_P(SchedulerTest, HighPriorityIsComputedFirst) {
  std::vector<int> order;
  auto scheduler = make({.max_sequences = 1});
  Generation ignored;
  for (int i = 0; i < 3; ++i) {
    auto request = ask(-1, "Hello", &ignored, 3);
    request.priority = i == 2 ? Priority::kHigh : i == 1 ? Priority::kNormal : Priority::kBatch;
    request.on_done = [&order, i](Generation) { order.push_back(i); };
    scheduler->add(std::move(request));
  }
  run(*scheduler);
  EXPECT_EQ(order, (std::vector<int>{2, 1, 0}));
}

TEST_P(SchedulerTest, ARequestThatWaitedLongGoesBeforeAHigherClass) {
  std::vector<int> order;
  auto scheduler = make({.max_sequences = 1});
  Generation ignored;
  for (int i = 0; i < 2; ++i) {
    auto request = ask(-1, "Hello", &ignored, 3);
    request.priority = i == 0 ? Priority::kHigh : Priority::kBatch;
    if (i == 1) request.submitted -= std::chrono::seconds(60);
    request.on_done = [&order, i](Generation) { order.push_back(i); };
    scheduler->add(std::move(request));
  }
  run(*scheduler);
  EXPECT_EQ(order, (std::vector<int>{1, 0}));
}

TEST_P(SchedulerTest, AnAnswerUnderASchemaIsValidAndJumpsOverWhatIsDictated) {
  const auto grammar = grammar_of(kSchema);
  for (const bool jump : {true, false}) {
    Generation result;
    auto request = ask(0, "Read it.", &result, 200);
    request.grammar = grammar;
    auto scheduler = make({.jump_forward = jump});
    scheduler->add(std::move(request));
    run(*scheduler);
    ASSERT_FALSE(result.error.has_value()) << result.error->message;
    EXPECT_EQ(result.finish_reason, FinishReason::kStop);
    EXPECT_TRUE(grammar->grammar().matches(result.text)) << result.text;
    EXPECT_EQ(result.tokens.size(), result.token_ids.size());
    if (jump) {
      EXPECT_LT(result.decode_steps, result.token_ids.size()) << result.text;
    } else {
      EXPECT_EQ(result.decode_steps, result.token_ids.size());
    }
  }
}

TEST_P(SchedulerTest, AnAnswerCutByTheLimitSaysSo) {
  Generation result;
  auto request = ask(0, "Read it.", &result, 4);
  request.grammar = grammar_of(kSchema);
  auto scheduler = make();
  scheduler->add(std::move(request));
  run(*scheduler);
  EXPECT_EQ(result.finish_reason, FinishReason::kLength);
  EXPECT_EQ(result.token_ids.size(), 4U);
}

TEST_P(SchedulerTest, DeltasAddUpToTheTextAndTheTokens) {
  for (const bool constrained : {false, true}) {
    Generation result;
    std::string text;
    std::vector<std::int32_t> ids;
    auto request = ask(0, "What is this?", &result, 40);
    if (constrained) request.grammar = grammar_of(kSchema);
    request.on_delta = [&](Delta delta) {
      text += delta.text;
      for (const TokenLogprob& token : delta.tokens) ids.push_back(token.id);
    };
    auto scheduler = make();
    scheduler->add(std::move(request));
    run(*scheduler);
    EXPECT_EQ(text, result.text);
    EXPECT_EQ(ids, result.token_ids);
  }
}

TEST_P(SchedulerTest, AStopTextEndsTheAnswerBeforeIt) {
  Generation whole;
  auto request = ask(0, "What is this?", &whole, 30);
  request.sampling.ignore_eos = true;
  whole = alone(std::move(request));
  ASSERT_GT(whole.text.size(), 8U);
  // Whole characters: an answer ends between two of them.
  const auto begins = [&](std::size_t at) {
    while (at < whole.text.size() && (static_cast<unsigned char>(whole.text[at]) & 0xC0) == 0x80) ++at;
    return at;
  };
  const std::size_t from = begins(whole.text.size() / 2);
  const std::string stop = whole.text.substr(from, begins(from + 3) - from);
  Generation stopped;
  std::string told;
  request = ask(0, "What is this?", &stopped, 30);
  request.sampling.ignore_eos = true;
  request.sampling.stop = {stop};
  request.on_delta = [&](Delta delta) { told += delta.text; };
  auto scheduler = make();
  scheduler->add(std::move(request));
  run(*scheduler);
  EXPECT_EQ(stopped.text, whole.text.substr(0, whole.text.find(stop)));
  EXPECT_EQ(told, stopped.text);
  EXPECT_EQ(stopped.finish_reason, FinishReason::kStop);
}

TEST_P(SchedulerTest, TopKAndTopPDrawFromTheMostLikelyTokensAndTheSameInABatch) {
  struct Case {
    std::size_t top_k;
    float top_p;
  };
  const std::vector<Case> cases{{1, 1}, {0, 1e-6F}, {4, 1}, {0, 0.01F}, {8, 0.004F}, {0, 1}};
  const auto make_request = [&](std::size_t i, Generation* result) {
    auto request = ask(0, "What is this?", result, 24);
    request.sampling.temperature = 1;
    request.sampling.top_k = cases[i].top_k;
    request.sampling.top_p = cases[i].top_p;
    request.sampling.seed = 11;
    request.sampling.ignore_eos = true;
    request.sampling.top_logprobs = kMostTopLogprobs;
    return request;
  };
  std::vector<Generation> drawn(cases.size());
  auto scheduler = make();
  for (std::size_t i = 0; i < cases.size(); ++i) scheduler->add(make_request(i, &drawn[i]));
  run(*scheduler);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    Generation single;
    single = alone(make_request(i, &single));
    EXPECT_EQ(drawn[i].token_ids, single.token_ids);
    EXPECT_EQ(logprobs(drawn[i]), logprobs(single));
    for (const TokenLogprob& token : drawn[i].tokens) {
      // The more likely ones: so many, and of so much probability together, that this one is still among
      // them.
      std::size_t before = 0;
      double probability = 0;
      for (const auto& other : token.alternatives) {
        if (other.logprob <= token.logprob) break;
        ++before;
        probability += std::exp(static_cast<double>(other.logprob));
      }
      if (cases[i].top_k != 0) EXPECT_LT(before, cases[i].top_k);
      EXPECT_LT(probability, static_cast<double>(cases[i].top_p) + 1e-5);
    }
  }
  Generation greedy;
  auto request = make_request(0, &greedy);
  request.sampling.temperature = 0;
  greedy = alone(std::move(request));
  EXPECT_EQ(drawn[0].token_ids, greedy.token_ids);
  EXPECT_EQ(drawn[1].token_ids, greedy.token_ids);
  EXPECT_NE(drawn[2].token_ids, greedy.token_ids);
  EXPECT_NE(drawn[5].token_ids, drawn[2].token_ids);
}

TEST_P(SchedulerTest, ChoicesAreScoredAloneOfTheirOrder) {
  const std::vector<std::string> labels{"burnt", "basic", "mixed", "a", "segment of one"};
  const auto scores = [&](const std::vector<std::size_t>& order) {
    Generation result;
    auto request = ask(0, "Which?", &result);
    for (const std::size_t i : order) request.choices.push_back(loaded_->tokenizer().encode(labels[i]));
    auto scheduler = make();
    scheduler->add(std::move(request));
    run(*scheduler);
    EXPECT_FALSE(result.error.has_value());
    std::map<std::size_t, double> found;
    for (std::size_t i = 0; i < order.size(); ++i) found[order[i]] = result.choice_logprobs[i];
    return found;
  };
  const auto forward = scores({0, 1, 2, 3, 4});
  EXPECT_EQ(scores({4, 3, 2, 1, 0}), forward);
  EXPECT_EQ(scores({2, 0, 4, 1, 3}), forward);
  for (const auto& [label, logprob] : forward) {
    EXPECT_LT(logprob, 0.0);
    EXPECT_TRUE(std::isfinite(logprob));
  }
}

TEST_P(SchedulerTest, AChoicesScoreIsThatOfItsTokensAndOfTheEndBehindThem) {
  const auto choice = loaded_->tokenizer().encode("mixed up");
  ASSERT_GT(choice.size(), 1U);
  Generation scored;
  auto request = ask(-1, "Which?", &scored);
  const auto prompt = request.prompt.ids;
  request.choices = {choice};
  scored = alone(std::move(request));

  // Teacher forcing by hand: one pass over prompt and choice.
  const auto& text = loaded_->model().text();
  const std::size_t width = loaded_->config().text.hidden_size;
  const std::size_t vocab = loaded_->config().text.vocab_size;
  std::vector<std::int32_t> ids = prompt;
  ids.insert(ids.end(), choice.begin(), choice.end());
  std::vector<float> hidden(ids.size() * width);
  for (std::size_t i = 0; i < ids.size(); ++i) text.embed(ids[i], hidden.data() + i * width);
  auto cache = text.make_cache(ids.size());
  text.forward(loaded_->compute(), hidden.data(), ids.size(), cache);
  double expected = 0;
  for (std::size_t i = prompt.size() - 1; i < ids.size(); ++i) {
    std::vector<float> logits(vocab);
    text.logits(loaded_->compute(), hidden.data() + i * width, 1, logits.data());
    double total = 0;
    for (const float logit : logits) total += std::exp(static_cast<double>(logit));
    double wanted = 0;
    if (i + 1 < ids.size()) {
      wanted = std::exp(static_cast<double>(logits[static_cast<std::size_t>(ids[i + 1])]));
    } else {
      for (const std::int32_t id : loaded_->config().eos_token_ids)
        wanted += std::exp(static_cast<double>(logits[static_cast<std::size_t>(id)]));
    }
    expected += std::log(wanted / total);
  }
  EXPECT_NEAR(scored.choice_logprobs[0], expected, 1e-5);
}

}  // namespace
}  // namespace fovea::engine
