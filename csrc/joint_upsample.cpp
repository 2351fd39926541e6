#include <cfloat>
#include <cmath>
#include <cstring>

#include "kernels.h"
#include "pairs.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

constexpr int64_t kRows = 16;      // of a task: coarse pixels are laid out once for all that lie between the same two
constexpr int64_t kColumns = 128;  // of a task: what is laid out for them stays in the core's cache
constexpr int64_t kPitch = kColumns + 16;  // from plane to plane: a power of two would share few places in the cache
constexpr int64_t kCorners = 4;
constexpr float kMostGrowth = 0x1p100f;  // of sums, as in plain PyTorch
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

// What a thread works in, for `kColumns` pixels side by side: their features; for each corner the coarse features, and
// the values of one channel, that stand there; and of each row of a task the distances of the corners, later weights.
struct Work {
  float *features, *centres, *values, *weights, *factors;

  static int64_t floats(int64_t dimensions) {
    return kPitch * (dimensions + kCorners * (dimensions + 1 + kRows) + kRows);
  }
  Work(float* memory, int64_t dimensions)
      : features(memory),
        centres(features + dimensions * kPitch),
        values(centres + kCorners * dimensions * kPitch),
        weights(values + kCorners * kPitch),
        factors(weights + kRows * kCorners * kPitch) {}

