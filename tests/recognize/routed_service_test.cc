// Several models behind the router: which one answers, what is said about it, and what happens when one
// fails.

#include "recognize/routed_service.h"

#include <gmock/gmock.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "support/checkpoint_copy.h"
#include "support/micro_cnn.h"
#include "support/paths.h"
#include "support/temporary_folder.h"

namespace fovea::recognize {
namespace {

using testing::HasSubstr;

/// The shipped card readers, and a micro CNN with random weights under the name of the pizza task's fast
/// model.
class RoutedServiceTest : public testing::Test {
 protected:
  static std::filesystem::path models() { return test::source_folder() / "models"; }

  void SetUp() override {
    std::filesystem::copy(test::micro_cnn_folder("v1"), folder_.path() / "pizza-micro-v1");
    for (const auto& model :
         {models() / "card-reader-m", models() / "card-reader-s", folder_.path() / "pizza-micro-v1"}) {
      ServiceOptions each{.model = model};
      each.generator.threads = 2;
      options_.models.push_back(std::move(each));
    }
    picture_ = read_file(models() / "eval/trading-card/clean/0001.webp").value();
    cards().strategy = "single";  // whatever threshold is stored with the fast model
  }
  void open() {
    auto opened = RoutedService::open(options_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    service_ = std::move(*opened);
  }
  Request request(const std::string& mode = "auto", const std::string& task = "trading-card") {
    return {.request_id = "",
            .file = "a.webp",
            .bytes = std::as_bytes(std::span(picture_)),
            .task = task,
            .mode = mode};
  }
  Recognition read(Request asked) { return recognize_now(*service_, std::move(asked)); }
  config::RouterTaskConfig& cards() {
    if (options_.router.tasks.empty()) options_.router.tasks.push_back({.name = "trading-card"});
    return options_.router.tasks.front();
  }
  void let_fail(const std::string& model) {
    options_.faults.push_back({.model = model, .kind = "error", .probability = 1});
  }

  test::TemporaryFolder folder_;
  RoutedServiceOptions options_;
  std::string picture_;
  std::unique_ptr<RoutedService> service_;
};

TEST_F(RoutedServiceTest, TheModeChoosesTheModelAndTheAnswerSaysWhy) {
  open();
  const Recognition usual = read(request());
  ASSERT_TRUE(usual.ok()) << usual.error->message;
  EXPECT_EQ(usual.model, "card-reader-m");
  EXPECT_EQ(usual.rule, "single");
  EXPECT_EQ(usual.file, "a.webp");
  EXPECT_FALSE(usual.degraded);
  EXPECT_FALSE(usual.why.empty());
  const Recognition fast = read(request("fast"));
  EXPECT_EQ(fast.model, "card-reader-s");
  EXPECT_EQ(fast.rule, "mode_fast");
  EXPECT_FALSE(fast.degraded);
  EXPECT_NE(fast.model_version, usual.model_version);
}

TEST_F(RoutedServiceTest, AModelThatIsNamedAnswersOrNobodyDoes) {
  open();
  Request named = request();
  named.model = "card-reader-s";
  EXPECT_EQ(read(named).model, "card-reader-s");
  named.model = "another";
  const Recognition refused = read(named);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error->code, ErrorCode::kModelUnavailable);
  named.model = "pizza-micro-v1";  // which does not know this task
  EXPECT_FALSE(read(named).ok());
}

TEST_F(RoutedServiceTest, ACascadeEscalatesWhereTheFastModelIsNotSure) {
  cards().strategy = "cascade";
  cards().threshold = 0.0;
  open();
  EXPECT_EQ(read(request()).model, "card-reader-s");
  cards().threshold = 1.0;
  open();
  const Recognition escalated = read(request());
  EXPECT_EQ(escalated.model, "card-reader-m");
  EXPECT_EQ(escalated.rule, "cascade");
  EXPECT_FALSE(escalated.degraded);
  EXPECT_THAT(escalated.why, HasSubstr("card-reader-s is only"));
  EXPECT_EQ(service_->stats()["router"]["tasks"]["trading-card"]["escalated"], 1);
}

TEST_F(RoutedServiceTest, AnotherModelStandsInForOneThatFails) {
  let_fail("card-reader-m");
  open();
  const Recognition answer = read(request());
  ASSERT_TRUE(answer.ok()) << answer.error->message;
  EXPECT_EQ(answer.model, "card-reader-s");
  EXPECT_TRUE(answer.degraded);
  EXPECT_EQ(answer.rule, "fallback");
}

TEST_F(RoutedServiceTest, APictureThatCannotBeReadIsNoModelsFault) {
  open();
  picture_ = "no picture";
  const Recognition answer = read(request());
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error->code, ErrorCode::kUnsupportedMedia);
  EXPECT_EQ(service_->stats()["router"]["models"]["card-reader-s"]["calls"], 0) << "nobody else is asked";
}

TEST_F(RoutedServiceTest, WhereEveryModelFailsTheRequestDoes) {
  let_fail("card-reader-m");
  let_fail("card-reader-s");
  open();
  EXPECT_EQ(read(request()).error.value().code, ErrorCode::kInternal);
}

TEST_F(RoutedServiceTest, AModelThatAnOperatorTurnedOffIsNotAsked) {
  open();
  ASSERT_TRUE(service_->operate("card-reader-m", ModelSwitch::kOff, "it misreads"));
  const Recognition answer = read(request());
  EXPECT_EQ(answer.model, "card-reader-s");
  EXPECT_TRUE(answer.degraded);
  EXPECT_EQ(service_->breakers()["card-reader-m"]["off_why"], "it misreads");
  ASSERT_TRUE(service_->operate("card-reader-m", ModelSwitch::kOn, ""));
  EXPECT_EQ(read(request()).model, "card-reader-m");
  EXPECT_FALSE(service_->operate("another", ModelSwitch::kOff, ""));
}

TEST_F(RoutedServiceTest, AProgressiveAnswerShowsTheFastOneFirst) {
  open();
  std::vector<std::string> shown;
  Request asked = request("progressive");
  asked.on_preview = [&](const Recognition& preview) { shown.push_back(preview.model); };
  const Recognition answer = read(asked);
  EXPECT_EQ(shown, std::vector<std::string>{"card-reader-s"});
  EXPECT_EQ(answer.model, "card-reader-m");
}

TEST_F(RoutedServiceTest, ALoneModelIsShownAtAGlanceThroughTheRouterToo) {
  options_.models = {{.model = test::golden_folder("smolvlm-tiny-f32")}};
  options_.models.front().generator.threads = 1;
  options_.router = {};
  picture_ = read_file(test::golden_folder("smolvlm-tiny-f32") / "images/0_300x420_RGB.png").value();
  open();
  std::vector<std::string> shown;
  Request asked = request("progressive", "pizza");
  asked.on_preview = [&](const Recognition& preview) {
    shown.push_back(preview.rule + " of " + preview.file);
  };
  const Recognition answer = read(asked);
  ASSERT_TRUE(answer.ok()) << answer.error->message;
  EXPECT_EQ(answer.rule, "mode_progressive");
  EXPECT_EQ(shown, std::vector<std::string>{"preview of a.webp"});
}

TEST_F(RoutedServiceTest, ThePizzaPairsStandardModelStandsInForTheSpatialOne) {
  open();
  const Recognition answer = read(request("auto", "pizza"));
  ASSERT_TRUE(answer.ok()) << answer.error->message;
  EXPECT_EQ(answer.model, "pizza-micro-v1");
  EXPECT_TRUE(answer.degraded) << "the spatial model is not loaded";
  EXPECT_THAT(answer.why, HasSubstr("spatial is not loaded"));
  double total = 0;
  for (const auto& [label, p] : answer.probabilities.items()) total += p.get<double>();
  EXPECT_NEAR(total, 1.0, 1e-6);
  const auto json = answer.to_json();
  EXPECT_EQ(json["predicted_class"], answer.fields["label"]);
  EXPECT_EQ(json["unsure"], answer.confidence["label"].get<double>() < 0.7);

  for (const std::string mode : {"fast", "high_throughput", "edge"}) {
    EXPECT_FALSE(read(request(mode, "pizza")).degraded) << mode;
  }
  Request standard = request("auto", "pizza");
  standard.role = ModelRole::kFast;
  EXPECT_FALSE(read(standard).degraded);
  Request spatial = request("auto", "pizza");
  spatial.role = ModelRole::kAccurate;
  EXPECT_EQ(read(spatial).error.value().code, ErrorCode::kModelUnavailable);
}

TEST_F(RoutedServiceTest, ShadowCallsOutliveTheirRequestAndAreCompared) {
  cards().strategy = "shadow";
  cards().shadow_model = "card-reader-s";
  cards().shadow_share = 1;
  open();
  {
    const std::string bytes = picture_;
    Request asked = request();
    asked.bytes = std::as_bytes(std::span(bytes));
    EXPECT_EQ(read(asked).model, "card-reader-m");
  }  // the bytes go here
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (service_->stats()["router"]["models"]["card-reader-s"]["answers"] != 1 &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  EXPECT_EQ(service_->stats()["router"]["models"]["card-reader-s"]["answers"], 1);
}

TEST_F(RoutedServiceTest, AnswersOfOneModelAreNeverAnothersEvenInOneCache) {
  const auto cache = std::make_shared<cache::TieredCache>(cache::TieredCacheOptions{});
  for (ServiceOptions& model : options_.models) model.cache = cache;
  open();
  EXPECT_FALSE(read(request("fast")).cached.has_value());
  EXPECT_FALSE(read(request("accurate")).cached.has_value());
  const Recognition fast = read(request("fast"));
  const Recognition accurate = read(request("accurate"));
  EXPECT_EQ(fast.cached, "memory");
  EXPECT_EQ(accurate.cached, "memory");
  EXPECT_EQ(fast.model, "card-reader-s");
  EXPECT_EQ(accurate.model, "card-reader-m");
}

TEST_F(RoutedServiceTest, DrainingRefusesWhatComes) {
  open();
  service_->drain();
  EXPECT_EQ(read(request()).error.value().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(service_->readiness().ready);
}

}  // namespace
}  // namespace fovea::recognize
