/* The operations of crispseg on a CPU, for C and all that calls C.
 *
 * They are those of `crispseg.ops` in Python, by the same kernels, with the same bits. Nothing is kept between calls,
 * and threads may call at the same time. No C++ exception leaves the library.
 */
#ifndef CRISPSEG_H
#define CRISPSEG_H

#include <stdint.h>

#if defined(_WIN32) && defined(CRISPSEG_BUILDS_LIBRARY)
#define CRISPSEG_API __declspec(dllexport)
#elif defined(_WIN32)
#define CRISPSEG_API __declspec(dllimport)
#else
#define CRISPSEG_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum crispseg_status {
  CRISPSEG_OK = 0,
  CRISPSEG_INVALID_ARGUMENT = 1, /* nothing was written */
  CRISPSEG_OUT_OF_MEMORY = 2,
  CRISPSEG_FAILED = 3
} crispseg_status;

typedef enum crispseg_type {
  CRISPSEG_FLOAT64 = 0,
  CRISPSEG_FLOAT32 = 1,
  CRISPSEG_FLOAT16 = 2,
  CRISPSEG_BFLOAT16 = 3
} crispseg_type;

/* Where a map (N, channels, height, width) lies in memory. An operation does not write to its inputs. */
typedef struct crispseg_map {
  void* data;
  crispseg_type type;
  int64_t shape[4];
  int64_t stride[4]; /* in elements */
} crispseg_map;

/* Return a map whose planes lie one after the other, row by row. */
static inline crispseg_map crispseg_contiguous(void* data, crispseg_type type, int64_t batch, int64_t channels,
                                               int64_t height, int64_t width) {
  crispseg_map map;
  map.data = data;
  map.type = type;
  map.shape[0] = batch;
  map.shape[1] = channels;
  map.shape[2] = height;
  map.shape[3] = width;
  map.stride[0] = channels * height * width;
  map.stride[1] = height * width;
  map.stride[2] = width;
  map.stride[3] = 1;
  return map;
}

/* The neighbours of a pixel: size * size, every dilation-th pixel, in row-major order. The size is odd. */
typedef struct crispseg_window {
  int64_t size;
  int64_t dilation;
} crispseg_window;

/* How the rows (or columns) of a large map lie on those of a coarse one. Pixel i, counted from `start`, lies at
 * ((2 i + 1) steps - shift) / (2 pixels), where the coarse pixel j lies at j. `length` is the number of coarse pixels;
 * `first` is the first that is there, for a part of an image. */
typedef struct crispseg_axis {
  int64_t start;
  int64_t first;
  int64_t length;
  int64_t steps;
  int64_t pixels;
  int64_t shift;
} crispseg_axis;

/* Return the axis of `coarse` pixels that cover `pixels` pixels exactly, as resizing without aligned corners has it. */
static inline crispseg_axis crispseg_covering(int64_t coarse, int64_t pixels) {
  crispseg_axis axis;
  axis.start = 0;
  axis.first = 0;
  axis.length = coarse;
  axis.steps = coarse;
  axis.pixels = pixels;
  axis.shift = pixels;
  return axis;
}

/* Return the version of the library, such as "0.1.0". */
CRISPSEG_API const char* crispseg_version(void);

/* Return what was wrong with the last call of this thread that did not return CRISPSEG_OK: what was given and what was
 * expected. The text is valid until the next such call. */
CRISPSEG_API const char* crispseg_message(void);

/* In all operations:
 * - `threads` is the most threads that a call may use, 0 for one on each core. No bit of a result depends on it.
 * - `norm` is 1 for the sum of absolute differences, 2 for the Euclidean norm.
 * - The last map is the result. The caller allocates it, apart from the inputs. Half precisions are computed in
 * float32. */

/* Distances (N, K, ceil(H / stride), ceil(W / stride)) of centres to their K = size * size neighbours, infinite outside
 * the image. */
CRISPSEG_API crispseg_status crispseg_local_distance(const crispseg_map* embedding, crispseg_window window, int norm,
                                                     int64_t stride, int threads, const crispseg_map* distance);

/* Weights (N, K, H, W): exp(-hardness * distance), 0 outside the image. `scores` (N, S, H, W) may be NULL; they count
 * as further channels, times `score_weight`. `normalize` other than 0 divides by the sum of a pixel's weights. */
CRISPSEG_API crispseg_status crispseg_affinity_weights(const crispseg_map* embedding, const crispseg_map* scores,
                                                       double score_weight, double hardness, crispseg_window window,
                                                       int norm, int normalize, int threads,
                                                       const crispseg_map* weights);

/* The largest boundary probability on the line to each neighbour, (N, K, H, W), of a contiguous float32 or float64
 * (N, 1, H, W) boundary map. */
CRISPSEG_API crispseg_status crispseg_local_contour(const crispseg_map* boundary, crispseg_window window, int threads,
                                                    const crispseg_map* contour);

/* Scores (N, C, H, W), each replaced `passes` times by the average over its window with (N, K, H, W) weights. Without
 * `normalize`, by the weighted sum. */
CRISPSEG_API crispseg_status crispseg_local_filter(const crispseg_map* scores, const crispseg_map* weights,
                                                   crispseg_window window, int64_t passes, int normalize, int threads,
                                                   const crispseg_map* result);

/* Values (N, C, H, W), filtered by the weights of an embedding, which are not stored: crispseg_affinity_weights and
 * crispseg_local_filter in one. */
CRISPSEG_API crispseg_status crispseg_affinity_filter(const crispseg_map* values, const crispseg_map* embedding,
                                                      const crispseg_map* scores, double score_weight, double hardness,
                                                      crispseg_window window, int norm, int64_t passes, int threads,
                                                      const crispseg_map* result);

/* A coarse map (N, C, h, w), upsampled along features (N, D, H, W); `centres` (N, D, h, w) are the features at the
 * centres of the coarse pixels. All but the features are contiguous float32. */
CRISPSEG_API crispseg_status crispseg_joint_upsample(const crispseg_map* value, const crispseg_map* centres,
                                                     const crispseg_map* features, crispseg_axis rows,
                                                     crispseg_axis columns, double hardness, int norm, int threads,
                                                     const crispseg_map* result);

/* Shares after the filter, less of labels that are common in those before it around a pixel: within `large` and within
 * `small` pixels, 0 <= small <= large. The abundance of a label counts as at least an eighth of its share. `guard` is
 * between 0 and 1. Before that, thin parts get some of their shares before the filter back: `keep_thin`, 0 to 1. */
CRISPSEG_API crispseg_status crispseg_rebalance(const crispseg_map* before, const crispseg_map* after, double guard,
                                                double keep_thin, int64_t large, int64_t small, int threads,
                                                const crispseg_map* result);

#ifdef __cplusplus
}
#endif

#endif
