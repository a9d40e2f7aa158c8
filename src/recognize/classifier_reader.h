#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/micro_cnn/model.h"
#include "recognize/reader.h"

namespace fovea::recognize {

/// A micro CNN: answers tasks whose labels are its classes, on the calling thread, in tens of microseconds.
class ClassifierReader : public Reader {
 public:
  ClassifierReader(ModelInfo info, std::unique_ptr<const models::micro_cnn::Model> network)
      : info_(std::move(info)), network_(std::move(network)) {}

  [[nodiscard]] const ModelInfo& model() const override { return info_; }
  Result<void> learn(const tasks::Task& task) override;
  [[nodiscard]] std::map<std::string, std::string> parameters() const override;
  /// It sees the whole picture at once as it is.
  [[nodiscard]] bool can_glance(const image::Image& /*picture*/) const override { return false; }
  void read(ReadRequest request, ReadingDone done) override;
  /// Always refuses: it answers tasks, and does not talk.
  void chat(ChatRequest request, ChatListener listener) override;
  [[nodiscard]] std::size_t capacity() const override { return kCapacity; }
  [[nodiscard]] int retry_after_s() const override { return 1; }
  [[nodiscard]] nlohmann::ordered_json stats() const override;
  void stop() override {}

 private:
  static constexpr std::size_t kCapacity = 1024;

  const ModelInfo info_;
  const std::unique_ptr<const models::micro_cnn::Model> network_;
  std::map<const tasks::Task*, std::vector<std::size_t>> classes_;  // of each label of a task
};

}  // namespace fovea::recognize