  float* weights_of(int64_t row) const { return weights + row * kCorners * kPitch; }
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
void lay_out_rows(const float* planes, int64_t count, int64_t height, int64_t width, const int64_t (&rows)[2],
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
void measure(const Work& work, int64_t dimensions, int norm, int64_t length, float* distances) {
  const float* corners[kCorners];
  for (int64_t corner = 0; corner < kCorners; ++corner) corners[corner] = work.centres + corner * dimensions * kPitch;
  const auto strips = norm == kNorm1 ? distance_strips<float, 1, kCorners> : distance_strips<float, 2, kCorners>;
  strips(work.features, corners, dimensions, kPitch, length, distances);
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

// Sums of the values at the four corners, each times its weight, finished by a function of a sum and its column.
template <typename Finish>
CRISPSEG_INLINE void mix(const float* weights, const float* values, int64_t length, const Finish& finish, float* to) {
  const auto sum = [&](int64_t x) __attribute__((always_inline)) {
    Vector<float> total = load(weights + x) * load(values + x);
    for (int64_t corner = 1; corner < kCorners; ++corner)
      total += load(weights + corner * kPitch + x) * load(values + corner * kPitch + x);
    return finish(total, x);
  };
  int64_t x = 0;
  for (; x + kLanes<float> <= length; x += kLanes<float>) store(to + x, sum(x));
  if (x == length) return;
  const Vector<float> last = sum(x);
  std::memcpy(to + x, &last, static_cast<size_t>(length - x) * sizeof(float));
}

// A patch of an image: what a task upsamples, and how its rows and columns fall on the coarse ones.
struct Patch {
  int64_t image, top, left, height, length;
  Source rows[kRows];
  Spans spans;

  Patch(int64_t task, const Tensor& features, const Tensor& value, const Axis& rows_axis, const Axis& columns)
      : image(task / (down(features) * across(features))),
        top(task / across(features) % down(features) * kRows),
        left(task % across(features) * kColumns),
        height(smaller(kRows, features.shape[2] - top)),
        length(smaller(kColumns, features.shape[3] - left)),
        spans(columns, left, length, value.shape[3]) {
    for (int64_t y = 0; y < height; ++y) rows[y] = source(rows_axis, top + y, value.shape[2]);
  }
  static int64_t down(const Tensor& features) { return ceil_div(features.shape[2], kRows); }
  static int64_t across(const Tensor& features) { return ceil_div(features.shape[3], kColumns); }

  // Lays out planes of coarse pixels anew for a row of the patch, unless they are those of the row above.
  void lay_out(const float* planes, int64_t count, const Tensor& coarse, int64_t y, float* to) const {
    if (y > 0 && rows[y].before == rows[y - 1].before && rows[y].behind == rows[y - 1].behind) return;
    const int64_t pair[2] = {rows[y].before, rows[y].behind};
    lay_out_rows(planes, count, coarse.shape[2], coarse.shape[3], pair, spans, to);
  }
};

// Upsamples, and finishes each sum over corners. `begin(patch, work)` is called once for a patch, before its values;
// `finish(work, y)` returns the function that `mix` takes for a row.
template <typename Begin, typename Finish>
void upsample(const Tensor& value, const Tensor& centres, const Tensor& features, const Axis& rows, const Axis& columns,
              double hardness, int norm, Threads threads, const Tensor& result, const Begin& begin,
              const Finish& finish) {
  const int64_t channels = value.shape[1], dimensions = features.shape[1];
  const int64_t coarse = value.shape[2] * value.shape[3], width = features.shape[3], plane = features.shape[2] * width;
  const int64_t floats = Work::floats(dimensions);
  const Scratch memory(threads * floats * static_cast<int64_t>(sizeof(float)));
  const auto* const scores = static_cast<const float*>(value.data);
  const auto* const guides = static_cast<const float*>(centres.data);
  auto* const out = static_cast<float*>(result.data);
  run_tasks(value.shape[0] * Patch::down(features) * Patch::across(features), threads, [&](int64_t task, int thread) {
    const Patch patch(task, features, value, rows, columns);
    const Work work(static_cast<float*>(memory.data()) + thread * floats, dimensions);
    for (int64_t y = 0; y < patch.height; ++y) {
      patch.lay_out(guides + patch.image * dimensions * coarse, dimensions, value, y, work.centres);
      load_planes(
          features,
          patch.image * features.stride[0] + (patch.top + y) * features.stride[2] + patch.left * features.stride[3],
          features.stride[3], patch.length, dimensions, work.features, kPitch);
      measure(work, dimensions, norm, patch.length, work.weights_of(y));
      weigh(static_cast<float>(hardness), patch.rows[y].share, patch.spans.shares, patch.length, work.weights_of(y));
    }
    begin(patch, work);
    for (int64_t c = patch.image * channels; c < (patch.image + 1) * channels; ++c) {
      for (int64_t y = 0; y < patch.height; ++y) {
        patch.lay_out(scores + c * coarse, 1, value, y, work.values);
        mix(work.weights_of(y), work.values, patch.length, finish(work, y),
            out + c * plane + (patch.top + y) * width + patch.left);
      }
    }
  });
}

// The score of a share: a probability from 0 to 1, or the logarithm of a part of the whole. Shares below 1 are not
// divided by the whole before the logarithm, since a float might not hold them.
template <bool kLogs>
CRISPSEG_INLINE Vector<float> score(Vector<float> share, float part_of_whole, float log_whole) {
  if constexpr (kLogs) {
    const Vector<float> held = share > FLT_MIN ? share : fill(FLT_MIN);
    const auto small = held < 1;
    return logarithm(small ? held : held * part_of_whole) - (small ? fill(log_whole) : fill(0.0f));
  } else {
    const Vector<float> positive = share > 0 ? share : fill(0.0f);
    return positive < 1 ? positive : fill(1.0f);
  }
}

template <bool kLogs>
void scores(const Tensor& value, const Tensor& centres, const Tensor& features, const Tensor& before,
            const Tensor& after, const Axis& rows, const Axis& columns, double hardness, int norm, double whole,
            Threads threads, const Tensor& result) {
  const auto* const sums_before = static_cast<const float*>(before.data);
  const auto* const sums_after = static_cast<const float*>(after.data);
  const int64_t width = features.shape[3], plane = features.shape[2] * width;
  // The whole is a power of two, by which division is exact.
  const auto part_of_whole = static_cast<float>(1 / whole), log_whole = static_cast<float>(std::log(whole));
  const auto divide = [&](const Patch& patch, const Work& work) {
    for (int64_t y = 0; y < patch.height; ++y) {
      const int64_t first = patch.image * plane + (patch.top + y) * width + patch.left;
      const float *const from = sums_before + first, *const to = sums_after + first;
      float* const factors = work.factors + y * kPitch;
      for (int64_t x = 0; x < patch.length; ++x) factors[x] = from[x] > to[x] / kMostGrowth ? to[x] / from[x] : 0;
    }
  };
  upsample(value, centres, features, rows, columns, hardness, norm, threads, result, divide,
           [=](const Work& work, int64_t y) {
             const float* const factors = work.factors + y * kPitch;
             return [=](Vector<float> sum, int64_t x) __attribute__((always_inline)) {
               return score<kLogs>(sum * load(factors + x), part_of_whole, log_whole);
             };
           });
}

}  // namespace

void joint_upsample(const Tensor& value, const Tensor& centres, const Tensor& features, const Axis& rows,
                    const Axis& columns, double hardness, int norm, Threads threads, const Tensor& result) {
  upsample(
      value, centres, features, rows, columns, hardness, norm, threads, result, [](const Patch&, const Work&) {},
      [](const Work&, int64_t) { return [](Vector<float> sum, int64_t) { return sum; }; });
}

void joint_upsample_scores(const Tensor& value, const Tensor& centres, const Tensor& features, const Tensor& before,
                           const Tensor& after, const Axis& rows, const Axis& columns, double hardness, int norm,
                           bool logs, double whole, Threads threads, const Tensor& result) {
  const auto run = logs ? scores<true> : scores<false>;
  run(value, centres, features, before, after, rows, columns, hardness, norm, whole, threads, result);
}

}  // namespace crispseg::CRISPSEG_LEVEL
