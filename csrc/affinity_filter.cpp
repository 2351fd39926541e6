#include "kernels.h"
#include "planar_filter.h"

namespace crispseg::CRISPSEG_LEVEL {

void affinity_weights(const Features&, double, const Window&, int, bool, Threads, const Tensor&);

namespace {

// One image of a map.
Tensor image_of(const Tensor& map, int64_t image, int64_t element_bytes) {
  Tensor result = map;
  result.data = static_cast<char*>(map.data) + image * map.stride[0] * element_bytes;
  result.shape[0] = 1;
  return result;
}

int64_t element_bytes(const Tensor& map) { return map.type == Type::kFloat64 ? 8 : map.type == Type::kFloat32 ? 4 : 2; }

// Whether weights had better be stored, than made anew for every walk, tile and group of channels.
template <typename T>
bool is_stored(const Filter<T>& f, const typename MadeWeights<T>::Given& given, int64_t passes) {
  const double storing = static_cast<double>(f.count + given.geometry.channels);
  return PlanarCut<T, StoredWeights<T>>::best(f, {}, passes).time + storing <
         PlanarCut<T, MadeWeights<T>>::best(f, given, passes).time;
}

// With the weights of an image at a time in memory.
template <typename T>
void filter_with_stored(const Filter<T>& f, const Tensor& values, const Features& features, double hardness,
                        const Window& window, int norm, int64_t passes, Threads threads, const Tensor& result) {
  const Scratch memory(f.count * f.pixels() * static_cast<int64_t>(sizeof(T)));
  const Tensor weights{
      memory.data(), kTypeOf<T>, {1, f.count, f.height, f.width}, {f.count * f.pixels(), f.pixels(), f.width, 1}};
  for (int64_t image = 0; image < f.batch; ++image) {
    const Tensor embedding = image_of(features.embedding, image, element_bytes(features.embedding));
    const Tensor scores =
        features.scores == nullptr ? embedding : image_of(*features.scores, image, element_bytes(*features.scores));
    affinity_weights({embedding, features.scores == nullptr ? nullptr : &scores, features.score_weight}, hardness,
                     window, norm, false, threads, weights);
    PlanarFilter<T, StoredWeights<T>> filter(f, weights, passes, threads);
    filter.run(image_of(values, image, element_bytes(values)), 0, true, nullptr,
               image_of(result, image, element_bytes(result)));
  }
}

}  // namespace

void affinity_filter(const Tensor& values, const Features& features, double hardness, const Window& window, int norm,
                     int64_t passes, Threads threads, const Tensor& result) {
  with_sums(values.type == Type::kFloat64 ? values.type : features.widest(), [&](auto zero) {
    using T = decltype(zero);
    const Filter<T> f(values, window, 0);
    if (f.empty()) return;
    const typename MadeWeights<T>::Given given(features, hardness, window, norm);
    if (is_stored(f, given, passes))
      return filter_with_stored(f, values, features, hardness, window, norm, passes, threads, result);
    PlanarFilter<T, MadeWeights<T>> made(f, given, passes, threads);
    for (int64_t image = 0; image < f.batch; ++image) made.run(values, image, true, nullptr, result);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
