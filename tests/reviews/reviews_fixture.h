#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>

#include "base/file.h"
#include "reviews/reviews.h"
#include "support/temporary_folder.h"

namespace fovea::reviews {

/// A queue in a folder of its own.
class ReviewsTest : public testing::Test {
 protected:
  using Json = nlohmann::ordered_json;

  void SetUp() override { open(); }

  void open(const QueueOptions& options = {}) {
    queue_.reset();
    auto opened = ReviewQueue::open(folder_.path(), tasks::builtin_tasks(), options);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    queue_ = std::move(*opened);
  }

  static Json fields(const std::string& name = "Emberling") {
    return {{"name", name},       {"hp", 60},         {"collector_number", "4/102"}, {"set_name", nullptr},
            {"rarity", "Common"}, {"stage", "Basic"}, {"first_edition", false}};
  }
  static Json recognition(const std::string& name = "Emberling", const std::string& model = "card-reader-s") {
    return {{"request_id", "r1"},
            {"task", "trading-card"},
            {"model", model},
            {"model_version", "v1"},
            {"fields", fields(name)}};
  }
  static std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

  std::int64_t add(const std::string& picture = "\xFF\xD8\xFFpicture", const Json& answer = recognition()) {
    const auto added = queue_->add(answer, bytes(picture), "name: confidence 0.50 is below 0.90");
    EXPECT_TRUE(added.has_value()) << added.error().message;
    return added ? added->id : 0;
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<ReviewQueue> queue_;
};

}  // namespace fovea::reviews
