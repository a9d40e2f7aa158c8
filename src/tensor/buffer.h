#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>

namespace fovea::tensor {

/// Owned, 64-byte aligned, uninitialised memory for `size` elements of a trivial type. Moves, does not copy.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : data_(allocate(size)), size_(size) {}

  [[nodiscard]] T* data() { return data_.get(); }
  [[nodiscard]] const T* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<T> span() { return {data(), size_}; }
  [[nodiscard]] std::span<const T> span() const { return {data(), size_}; }
  T& operator[](std::size_t index) { return data_.get()[index]; }
  const T& operator[](std::size_t index) const { return data_.get()[index]; }

  /// At least `size` elements; the contents are lost when it has to grow.
  void reserve(std::size_t size) {
    if (size > size_) *this = Buffer(size);
  }

 private:
  struct Free {
    void operator()(T* pointer) const {
      ::operator delete(static_cast<void*>(pointer), std::align_val_t{64});
    }
  };
  static T* allocate(std::size_t size) {
    return static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t{64}));
  }

  std::unique_ptr<T, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace fovea::tensor
