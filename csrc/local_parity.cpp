#include "kernels.h"
#include "tasks.h"

namespace crispseg::CRISPSEG_LEVEL {

void local_parity(const Tensor& labels, const Window& window, int64_t ignore_index, Threads threads,
                  const Tensor& parity, const Tensor& valid) {
  const int64_t height = labels.shape[2], width = labels.shape[3], half = window.size / 2;
  const int64_t out_height = ceil_div(height, window.stride), out_width = ceil_div(width, window.stride);
  const auto* const data = static_cast<const int64_t*>(labels.data);
  run_tasks(out_width == 0 ? 0 : labels.shape[0] * out_height, threads, [&](int64_t task, int) {
    const int64_t image = task / out_height, y = task % out_height * window.stride;
    const int64_t* const here = data + (image * height + y) * width;
    for (int64_t k = 0; k < window.size * window.size; ++k) {
      const int64_t rows = (k / window.size - half) * window.dilation;
      const int64_t columns = (k % window.size - half) * window.dilation;
      const int64_t offset = (image * parity.shape[1] + k) * out_height * out_width + task % out_height * out_width;
      auto* const same = static_cast<bool*>(parity.data) + offset;
      auto* const pair = static_cast<bool*>(valid.data) + offset;
      const bool inside = y + rows >= 0 && y + rows < height && (rows != 0 || columns != 0);
      const int64_t first = smaller(ceil_div(larger<int64_t>(-columns, 0), window.stride), out_width);
      const int64_t last = columns >= width ? 0 : ceil_div(width - larger<int64_t>(columns, 0), window.stride);
      const int64_t end = inside ? larger(last, first) : first;
      const int64_t* const there = here + rows * width + columns;
      for (int64_t x = 0; x < out_width; ++x) same[x] = pair[x] = false;
      for (int64_t x = first; x < end; ++x) {
        const int64_t one = here[x * window.stride], other = there[x * window.stride];
        pair[x] = one != ignore_index && other != ignore_index;
        same[x] = pair[x] && one == other;
      }
    }
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
