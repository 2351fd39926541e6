#include "kernels.h"
#include "tasks.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

constexpr int64_t kRows = 8;       // of a task: coarse pixels are laid out once for all that lie between the same two
constexpr int64_t kColumns = 256;  // of a task: what is laid out for them stays in the core's cache
constexpr int64_t kCorners = 4;

// The coarse pixels before and behind a pixel, of those that are there.
struct Source {
  int64_t before, behind;
  float share;
};

Source source(const Axis& axis, int64_t i, int64_t there) {
  const float scale = static_cast<float>(static_cast<double>(axis.length) / static_cast<double>(axis.resized));
  // Rounded before 0.5 is taken off, as PyTorch does: a corner that is just out of reach there must not be within here.
  const volatile float product = (static_cast<float>(axis.start + i) + 0.5f) * scale;
  const float exact = product - 0.5f;
  const float position = exact > 0 ? exact : 0;
  const int64_t before = smaller(static_cast<int64_t>(position), axis.length - 1);
  const int64_t behind = smaller(before + 1, axis.length - 1);
  const auto within = [&](int64_t at) { return smaller(larger<int64_t>(at - axis.first, 0), there - 1); };
  return {within(before), within(behind), position - static_cast<float>(before)};
}

// What a thread works in, for `kColumns` pixels side by side: of each corner the coarse pixels that stand there, and
// a distance, later a weight.
struct Work {
  float *centres, *values, *distances;
  int64_t before;  // coarse row that is laid out

  static int64_t floats(int64_t dimensions, int64_t channels) {
    return kCorners * kColumns * (dimensions + channels + 1);
  }
  Work(float* memory, int64_t dimensions, int64_t channels)
      : centres(memory),
        values(centres + kCorners * dimensions * kColumns),
        distances(values + kCorners * channels * kColumns),
        before(-1) {}
};

// Copies planes of coarse pixels to where they stand in for the pixels of a strip, corner after corner.
void lay_out(const float* planes, int64_t count, int64_t height, int64_t width, const int64_t (&rows)[2],
             const Source* columns, int64_t length, float* to) {
  for (int64_t corner = 0; corner < kCorners; ++corner) {
    for (int64_t plane = 0; plane < count; ++plane, to += kColumns) {
      const float* const row = planes + (plane * height + rows[corner / 2]) * width;
      if (corner % 2 == 0)
        for (int64_t x = 0; x < length; ++x) to[x] = row[columns[x].before];
      else
        for (int64_t x = 0; x < length; ++x) to[x] = row[columns[x].behind];
    }
  }
}

void add_distances(const float* features, int64_t plane, int64_t dimensions, int norm, int64_t length,
                   const float* centres, float* distances) {
  for (int64_t x = 0; x < kCorners * kColumns; ++x) distances[x] = 0;
  for (int64_t corner = 0; corner < kCorners; ++corner) {
    float* const sums = distances + corner * kColumns;
    for (int64_t d = 0; d < dimensions; ++d, centres += kColumns) {
      const float* const here = features + d * plane;
      if (norm == 1)
        for (int64_t x = 0; x < length; ++x) sums[x] += std::fabs(here[x] - centres[x]);
      else
        for (int64_t x = 0; x < length; ++x) sums[x] += (here[x] - centres[x]) * (here[x] - centres[x]);
    }
    if (norm == 2)
      for (int64_t x = 0; x < length; ++x) sums[x] = std::sqrt(sums[x]);
  }
}

// Distances of the corners to weights: tent times exp(-hardness · distance), divided by their sum. The least distance
// of those within the tent is taken off before, so that the sum is never 0.
void weigh(float hardness, float down, const float* shares, int64_t length, float* distances) {
  for (int64_t first = 0; first < length; first += kLanes<float>) {
    const Vector<float> right = load(shares + first);
    Vector<float> weights[kCorners], exponents[kCorners], least = fill(HUGE_VALF), sum = fill(0.0f);
    for (int64_t corner = 0; corner < kCorners; ++corner) {
      weights[corner] = (corner / 2 == 0 ? 1 - down : down) * (corner % 2 == 0 ? 1 - right : right);
      exponents[corner] = hardness * load(distances + corner * kColumns + first);
      const Vector<float> within = weights[corner] > 0 ? exponents[corner] : fill(HUGE_VALF);
      least = within < least ? within : least;
    }
    for (int64_t corner = 0; corner < kCorners; ++corner) {
      const Vector<float> above = least - exponents[corner];
      weights[corner] *= exponential(above < 0 ? above : fill(0.0f));
      sum += weights[corner];
    }
    for (int64_t corner = 0; corner < kCorners; ++corner)
      store(distances + corner * kColumns + first, weights[corner] / sum);
  }
}

}  // namespace

void joint_upsample(const Tensor& value, const Tensor& centres, const Tensor& features, const Axis& rows,
                    const Axis& columns, double hardness, int norm, Threads threads, const Tensor& result) {
  const int64_t channels = value.shape[1], coarse_height = value.shape[2], coarse_width = value.shape[3];
  const int64_t dimensions = features.shape[1], height = features.shape[2], width = features.shape[3];
  const int64_t down = ceil_div(height, kRows), across = ceil_div(width, kColumns);
  const int64_t floats = Work::floats(dimensions, channels);
  const Scratch memory(threads * floats * static_cast<int64_t>(sizeof(float)));
  const auto* const scores = static_cast<const float*>(value.data);
  const auto* const guides = static_cast<const float*>(centres.data);
  const auto* const pixels = static_cast<const float*>(features.data);
  auto* const out = static_cast<float*>(result.data);
  const int64_t coarse = coarse_height * coarse_width, plane = height * width;
  run_tasks(value.shape[0] * down * across, threads, [&](int64_t task, int thread) {
    const int64_t image = task / (down * across), top = task / across % down * kRows, left = task % across * kColumns;
    const int64_t length = smaller(kColumns, width - left);
    Work work(static_cast<float*>(memory.data()) + thread * floats, dimensions, channels);
    Source right[kColumns];
    float shares[kColumns] = {};
    for (int64_t x = 0; x < length; ++x) {
      right[x] = source(columns, left + x, coarse_width);
      shares[x] = right[x].share;
    }
    for (int64_t y = top; y < smaller(top + kRows, height); ++y) {
      const Source below = source(rows, y, coarse_height);
      if (below.before != work.before) {
        const int64_t pair[2] = {below.before, below.behind};
        lay_out(guides + image * dimensions * coarse, dimensions, coarse_height, coarse_width, pair, right, length,
                work.centres);
        lay_out(scores + image * channels * coarse, channels, coarse_height, coarse_width, pair, right, length,
                work.values);
        work.before = below.before;
      }
      const int64_t offset = y * width + left;
      add_distances(pixels + image * dimensions * plane + offset, plane, dimensions, norm, length, work.centres,
                    work.distances);
      weigh(static_cast<float>(hardness), below.share, shares, length, work.distances);
      for (int64_t c = 0; c < channels; ++c) {
        float* const to = out + (image * channels + c) * plane + offset;
        const float *const values = work.values + c * kColumns, *const weights = work.distances;
        const int64_t step = channels * kColumns;
        for (int64_t x = 0; x < length; ++x)
          to[x] = weights[x] * values[x] + weights[kColumns + x] * values[step + x] +
                  weights[2 * kColumns + x] * values[2 * step + x] + weights[3 * kColumns + x] * values[3 * step + x];
      }
    }
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
