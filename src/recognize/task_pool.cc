#include "recognize/task_pool.h"

#include <chrono>
#include <utility>

namespace fovea::recognize {

TaskPool::TaskPool(std::size_t threads) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
}

TaskPool::~TaskPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void TaskPool::run(engine::Priority priority, std::move_only_function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push(std::move(work), priority, std::chrono::steady_clock::now());
  }
  changed_.notify_one();
}

void TaskPool::serve() {
  while (true) {
    std::move_only_function<void()> work;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      work = waiting_.pop(std::chrono::steady_clock::now());
    }
    work();
  }
}

}  // namespace fovea::recognize
