// From files to the arrays that the program takes: an image (3, height, width), and scores (channels, rows, columns).

import {InputError} from "./errors.js";
import {readPng} from "./png.js";

const MOST_BYTES = 100e6;
const MOST_PIXELS = 100e6;
const MOST_LABELS = 64;
const MOST_NUMBERS = 12e6; // labels × pixels; the program needs some 30 bytes for each

/** Read a photograph, upright, scaled down so that its longer side has at most `longest` pixels. */
export async function readPhotograph(file, longest) {
  checkBytes(file);
  const bitmap = await createImageBitmap(file, {colorSpaceConversion: "none"}).catch(() => {
    throw new InputError("is not a picture that this browser can open; expected a JPEG, PNG or WebP file");
  });
  const full = {width: bitmap.width, height: bitmap.height};
  if (full.width * full.height > MOST_PIXELS) {
    throw new InputError(`has ${full.width} × ${full.height} pixels; expected at most ${MOST_PIXELS / 1e6} million`);
  }
  const scale = Math.min(1, longest / Math.max(full.width, full.height));
  const [width, height] = [full.width, full.height].map((side) => Math.max(1, Math.round(scale * side)));
  const canvas = Object.assign(document.createElement("canvas"), {width, height});
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // behind what is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return {width, height, full, pixels: context.getImageData(0, 0, width, height).data};
}

export async function readMask(file) {
  checkBytes(file);
  return readPng(new Uint8Array(await file.arrayBuffer()));
}

/** Return the (3, height, width) colours of a photograph, from 0 to 1. */
export function imageOf({width, height, pixels}) {
  const count = width * height, image = new Float32Array(3 * count);
  for (let pixel = 0; pixel < count; pixel++) {
    for (let channel = 0; channel < 3; channel++) image[channel * count + pixel] = pixels[4 * pixel + channel] / 255;
  }
  return image;
}

/**
 * Return the probabilities that a mask holds: {labels, channels, rows, columns, scores}.
 *
 * A soft mask has one channel, the probability of its object, and no labels. A label map has a channel for each label,
 * 1 where it is; a mask finer than the photograph is averaged.
 */
export function scoresOf(mask, kind, photograph) {
  checkShape(mask, photograph);
  const {width, height, full} = photograph, {values} = mask;
  const rows = Math.min(mask.height, height), columns = Math.min(mask.width, width);
  if (kind === "soft") {
    if (mask.palette) {
      throw new InputError("has a palette, so its numbers are classes; say it is a label map, or save it in greys");
    }
    const white = 2 ** mask.depth - 1, size = {rows, columns};
    const brightest = values.reduce((most, value) => Math.max(most, value), 0);
    if (8 * brightest < white) { // the numbers of a label map are this low
      throw new InputError(
        `shows no object: its brightest grey is ${brightest} of ${white}; expected white for the object, or say it is ` +
        "a label map",
      );
    }
    return {labels: null, channels: 1, ...size, scores: averaged(mask, size, 1, (index) => [0, values[index] / white])};
  }
  const labels = labelsOf(mask, width * height), size = {rows, columns};
  const channel = new Map(labels.map((label, index) => [label, index]));
  const scores = averaged(mask, size, labels.length, (index) => [channel.get(values[index]), 1]);
  return {labels, channels: labels.length, ...size, scores};
}

/** Return whether (rows, columns) fit an image, up to rounding to whole cells: as crispseg's grid "centres" does. */
export function fits({width, height}, rows, columns) {
  return height * (columns - 1) < width * (rows + 1) && width * (rows - 1) < height * (columns + 1);
}

function checkBytes(file) {
  if (file.size > MOST_BYTES) {
    throw new InputError(`has ${(file.size / 1e6).toFixed(0)} MB; expected at most ${MOST_BYTES / 1e6} MB`);
  }
}

function checkShape({width, height}, {full}) {
  if (!fits(full, height, width)) {
    throw new InputError(
      `has ${width} × ${height} pixels and the photograph ${full.width} × ${full.height}, another aspect ratio; ` +
      "expected a mask of the whole photograph, upright: crop its padding",
    );
  }
}

function labelsOf({values, palette}, pixels) {
  const labels = [...new Set(values)].sort((one, other) => one - other);
  const most = Math.min(MOST_LABELS, MOST_NUMBERS / pixels);
  if (palette && 3 * labels.at(-1) >= palette.length) {
    throw new InputError(`holds the number ${labels.at(-1)}, which its palette lacks; export it again`);
  }
  if (labels.length < 2) throw new InputError(`holds the number ${labels[0]} alone; expected two classes or more`);
  if (labels.length > most) {
    throw new InputError(
      `holds ${labels.length} different numbers; expected at most ${Math.floor(most)} classes at this size: if it is ` +
      "a soft mask, say so, or choose a shorter side",
    );
  }
  return labels;
}

/** Return (channels, rows, columns): the mean of what `read` gives for each number, a channel and an amount. */
function averaged({width, height}, {rows, columns}, channels, read) {
  const sums = new Float32Array(channels * rows * columns), counts = new Float32Array(rows * columns);
  for (let y = 0, index = 0; y < height; y++) {
    const row = Math.floor(y * rows / height);
    for (let x = 0; x < width; x++, index++) {
      const cell = row * columns + Math.floor(x * columns / width), [channel, amount] = read(index);
      sums[channel * rows * columns + cell] += amount;
      counts[cell]++;
    }
  }
  return sums.map((sum, index) => sum / counts[index % counts.length]);
}
