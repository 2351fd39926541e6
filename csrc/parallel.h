// Threads and memory: the two things that kernels ask of the system. Compiled once, for every level.
#pragma once

#include <cstddef>
#include <cstdint>

namespace crispseg {

// Runs run(context, task, thread) for every task below `tasks`, each once, on at most `threads` threads, and waits.
//
// Threads live as long as the call: nothing has to survive a fork, and nothing spins while PyTorch works. Starting one
// takes some 20 microseconds.
void run_parallel(int64_t tasks, int threads, void (*run)(void* context, int64_t task, int thread), void* context);

// While it lives, run_parallel takes the threads of a pool for this thread's calls, in place of new ones.
class UsePool {
 public:
  // Runs work(context, thread) for every thread below `threads`, in any order, and waits.
  using Share = void (*)(void* pool, int threads, void (*work)(void* context, int thread), void* context);

  UsePool(Share share, void* pool);
  ~UsePool();
  UsePool(const UsePool&) = delete;
  UsePool& operator=(const UsePool&) = delete;
};

// Asks for large pages in memory that is about to be written: new memory comes a page at a time, and for small pages
// that takes longer than some kernels do. Advice only.
void ask_for_large_pages(void* data, int64_t bytes);

// The bytes of a core's own cache, as far as the system tells; at least 1 MB, at most 4.
int64_t own_cache_bytes();

// Memory aligned to a cache line, released with the object.
//
// Throws std::bad_alloc, so kernels make it before their threads start.
class Scratch {
 public:
  explicit Scratch(int64_t bytes);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
};

// Several of them, of one size, each on its own: the allocator keeps and reuses memory of their size rather than giving
// it back and clearing it anew, which takes longer than some passes over it.
class Maps {
 public:
  Maps(int64_t count, int64_t bytes);
  ~Maps();
  Maps(const Maps&) = delete;
  Maps& operator=(const Maps&) = delete;
  void* operator[](int64_t i) const { return maps_[i]->data(); }

 private:
  void release();
  int64_t count_;
  Scratch** maps_;
};

}  // namespace crispseg
