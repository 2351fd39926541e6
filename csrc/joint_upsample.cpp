#include <cstring>

#include "kernels.h"
#include "pairs.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

constexpr int64_t kRows = 16;      // of a task: coarse pixels are laid out once for all that lie between the same two
constexpr int64_t kColumns = 128;  // of a task: what is laid out for them stays in the core's cache
constexpr int64_t kPitch = kColumns + 16;  // from plane to plane: a power of two would share few places in the cache
constexpr int64_t kCorners = 4;
static_assert(kLanes<float> <= kPitch - kColumns, "a vector that begins in a strip ends within the pitch");

// The coarse pixels before and behind a pixel, of those that are there.
struct Source {
  int64_t before, behind;
  float share;
};

Source source(const Axis& axis, int64_t i, int64_t there) {
  const double pixels = static_cast<double>(axis.pixels);
  const float scale = static_cast<float>(static_cast<double>(axis.steps) / pixels);
  const float shift = static_cast<float>(static_cast<double>(axis.shift) / (2 * pixels));
  // Rounded before the shift is taken off, as PyTorch does: a corner that is just out of reach there must not be within
  // here.
  const volatile float product = (static_cast<float>(axis.start + i) + 0.5f) * scale;
  const float exact = product - shift, end = static_cast<float>(axis.length);
  const float position = exact > 0 ? (exact < end ? exact : end) : 0;
  const int64_t before = smaller(static_cast<int64_t>(position), axis.length - 1);
  const int64_t behind = smaller(before + 1, axis.length - 1);
  const auto within = [&](int64_t at) { return smaller(larger<int64_t>(at - axis.first, 0), there - 1); };
  return {within(before), within(behind), position - static_cast<float>(before)};
}

// What a thread works in, for `kColumns` pixels side by side: their features, of each corner the coarse pixels that
// stand there, and a distance, later a weight.
struct Work {
  float *features, *centres, *values, *distances;
  int64_t before;  // coarse row that is laid out

  static int64_t floats(int64_t dimensions, int64_t channels) {
    return kPitch * (dimensions + kCorners * (dimensions + channels + 1));
  }
  Work(float* memory, int64_t dimensions, int64_t channels)
      : features(memory),
        centres(features + dimensions * kPitch),
        values(centres + kCorners * dimensions * kPitch),
        distances(values + kCorners * channels * kPitch),
        before(-1) {}
};

// Columns of a strip, first to end, that lie between the same two coarse ones.
struct Span {
  int64_t first, end, before, behind;
};

// How the columns of a strip fall on the coarse ones.
struct Spans {
  Span spans[kColumns];
  int64_t count = 0;
  float shares[kColumns] = {};

  Spans(const Axis& axis, int64_t left, int64_t length, int64_t there) {
    for (int64_t x = 0; x < length; ++x) {
      const Source at = source(axis, left + x, there);
      shares[x] = at.share;
      if (count == 0 || spans[count - 1].before != at.before || spans[count - 1].behind != at.behind)
        spans[count++] = {x, x, at.before, at.behind};
      spans[count - 1].end = x + 1;
    }
  }
};

// Copies planes of coarse pixels to where they stand in for the pixels of a strip, corner after corner.
void lay_out(const float* planes, int64_t count, int64_t height, int64_t width, const int64_t (&rows)[2],
             const Spans& columns, float* to) {
  for (int64_t corner = 0; corner < kCorners; ++corner) {
    for (int64_t plane = 0; plane < count; ++plane, to += kPitch) {
      const float* const row = planes + (plane * height + rows[corner / 2]) * width;
      for (int64_t i = 0; i < columns.count; ++i) {
        const Span& span = columns.spans[i];
        const Vector<float> value = fill(row[corner % 2 == 0 ? span.before : span.behind]);
        // What is too much the next span writes over; behind the last one the pitch has room for it.
        for (int64_t x = span.first; x < span.end; x += kLanes<float>) store(to + x, value);
      }
    }
  }
}

