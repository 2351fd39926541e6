#include <numeric>

#include "gradients.h"
#include "kernels.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

// Label of pixels that belong to no pair.
constexpr int32_t kIgnored = INT32_MIN;

// Sums over pairs: of hinges, and how many there are, for pairs of one label and of two.
struct Sums {
  double same_hinge = 0, different_hinge = 0;
  int64_t same = 0, different = 0;

  void add(const Sums& other) {
    same_hinge += other.same_hinge;
    different_hinge += other.different_hinge;
    same += other.same;
    different += other.different;
  }
};

// Weights of a hinge of one label and of two in the loss.
struct HingeWeights {
  double same, different;

  HingeWeights(const Sums& sums, const LossOptions& options) {
    const double pairs = static_cast<double>(sums.same + sums.different);
    const double all = options.summed ? pairs : 1.0;
    if (!options.balanced) {
      same = different = pairs > 0 ? all / pairs : 0.0;
      return;
    }
    const int groups = (sums.same > 0) + (sums.different > 0);
    same = sums.same > 0 ? all / (static_cast<double>(sums.same) * groups) : 0.0;
    different = sums.different > 0 ? all / (static_cast<double>(sums.different) * groups) : 0.0;
  }

  double loss(const Sums& sums) const { return same * sums.same_hinge + different * sums.different_hinge; }
};

// Labels next to a walk; contiguous int32.
class Labels {
 public:
  Labels(const Geometry& g, const Tensor& labels) : g_(g), data_(static_cast<const int32_t*>(labels.data)) {}

  // Labels of the centres in row m, from column x on.
  const int32_t* centres(const Part& part, int64_t m, int64_t x) const { return row(part, m) + x * g_.stride; }
  // Labels of their neighbours.
  const int32_t* neighbours(const Part& part, int64_t m, int64_t dy, int64_t dx, int64_t x) const {
    return row(part, m + dy) + x * g_.stride + dx * g_.dilation;
  }

  // kind[i] = 1 for a pair of one label, -1 for two, 0 for none; over the columns of `range`.
  template <typename I>
  void kinds(const Part& part, int64_t m, int64_t dy, int64_t dx, Range range, I* kind) const {
    const int32_t* here = centres(part, m, range.first);
    const int32_t* there = neighbours(part, m, dy, dx, range.first);
    const int64_t count = range.end - range.first;
    if (g_.stride == 1) return compare<I>(here, there, 1, count, kind);
    compare<I>(here, there, g_.stride, count, kind);
  }

 private:
  template <typename I>
  static CRISPSEG_INLINE void compare(const int32_t* here, const int32_t* there, int64_t step, int64_t count, I* kind) {
    for (int64_t i = 0; i < count; ++i) {
      const int32_t one = here[i * step], other = there[i * step];
      const I pair = (one != kIgnored) & (other != kIgnored);
      kind[i] = one == other ? pair : static_cast<I>(-pair);
    }
  }

  const int32_t* row(const Part& part, int64_t m) const {
    return data_ + (part.image * g_.height + part.residue + m * g_.dilation) * g_.width;
  }

  const Geometry& g_;
  const int32_t* data_;
};

bool with_itself(int64_t dy, int64_t dx) { return dy == 0 && dx == 0; }

// Pairs of each kind, from the labels alone.
Sums count_pairs(const Geometry& g, const Cutting& cutting, const Labels& labels, Threads threads) {
  const int64_t tasks = cutting.tasks();
  const Scratch partial(tasks * static_cast<int64_t>(sizeof(Sums)));
  const Scratch kinds(threads * cutting.pitch() * static_cast<int64_t>(sizeof(int32_t)));
  Sums* const sums = static_cast<Sums*>(partial.data());
  run_tasks(tasks, threads, [&](int64_t task, int thread) {
    sums[task] = Sums();
    int32_t* const kind = static_cast<int32_t*>(kinds.data()) + thread * cutting.pitch();
    Part part;
    if (!cutting.part(task, part)) return;
    part.columns = part.tile;
    for (int64_t m = part.rows.first; m < part.rows.end; ++m) {
      if ((part.residue + m * g.dilation) % g.stride != 0) continue;
      const int64_t first_dy = g.mirrored ? 0 : larger(-g.reach_y, -m);
      for (int64_t dy = first_dy; dy <= smaller(g.reach_y, part.class_rows - 1 - m); ++dy) {
        for (int64_t dx = g.mirrored && dy == 0 ? 1 : -g.reach_x; dx <= g.reach_x; ++dx) {
          if (with_itself(dy, dx)) continue;
          const Range range = inside(g, part, dx);
          labels.kinds(part, m, dy, dx, range, kind);
          int32_t same = 0, all = 0;
          for (int64_t i = 0; i < range.end - range.first; ++i) {
            same += kind[i] > 0;
            all += kind[i] != 0;
          }
          sums[task].same += same;
          sums[task].different += all - same;
        }
      }
    }
  });
  Sums total;
  for (int64_t task = 0; task < tasks; ++task) total.add(sums[task]);
  if (g.mirrored) total.same *= 2, total.different *= 2;
  return total;
}

