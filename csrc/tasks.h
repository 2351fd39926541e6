// Parallel loops for the kernels.
#pragma once

#include "parallel.h"
#include "vector.h"

namespace crispseg::CRISPSEG_LEVEL {

// Runs a lambda (task, thread) on every task.
template <typename Run>
void run_tasks(int64_t tasks, Threads threads, const Run& run) {
  run_parallel(
      tasks, threads,
      [](void* context, int64_t task, int thread) { (*static_cast<const Run*>(context))(task, thread); },
      const_cast<void*>(static_cast<const void*>(&run)));
}

}  // namespace crispseg::CRISPSEG_LEVEL
