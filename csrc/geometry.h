// How the pairs of an image are cut into parts, and where the rows of a part are held.
#pragma once

#include "rows.h"

namespace crispseg::CRISPSEG_LEVEL {

struct Geometry {
  int64_t batch, channels, height, width, out_height, out_width;
  int64_t size, dilation, stride, half, count;
  int64_t reach_y, reach_x;  // neighbours per side that can be inside the image at all
  int64_t margin;            // columns that they reach to each side
  bool mirrored;             // stride 1: each pair once, for both sides

  Geometry(const Features& features, const Window& window)
      : batch(features.embedding.shape[0]),
        channels(features.channels()),
        height(features.embedding.shape[2]),
        width(features.embedding.shape[3]),
        out_height(ceil_div(height, window.stride)),
        out_width(ceil_div(width, window.stride)),
        size(window.size),
        dilation(window.dilation),
        stride(window.stride),
        half(window.size / 2),
        count(window.size * window.size),
        reach_y(height > 0 ? smaller(half, (height - 1) / dilation) : 0),
        reach_x(width > 0 ? smaller(half, (width - 1) / dilation) : 0),
        margin(ceil_div(reach_x * dilation, stride)),
        mirrored(window.stride == 1) {}

  int64_t neighbour(int64_t dy, int64_t dx) const { return (dy + half) * size + dx + half; }
  bool empty() const { return batch == 0 || height == 0 || width == 0; }
};

struct Range {
  int64_t first, end;
};

// The part of an image that one task walks: rows `rows` of a class, columns `tile`.
struct Part {
  int64_t image;
  int64_t residue, class_rows;  // pixel row of row m is residue + dilation · m
  Range rows;
  Range tile;
  Range columns;   // the tile, and for gradients what reaches into it
  int64_t origin;  // column of the first packed element
  int64_t pitch;   // elements from one plane to the next

  int64_t at(int64_t column) const { return column - origin; }
};

// How an image is cut into parts. It does not depend on the number of threads, so neither does any sum.
class Cutting {
 public:
  // `column_elements`: what a walk keeps in its rings for each column. `extension`: columns beside a tile that a walk
  // visits too, because they reach into it.
  Cutting(const Geometry& g, int64_t column_elements, int64_t extension, int64_t element_bytes)
      : g_(g), extension_(extension) {
    constexpr int64_t kCacheBytes = 768 << 10;  // what the rings may take: of a core's own cache, 1 MB and more
    constexpr int64_t kNarrowest = 64;
    constexpr int64_t kBandRows = 64;
    const int64_t column_bytes = larger<int64_t>(column_elements * element_bytes, 1);
    const int64_t wished = larger(kCacheBytes / column_bytes - 2 * (g.margin + extension), kNarrowest);
    tiles_ = larger<int64_t>(ceil_div(g.out_width, wished), 1);
    tile_ = round_up(ceil_div(g.out_width, tiles_), kVectorBytes / element_bytes);
    classes_ = smaller(g.dilation, g.height);
    const int64_t rows = ceil_div(g.height, larger<int64_t>(classes_, 1));
    bands_ = larger<int64_t>(ceil_div(rows, kBandRows), 1);
    band_ = ceil_div(rows, bands_);
    // An odd number of cache lines from plane to plane keeps the planes out of each other's cache sets.
    const int64_t line = 64 / element_bytes;
    const int64_t widest = tile_ + 2 * (g.margin + extension) + 2 * kVectorBytes / element_bytes;
    pitch_ = ceil_div(widest, line) / 2 * 2 * line + line;
  }

  int64_t tasks() const { return g_.empty() ? 0 : g_.batch * classes_ * bands_ * tiles_; }
  int64_t pitch() const { return pitch_; }

  // False where rounding left nothing for a task.
  bool part(int64_t task, Part& part) const {
    const int64_t tile = task % tiles_, band = task / tiles_ % bands_, rest = task / tiles_ / bands_;
    part.residue = rest % classes_;
    part.image = rest / classes_;
    part.class_rows = ceil_div(g_.height - part.residue, g_.dilation);
    part.rows = {band * band_, smaller(part.class_rows, (band + 1) * band_)};
    part.tile = {tile * tile_, smaller(g_.out_width, (tile + 1) * tile_)};
    part.columns = {larger<int64_t>(part.tile.first - extension_, 0),
                    smaller(g_.out_width, part.tile.end + extension_)};
    part.origin = part.columns.first - g_.margin;
    part.pitch = pitch_;
    return part.rows.first < part.rows.end && part.tile.first < part.tile.end;
  }

 private:
  const Geometry& g_;
  int64_t extension_, tiles_, tile_, classes_, bands_, band_, pitch_;
};

// Rows that a walk holds: the centre's, those below and, where pairs are not mirrored, those above.
inline int64_t forward_rows(const Geometry& g) { return (g.mirrored ? 1 : 2) * g.reach_y + 1; }

// Columns of the part whose neighbour dx is inside the image.
inline Range inside(const Geometry& g, const Part& part, int64_t dx) {
  const int64_t offset = dx * g.dilation;
  const int64_t first = ceil_div(larger<int64_t>(-offset, 0), g.stride);
  const int64_t end = offset >= g.width ? 0 : ceil_div(g.width - larger<int64_t>(offset, 0), g.stride);
  const Range range{larger(part.columns.first, first), smaller(part.columns.end, end)};
  return range.first < range.end ? range : Range{part.columns.first, part.columns.first};
}

// Rows of a map, unpacked: `planes` planes for each phase of each row that is held.
template <typename T>
class Ring {
 public:
  Ring(T* data, int64_t capacity, int64_t planes, int64_t pitch)
      : data_(data), capacity_(capacity), row_(row_elements(planes, pitch)) {}

  static int64_t elements(int64_t capacity, int64_t planes, int64_t pitch) {
    return capacity * row_elements(planes, pitch);
  }

  T* row(int64_t m) const { return data_ + m % capacity_ * row_; }

 private:
  // With as many planes as a cache has sets, all rows of a window would meet in the same few sets: some lines between
  // them spread the rows.
  static int64_t row_elements(int64_t planes, int64_t pitch) {
    constexpr int64_t kGap = 7 * 64 / sizeof(T);
    return planes * pitch + kGap;
  }

  T* data_;
  int64_t capacity_, row_;
};

}  // namespace crispseg::CRISPSEG_LEVEL