// Hinges of a strip of pairs; kinds are 0 up to a whole vector.
template <typename T>
Sums hinges(const T* distances, const Integer<T>* kinds, int64_t count, T near, T far) {
  using I = Integer<T>;
  Vector<T> same_hinge = {}, different_hinge = {};
  Vector<I> same = {}, different = {};
  for (int64_t i = 0; i < count; i += kLanes<T>) {
    const Vector<T> distance = load(distances + i);
    const Vector<I> kind = load(kinds + i);
    const Vector<T> too_far = distance - near, too_near = far - distance;
    // "Not below 0" lets NaN through.
    same_hinge += kind > 0 ? (too_far < 0 ? Vector<T>{} : too_far) : Vector<T>{};
    different_hinge += kind < 0 ? (too_near < 0 ? Vector<T>{} : too_near) : Vector<T>{};
    same -= kind > 0;
    different -= kind < 0;
  }
  return {sum<T>(same_hinge), sum<T>(different_hinge), sum<I>(same), sum<I>(different)};
}

template <typename T>
Sums sum_hinges(const Geometry& g, const Tensor& embedding, const Labels& labels, int norm, const LossOptions& options,
                Threads threads) {
  using I = Integer<T>;
  const Cutting cutting(g, forward_rows(g) * g.channels * g.stride, 0, sizeof(T));
  const int64_t tasks = cutting.tasks();
  const Scratch partial(tasks * static_cast<int64_t>(sizeof(Sums)));
  Sums* const sums = static_cast<Sums*>(partial.data());
  for (int64_t task = 0; task < tasks; ++task) sums[task] = Sums();
  const T near = static_cast<T>(options.near), far = static_cast<T>(options.far);
  walk_forward<T>(
      g, cutting, embedding, norm, threads, false,
      [&](const Place& place, int64_t m, int64_t dy, int64_t dx, const T* distances) {
        if (with_itself(dy, dx)) return;
        const Part& part = place.part;
        const Range range = inside(g, part, dx);
        constexpr int64_t kChunk = 256;
        I kinds[kChunk];
        for (int64_t x = range.first; x < range.end; x += kChunk) {
          const int64_t count = smaller(kChunk, range.end - x);
          labels.kinds(part, m, dy, dx, {x, x + count}, kinds);
          for (int64_t i = count; i < round_up(count, kLanes<T>); ++i) kinds[i] = 0;
          sums[place.task].add(hinges<T>(distances + x - part.columns.first, kinds, count, near, far));
        }
      },
      [](const Place&, int64_t) {});
  Sums total;
  for (int64_t task = 0; task < tasks; ++task) total.add(sums[task]);
  if (g.mirrored) total.add(total);
  return total;
}

// Two sums in one integer: over pairs of one label in the low half, over pairs of two in the high half.
template <typename I>
constexpr int kHalfBits = 4 * sizeof(I);

