// A photograph with its mask laid over it.

const PINK = [225, 29, 112];
const STRENGTH = 0.55;

/** Draw a photograph, and over it a mask: `valueOf(x, y)` is a probability or the index of a class, for `tint`. */
export function draw(canvas, {width, height, pixels}, tint = null, valueOf = null) {
  Object.assign(canvas, {width, height});
  const context = canvas.getContext("2d"), drawn = context.createImageData(width, height);
  drawn.data.set(pixels);
  for (let y = 0, at = 0; tint && y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      const [colour, share] = tint(valueOf(x, y));
      for (let channel = 0; channel < 3; channel++) {
        drawn.data[at + channel] = (1 - share) * pixels[at + channel] + share * colour[channel];
      }
    }
  }
  context.putImageData(drawn, 0, 0);
}

/** Return a function of a value: its colour, that of the palette if there is one, and how much of it is seen. */
export function tintOf({palette}, {labels}) {
  if (!labels) return (probability) => [PINK, STRENGTH * probability];
  const colours = labels.map((label, index) => palette?.slice(3 * label, 3 * label + 3) ?? colourOf(index));
  return (index) => [colours[index], STRENGTH];
}

/** Return how a mask looks at each pixel of the photograph before it is sharpened: in squares, as it was drawn. */
export function coarse({rows, columns, channels, scores}, {width, height}) {
  const values = channels === 1 ? scores : likeliest(scores, channels);
  return (x, y) => values[Math.floor(y * rows / height) * columns + Math.floor(x * columns / width)];
}

/** Return the index of the largest of (channels, …) scores for each pixel; of equal ones the first. */
export function likeliest(scores, channels) {
  const count = scores.length / channels, best = new Uint8Array(count), highest = scores.slice(0, count);
  for (let channel = 1; channel < channels; channel++) {
    for (let pixel = 0, at = channel * count; pixel < count; pixel++, at++) {
      if (scores[at] > highest[pixel]) [best[pixel], highest[pixel]] = [channel, scores[at]];
    }
  }
  return best;
}

/** Return a colour for a class; those of neighbouring numbers lie far apart on the colour circle. */
function colourOf(index) {
  return [0, 2, 4].map((third) => {
    const hue = (205 + 137.5 * index) / 60 + third, wave = Math.abs((hue % 6) - 3) - 1;
    return 255 * (0.2 + 0.65 * Math.min(1, Math.max(0, wave)));
  });
}
