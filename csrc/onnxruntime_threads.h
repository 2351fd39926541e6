// The threads of a session of onnxruntime, which wait for work: more would only get into their way.
#pragma once

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include "onnxruntime_abi.h"
#include "parallel.h"

namespace crispseg {

// Raises what onnxruntime reports.
inline void succeed(const OrtApi* api, OrtStatus* status) {
  if (status == nullptr) return;
  const std::string message = api->message(status);
  api->release(status);
  throw std::runtime_error(message);
}

struct Session {
  const OrtApi* api;
  const OrtKernelContext* context;

  // Runs a lambda (i) for every i below `count`, in any order, and waits.
  template <typename Run>
  void share(int count, const Run& run) const {
    const auto one = [](void* data, size_t i) { (*static_cast<const Run*>(data))(static_cast<int>(i)); };
    void* const data = const_cast<void*>(static_cast<const void*>(&run));
    succeed(api, api->parallel_for(context, one, static_cast<size_t>(count), 0, data));
  }
};

// How many threads a session has, which onnxruntime does not tell: work is cut for as many. They are counted as they
// come together, some times, since one that is late is missed.
class PoolSize {
 public:
  PoolSize() = default;
  PoolSize(const PoolSize& other) : most_(other.most()) {}

  int most() const { return most_; }

  void measure(const Session& session, int cores) const {
    if (cores == 1 || most_ == cores || measured_.fetch_add(1) >= kTimes) return;
    std::atomic<int> present{0};
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kMilliseconds);
    session.share(cores, [&](int) {
      if (std::chrono::steady_clock::now() >= end) return;
      ++present;
      while (present < cores && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    });
    if (present > most_) most_ = present.load();
  }

 private:
  static constexpr int kTimes = 3, kMilliseconds = 2;

  mutable std::atomic<int> most_{1}, measured_{0};
};

}  // namespace crispseg
