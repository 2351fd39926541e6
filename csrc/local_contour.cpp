#include "kernels.h"
#include "rows.h"
#include "tasks.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

struct Point {
  int64_t row, column;
};

// The line between a centre and its neighbour at (rows, columns): the nearest pixel at each of `steps` + 1 equal steps,
// halves going down and right, so that the line is the same from both ends.
struct Line {
  int64_t rows, columns, steps;

  Line(int64_t rows, int64_t columns)
      : rows(rows), columns(columns), steps(larger(larger(rows, -rows), larger(columns, -columns))) {}

  // The pixel `step` steps away from the centre.
  Point at(int64_t step) const {
    if (steps == 0) return {0, 0};
    return {floor_div(2 * rows * step + steps, 2 * steps), floor_div(2 * columns * step + steps, 2 * steps)};
  }
};

template <typename T>
struct Contour {
  int64_t batch, height, width;
  int64_t size, dilation, half, count;
  const Tensor& boundary;

  Contour(const Tensor& boundary, const Window& window)
      : batch(boundary.shape[0]),
        height(boundary.shape[2]),
        width(boundary.shape[3]),
        size(window.size),
        dilation(window.dilation),
        half(window.size / 2),
        count(window.size * window.size),
        boundary(boundary) {}

  int64_t tasks() const { return width == 0 ? 0 : batch * height; }
  Line line(int64_t k) const { return {(k / size - half) * dilation, (k % size - half) * dilation}; }
  bool has_row(int64_t y) const { return y >= 0 && y < height; }
  int64_t first(const Line& line) const { return smaller(larger<int64_t>(0, -line.columns), width); }
  int64_t end(const Line& line) const { return larger(width - larger<int64_t>(0, line.columns), first(line)); }
  // The boundary is contiguous and of type T.
  const T* row(int64_t image, int64_t y) const {
    return static_cast<const T*>(boundary.data) + (image * height + y) * width;
  }
};

// The larger of two; NaN where either is.
template <typename T>
CRISPSEG_INLINE T largest(T best, T candidate) {
  return candidate > best || candidate != candidate ? candidate : best;
}

// Neighbours whose rows are written together: a cache line of them, where the neighbours of a pixel lie side by side.
constexpr int64_t kTogether = 16;

template <typename T>
void contour_row(const Contour<T>& c, const Line& line, int64_t image, int64_t y, T* best) {
  const bool inside = c.has_row(y + line.rows);
  const int64_t first = inside ? c.first(line) : c.width, end = inside ? c.end(line) : c.width;
  for (int64_t x = 0; x < first; ++x) best[x] = HUGE_VALF;
  for (int64_t x = end; x < c.width; ++x) best[x] = HUGE_VALF;
  for (int64_t step = line.steps; step >= 0 && first < end; --step) {
    const Point point = line.at(step);
    const T* from = c.row(image, y + point.row) + point.column;
    if (step == line.steps) {
      for (int64_t x = first; x < end; ++x) best[x] = line.steps == 0 ? 0 : from[x];
    } else {
      for (int64_t x = first; x < end; ++x) best[x] = largest(best[x], from[x]);
    }
  }
}

template <typename T>
void forward(const Tensor& boundary, const Window& window, Threads threads, const Tensor& result) {
  const Contour<T> c(boundary, window);
  const Scratch rows(threads * kTogether * c.width * static_cast<int64_t>(sizeof(T)));
  run_tasks(c.tasks(), threads, [&](int64_t task, int thread) {
    const int64_t image = task / c.height, y = task % c.height;
    T* const best = static_cast<T*>(rows.data()) + thread * kTogether * c.width;
    for (int64_t k = 0; k < c.count; k += kTogether) {
      const int64_t count = smaller(kTogether, c.count - k);
      for (int64_t n = 0; n < count; ++n) contour_row(c, c.line(k + n), image, y, best + n * c.width);
      const int64_t offset = image * result.stride[0] + k * result.stride[1] + y * result.stride[2];
      store_planes(result, offset, result.stride[3], c.width, count, best, c.width);
    }
  });
}

// Rows of the result that one task writes. It walks the centres around them too.
constexpr int64_t kBand = 32;

template <typename T>
void backward(const Tensor& grad, const Tensor& boundary, const Window& window, Threads threads, const Tensor& result) {
  const Contour<T> c(boundary, window);
  const int64_t bands = ceil_div(c.height, kBand), room = 3 * c.width;
  const int64_t reach = smaller(c.half * c.dilation, c.height);
  const Scratch rows(threads * room * static_cast<int64_t>(sizeof(T)));
  run_tasks(c.width == 0 ? 0 : c.batch * bands, threads, [&](int64_t task, int thread) {
    const int64_t image = task / bands, top = task % bands * kBand, bottom = smaller(top + kBand, c.height);
    T* const best = static_cast<T*>(rows.data()) + thread * room;
    T* const left = best + c.width;  // gradient that has not found its pixel yet
    T* const converted = left + c.width;
    T* const to = static_cast<T*>(result.data) + image * c.height * c.width;
    for (int64_t i = top * c.width; i < bottom * c.width; ++i) to[i] = 0;
    for (int64_t y = larger<int64_t>(top - reach, 0); y < smaller(bottom + reach, c.height); ++y) {
      for (int64_t k = 0; k < c.count; ++k) {
        const Line line = c.line(k);
        if (line.steps == 0 || !c.has_row(y + line.rows)) continue;
        if (larger(y, y + line.rows) < top || smaller(y, y + line.rows) >= bottom) continue;
        const int64_t first = c.first(line), end = c.end(line);
        for (int64_t step = line.steps; step >= 0; --step) {
          const Point point = line.at(step);
          const T* from = c.row(image, y + point.row) + point.column;
          for (int64_t x = first; x < end; ++x) best[x] = step == line.steps ? from[x] : largest(best[x], from[x]);
        }
        const int64_t offset = image * grad.stride[0] + k * grad.stride[1] + y * grad.stride[2];
        const T* upstream = strip(grad, offset + first * grad.stride[3], grad.stride[3], end - first, converted);
        for (int64_t x = first; x < end; ++x) left[x] = upstream[x - first];
        for (int64_t step = line.steps; step >= 0; --step) {
          const Point point = line.at(step);
          const int64_t row = y + point.row;
          const T* from = c.row(image, row) + point.column;
          T* const sums = to + row * c.width + point.column;
          const bool own = row >= top && row < bottom;
          for (int64_t x = first; x < end; ++x) {
            const bool found = from[x] == best[x];
            if (own) sums[x] += found ? left[x] : 0;
            left[x] = found ? 0 : left[x];
          }
        }
      }
    }
  });
}

}  // namespace

void local_contour(const Tensor& boundary, const Window& window, Threads threads, const Tensor& result) {
  with_sums(boundary.type, [&](auto zero) { forward<decltype(zero)>(boundary, window, threads, result); });
}

void local_contour_backward(const Tensor& grad, const Tensor& boundary, const Window& window, Threads threads,
                            const Tensor& result) {
  with_sums(boundary.type, [&](auto zero) { backward<decltype(zero)>(grad, boundary, window, threads, result); });
}

}  // namespace crispseg::CRISPSEG_LEVEL
