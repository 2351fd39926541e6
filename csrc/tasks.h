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

// A sum for each task, so that the total does not depend on who did what.
class TaskSums {
 public:
  explicit TaskSums(int64_t tasks) : tasks_(tasks), memory_(tasks * static_cast<int64_t>(sizeof(double))) {
    for (int64_t task = 0; task < tasks; ++task) (*this)[task] = 0;
  }
  double& operator[](int64_t task) const { return static_cast<double*>(memory_.data())[task]; }
  double total() const {
    double total = 0;
    for (int64_t task = 0; task < tasks_; ++task) total += (*this)[task];
    return total;
  }

 private:
  int64_t tasks_;
  Scratch memory_;
};

}  // namespace crispseg::CRISPSEG_LEVEL