// Distances of the pixels to the centres of each corner.
void measure(const Work& work, int64_t dimensions, int norm, int64_t length) {
  const float* corners[kCorners];
  for (int64_t corner = 0; corner < kCorners; ++corner) corners[corner] = work.centres + corner * dimensions * kPitch;
  const auto strips = norm == kNorm1 ? distance_strips<float, 1, kCorners> : distance_strips<float, 2, kCorners>;
  strips(work.features, corners, dimensions, kPitch, length, work.distances);
}

// Distances of the corners to weights: tent times exp(-hardness · distance), divided by their sum. The least distance
// of those within the tent is taken off before, so that the sum is never 0.
void weigh(float hardness, float down, const float* shares, int64_t length, float* distances) {
  for (int64_t first = 0; first < length; first += kLanes<float>) {
    const Vector<float> right = load(shares + first);
    Vector<float> weights[kCorners], exponents[kCorners], least = fill(HUGE_VALF), sum = fill(0.0f);
    for (int64_t corner = 0; corner < kCorners; ++corner) {
      weights[corner] = (corner / 2 == 0 ? 1 - down : down) * (corner % 2 == 0 ? 1 - right : right);
      exponents[corner] = hardness * load(distances + corner * kPitch + first);
      const Vector<float> within = weights[corner] > 0 ? exponents[corner] : fill(HUGE_VALF);
      least = within < least ? within : least;
    }
    for (int64_t corner = 0; corner < kCorners; ++corner) {
      const Vector<float> above = least - exponents[corner];
      weights[corner] *= exponential(above < 0 ? above : fill(0.0f));
      sum += weights[corner];
    }
    for (int64_t corner = 0; corner < kCorners; ++corner)
      store(distances + corner * kPitch + first, weights[corner] / sum);
  }
}

// Sums of the values at the four corners, each times its weight.
void mix(const float* weights, const float* values, int64_t step, int64_t length, float* to) {
  const auto sum = [&](int64_t x) {
    Vector<float> total = load(weights + x) * load(values + x);
    for (int64_t corner = 1; corner < kCorners; ++corner)
      total += load(weights + corner * kPitch + x) * load(values + corner * step + x);
    return total;
  };
  int64_t x = 0;
  for (; x + kLanes<float> <= length; x += kLanes<float>) store(to + x, sum(x));
  if (x == length) return;
  const Vector<float> last = sum(x);
  std::memcpy(to + x, &last, static_cast<size_t>(length - x) * sizeof(float));
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
  auto* const out = static_cast<float*>(result.data);
  const int64_t coarse = coarse_height * coarse_width, plane = height * width;
  run_tasks(value.shape[0] * down * across, threads, [&](int64_t task, int thread) {
    const int64_t image = task / (down * across), top = task / across % down * kRows, left = task % across * kColumns;
    const int64_t length = smaller(kColumns, width - left);
    Work work(static_cast<float*>(memory.data()) + thread * floats, dimensions, channels);
    const Spans spans(columns, left, length, coarse_width);
    for (int64_t y = top; y < smaller(top + kRows, height); ++y) {
      const Source below = source(rows, y, coarse_height);
      if (below.before != work.before) {
        const int64_t pair[2] = {below.before, below.behind};
        lay_out(guides + image * dimensions * coarse, dimensions, coarse_height, coarse_width, pair, spans,
                work.centres);
        lay_out(scores + image * channels * coarse, channels, coarse_height, coarse_width, pair, spans, work.values);
        work.before = below.before;
      }
      load_planes(features, image * features.stride[0] + y * features.stride[2] + left * features.stride[3],
                  features.stride[3], length, dimensions, work.features, kPitch);
      measure(work, dimensions, norm, length);
      weigh(static_cast<float>(hardness), below.share, spans.shares, length, work.distances);
      float* const to = out + image * channels * plane + y * width + left;
      for (int64_t c = 0; c < channels; ++c)
        mix(work.distances, work.values + c * kPitch, channels * kPitch, length, to + c * plane);
    }
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
