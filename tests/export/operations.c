/* Calls every operation of crispseg.h on arrays that a test wrote to a file, and writes all results to another:
 * operations TYPE INPUT OUTPUT. With no arguments it makes calls that are wrong, and prints what they return. */
#include <crispseg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 2, D = 3, C = 5, H = 7, W = 11, K = 9, COARSE_H = 3, COARSE_W = 4, THREADS = 2 };

static FILE *input, *output;
static crispseg_type type;
static const crispseg_window window = {3, 2};

static size_t bytes_of(crispseg_map map) {
  const size_t element = map.type == CRISPSEG_FLOAT64 ? 8 : map.type == CRISPSEG_FLOAT32 ? 4 : 2;
  return element * (size_t)(map.shape[0] * map.shape[1] * map.shape[2] * map.shape[3]);
}

static crispseg_map made(int64_t channels, int64_t height, int64_t width) {
  crispseg_map map = crispseg_contiguous(NULL, type, N, channels, height, width);
  map.data = malloc(bytes_of(map));
  return map;
}

static crispseg_map given(int64_t channels, int64_t height, int64_t width) {
  crispseg_map map = made(channels, height, width);
  if (fread(map.data, 1, bytes_of(map), input) != bytes_of(map)) exit(3);
  return map;
}

static void check(crispseg_status status) {
  if (status == CRISPSEG_OK) return;
  fprintf(stderr, "%d %s\n", (int)status, crispseg_message());
  exit(4);
}

static void keep(crispseg_map map) {
  if (fwrite(map.data, 1, bytes_of(map), output) != bytes_of(map)) exit(5);
  free(map.data);
}

static void run(void) {
  const crispseg_map embedding = given(D, H, W), scores = given(C, H, W), after = given(C, H, W);
  crispseg_map distance = made(K, 4, 6), weights = made(K, H, W), result = made(C, H, W);
  check(crispseg_local_distance(&embedding, window, 2, 2, THREADS, &distance));
  keep(distance);
  check(crispseg_affinity_weights(&embedding, &scores, 0.5, 1.5, window, 1, 0, THREADS, &weights));
  check(crispseg_local_filter(&scores, &weights, window, 3, 1, 0, &result));
  keep(weights);
  keep(result);
  result = made(C, H, W);
  check(crispseg_affinity_filter(&scores, &embedding, NULL, 0, 1.5, window, 2, 3, THREADS, &result));
  keep(result);
  result = made(C, H, W);
  check(crispseg_rebalance(&scores, &after, 0.3, 0.4, 5, 2, THREADS, &result));
  keep(result);
  if (type != CRISPSEG_FLOAT32) return;
  const crispseg_map boundary = given(1, H, W);
  crispseg_map contour = made(K, H, W);
  check(crispseg_local_contour(&boundary, window, THREADS, &contour));
  keep(contour);
  const crispseg_map value = given(C, COARSE_H, COARSE_W), centres = given(D, COARSE_H, COARSE_W);
  result = made(C, H, W);
  check(crispseg_joint_upsample(&value, &centres, &embedding, crispseg_covering(COARSE_H, H),
                                crispseg_covering(COARSE_W, W), 1.5, 1, THREADS, &result));
  keep(result);
}

static void say(crispseg_status status) { printf("%d %s\n", (int)status, crispseg_message()); }

static void fail(void) {
  const crispseg_window even = {4, 1};
  crispseg_map map, weights, wrong;
  type = CRISPSEG_FLOAT32;
  map = made(D, H, W), weights = made(K, H, W);
  say(crispseg_local_distance(NULL, window, 1, 1, 1, &weights));
  say(crispseg_local_distance(&map, even, 1, 1, 1, &weights));
  say(crispseg_local_distance(&map, window, 3, 1, 1, &weights));
  say(crispseg_local_distance(&map, window, 1, 1, -1, &weights));
  say(crispseg_local_distance(&map, window, 1, 1, 1, &map));
  say(crispseg_affinity_weights(&map, NULL, 0, NAN, window, 1, 0, 1, &weights));
  say(crispseg_affinity_weights(&map, &map, -1, 1, window, 1, 0, 1, &weights));
  say(crispseg_local_filter(&map, &weights, window, 0, 1, 1, &map));
  wrong = map, wrong.type = (crispseg_type)9;
  say(crispseg_local_distance(&wrong, window, 1, 1, 1, &weights));
  wrong = map, wrong.data = NULL;
  say(crispseg_local_distance(&wrong, window, 1, 1, 1, &weights));
  wrong = map, wrong.shape[2] = -7;
  say(crispseg_local_distance(&wrong, window, 1, 1, 1, &weights));
  wrong = weights, wrong.stride[1] = 1;
  say(crispseg_local_distance(&map, window, 1, 1, 1, &wrong));
}

int main(int count, char **arguments) {
  if (count == 1) {
    fail();
    printf("%s\n", crispseg_version());
    return 0;
  }
  type = (crispseg_type)atoi(arguments[1]);
  input = fopen(arguments[2], "rb");
  output = fopen(arguments[3], "wb");
  if (input == NULL || output == NULL) return 2;
  run();
  return fclose(output);
}