// The loss, and its gradient to the embedding on the way: pairs are counted from the labels first, so that a hinge's
// weight is known when its pair is met.
template <typename T, Step kStep>
double with_gradient(const Tensor& embedding, const Tensor& label_map, const Window& window, int norm,
                     const LossOptions& options, Threads threads, const Tensor& result) {
  using C = Coefficient<T, kStep>;
  using I = Integer<T>;
  const Geometry g(embedding, window);
  const Labels labels(g, label_map);
  const Cutting cutting = backward_cutting(g, false, sizeof(T));
  const HingeWeights weights(count_pairs(g, cutting, labels, threads), options);
  // A mirrored pair counts in both directions.
  const double times = g.mirrored ? 2 : 1;
  const T same = static_cast<T>(times * weights.same), different = static_cast<T>(times * weights.different);
  constexpr bool kCounts = kStep == Step::kSignCount;
  using Made = std::conditional_t<kCounts, I, T>;
  const Made at_same = kCounts ? Made{1} : static_cast<Made>(same);
  const Made at_different = static_cast<Made>(kCounts ? static_cast<T>(I{1} << kHalfBits<Count<T>>) : -different);
  const T near = static_cast<T>(options.near), far = static_cast<T>(options.far);
  const TaskSums loss(cutting.tasks());
  walk_backward<T, kStep>(
      g, cutting, nullptr, embedding, norm, true, threads, result,
      [&](auto& gradient, const Place& place, int64_t m, int64_t dy, int64_t dx, const T* distances, const T*,
          T* room) {
        const Part& part = place.part;
        const Range range = inside(g, part, dx);
        I* const kinds = reinterpret_cast<I*>(room);
        T* const hinges = room + part.pitch;
        labels.kinds(part, m, dy, dx, range, kinds + range.first - part.columns.first);
        gradient.set(m, dy, dx, [&](int64_t i) {
          const Vector<T> distance = load(distances + i);
          const Vector<I> kind = load(kinds + i);
          const Vector<T> too_far = distance - near, too_near = far - distance;
          // "Not below 0" lets NaN through.
          store<T>(hinges + i, kind > 0   ? (too_far < 0 ? Vector<T>{} : too_far * same)
                               : kind < 0 ? (too_near < 0 ? Vector<T>{} : too_near * different)
                                          : Vector<T>{});
          const auto pull = (Vector<I>)(kind > 0) & (Vector<I>)(too_far > 0);
          const auto push = (Vector<I>)(kind < 0) & (Vector<I>)(too_near > 0);
          const Vector<Made> coefficient =
              (Vector<Made>)((pull & (Vector<I>)fill<Made>(at_same)) | (push & (Vector<I>)fill<Made>(at_different)));
          if constexpr (kStep == Step::kDifference) return distance == 0 ? Vector<T>{} : coefficient / distance;
          return coefficient;
        });
        loss[place.task] += sum_own(g, part, m, dy, dx, hinges);
      },
      [&](auto sums) {
        if constexpr (kCounts) {
          using Counts = decltype(sums);
          using Wrapping = Vector<std::make_unsigned_t<C>, sizeof(sums)>;
          const Counts low = (Counts)((Wrapping)sums << kHalfBits<C>) >> kHalfBits<C>;
          const Counts high = (Counts)((Wrapping)sums - (Wrapping)low) >> kHalfBits<C>;
          using Result = Vector<T, sizeof(sums) / sizeof(C) * sizeof(T)>;
          return __builtin_convertvector(low, Result) * same - __builtin_convertvector(high, Result) * different;
        } else {
          return sums;
        }
      });
  return loss.total();
}

// How many pairs a pixel can be in: as their centre and, where not every pixel is one, as neighbour of the others too.
int64_t most_pairs(const Window& window) {
  const int64_t others = window.size * window.size - 1;
  if (window.stride == 1) return others;
  const int64_t period = window.stride / std::gcd(window.stride, window.dilation);  // of offsets that hit a centre
  const int64_t along = ceil_div(window.size, period);
  return others + along * along;
}

template <typename T>
double with_gradient(const Tensor& embedding, const Tensor& labels, const Window& window, int norm,
                     const LossOptions& options, Threads threads, const Tensor& result) {
  const bool counts = norm == kNorm1 && most_pairs(window) < (int64_t{1} << (kHalfBits<Count<T>> - 1));
  const auto run = counts           ? with_gradient<T, Step::kSignCount>
                   : norm == kNorm1 ? with_gradient<T, Step::kSign>
                                    : with_gradient<T, Step::kDifference>;
  return run(embedding, labels, window, norm, options, threads, result);
}

}  // namespace

double embedding_loss(const Tensor& embedding, const Tensor& labels, const Window& window, int norm,
                      const LossOptions& options, Threads threads) {
  const Geometry g(embedding, window);
  const Sums sums = with_sums(embedding.type, [&](auto zero) {
    return sum_hinges<decltype(zero)>(g, embedding, Labels(g, labels), norm, options, threads);
  });
  return HingeWeights(sums, options).loss(sums);
}

double embedding_loss_with_gradient(const Tensor& embedding, const Tensor& labels, const Window& window, int norm,
                                    const LossOptions& options, Threads threads, const Tensor& result) {
  return with_sums(embedding.type, [&](auto zero) {
    return with_gradient<decltype(zero)>(embedding, labels, window, norm, options, threads, result);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
