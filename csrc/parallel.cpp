#include "parallel.h"

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <atomic>
#include <cstdlib>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace crispseg {

constexpr int64_t kLargePage = int64_t{1} << 21;

namespace {

thread_local UsePool::Share share_of_pool = nullptr;
thread_local void* used_pool = nullptr;

}  // namespace

UsePool::UsePool(Share share, void* pool) {
  share_of_pool = share;
  used_pool = pool;
}

UsePool::~UsePool() { share_of_pool = nullptr; }

void run_parallel(int64_t tasks, int threads, void (*run)(void*, int64_t, int), void* context) {
  std::atomic<int64_t> next{0};
  const auto work = [&](int thread) {
    for (int64_t task = next++; task < tasks; task = next++) run(context, task, thread);
  };
  const int64_t wanted = tasks < threads ? tasks : threads;
  if (share_of_pool != nullptr && wanted > 1)
    return share_of_pool(
        used_pool, static_cast<int>(wanted),
        [](void* given, int thread) { (*static_cast<decltype(work)*>(given))(thread); },
        const_cast<void*>(static_cast<const void*>(&work)));
  std::vector<std::thread> others;
  others.reserve(wanted > 0 ? wanted : 0);
  try {
    for (int thread = 1; thread < wanted; ++thread) others.emplace_back(work, thread);
  } catch (const std::system_error&) {
    // The system gives no more threads: those that run take over the tasks.
  }
  work(0);
  for (std::thread& other : others) other.join();
}

void ask_for_large_pages(void* data, int64_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr uintptr_t kPage = kLargePage;
  const uintptr_t start = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first = (start + kPage - 1) / kPage * kPage, end = (start + bytes) / kPage * kPage;
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
#else
  (void)data, (void)bytes;
#endif
}

int64_t own_cache_bytes() {
  int64_t bytes = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
  bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
  constexpr int64_t kLeast = int64_t{1} << 20, kMost = int64_t{4} << 20;
  return bytes < kLeast ? kLeast : bytes < kMost ? bytes : kMost;
}

Scratch::Scratch(int64_t bytes) : data_(nullptr) {
  if (bytes <= 0) return;
  // Kernels go through many planes at once, more than a core knows the addresses of small pages for.
  const int64_t alignment = bytes < kLargePage / 2 ? 64 : kLargePage;
  data_ = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (data_ == nullptr) throw std::bad_alloc();
  ask_for_large_pages(data_, (bytes + alignment - 1) / alignment * alignment);
}

Scratch::~Scratch() { std::free(data_); }

Maps::Maps(int64_t count, int64_t bytes) : count_(count), maps_(new Scratch*[count]()) {
  try {
    for (int64_t i = 0; i < count; ++i) maps_[i] = new Scratch(bytes);
  } catch (...) {
    release();
    throw;
  }
}

Maps::~Maps() { release(); }

void Maps::release() {
  for (int64_t i = 0; i < count_; ++i) delete maps_[i];
  delete[] maps_;
}

}  // namespace crispseg
