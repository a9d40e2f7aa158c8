#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/file.h"
#include "catalog/catalog.h"
#include "support/temporary_folder.h"
#include "tasks/task_set.h"

namespace fovea::catalog {

/// A catalogue in a folder of its own.
class CatalogTest : public testing::Test {
 protected:
  using Json = nlohmann::ordered_json;

  void SetUp() override {
    auto opened = Catalog::open(path());
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    catalog_ = std::move(*opened);
  }
  [[nodiscard]] std::filesystem::path path() const { return folder_.path() / "state" / "catalog.db"; }
  static const tasks::Task& card() { return *tasks::builtin_tasks()->find("trading-card"); }

  std::filesystem::path write(const std::string& text, const std::string& name = "cards.csv") {
    const auto file = folder_.path() / name;
    EXPECT_TRUE(write_file(file, text).has_value());
    return file;
  }
  Result<ImportReport> import(const std::string& text, const ImportOptions& options = {}) {
    const std::vector files{write(text)};
    return catalog_->import_csv(card(), files, options);
  }
  std::uint64_t entries() {
    const auto stats = catalog_->stats().value();
    return stats.empty() ? 0 : stats.front().entries;
  }
  std::vector<Candidate> match(const Json& fields, std::size_t limit = 3) {
    auto found = catalog_->match(card(), fields, limit);
    EXPECT_TRUE(found.has_value()) << found.error().message;
    return found.value_or(std::vector<Candidate>());
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<Catalog> catalog_;
};

}  // namespace fovea::catalog
