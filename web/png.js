// PNG files of one channel, as the numbers that they hold. A canvas would give the colours of a palette.

import {InputError} from "./errors.js";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const GREY = 0, PALETTE = 3;
const MOST_PIXELS = 64e6;

/**
 * Read a greyscale or indexed PNG.
 *
 * Returns {width, height, depth, palette, values}: `values` are the numbers in row-major order, of `depth` bits each;
 * `palette` is the bytes of the palette (R, G, B for each index), or null for greys.
 */
export async function readPng(bytes) {
  if (SIGNATURE.some((byte, index) => bytes[index] !== byte)) {
    throw new InputError("is not a PNG file; expected a mask as PNG");
  }
  const chunks = chunksOf(bytes), header = chunks.find(({name}) => name === "IHDR")?.data;
  if (!header || header.length < 13) throw new InputError("is damaged: it has no header; export it again");
  const view = new DataView(header.buffer, header.byteOffset), width = view.getUint32(0), height = view.getUint32(4);
  const depth = header[8], colour = header[9];
  if (colour !== GREY && colour !== PALETTE) {
    throw new InputError("holds colours or transparency; expected one channel: save it as a greyscale or indexed PNG");
  }
  if (header[12]) throw new InputError("is interlaced; save it without interlacing");
  if (!width || !height || width * height > MOST_PIXELS) {
    throw new InputError(`has ${width} × ${height} pixels; expected at most ${MOST_PIXELS / 1e6} million`);
  }
  const parts = chunks.filter(({name}) => name === "IDAT").map(({data}) => data);
  const rowBytes = Math.ceil(width * depth / 8);
  const raw = await inflated(parts, height * (1 + rowBytes));
  unfilter(raw, height, rowBytes, Math.max(1, depth / 8));
  const palette = colour === PALETTE ? chunks.find(({name}) => name === "PLTE")?.data ?? null : null;
  return {width, height, depth, palette, values: unpacked(raw, width, height, depth)};
}

/** Return the bytes of a PNG: 8-bit or 16-bit greys, or indices of a palette. */
export async function writePng({width, height, depth, palette, values}) {
  const wide = depth === 16, rowBytes = width * (wide ? 2 : 1), raw = new Uint8Array(height * (1 + rowBytes));
  for (let row = 0, from = 0; row < height; row++) {
    let to = row * (1 + rowBytes) + 1; // each row begins with a filter of 0
    for (let column = 0; column < width; column++) {
      const value = values[from++];
      if (wide) raw[to++] = value >> 8;
      raw[to++] = value & 255;
    }
  }
  const header = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, wide ? 16 : 8, palette ? PALETTE : GREY, 0, 0, 0]);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  const deflated = new Blob([raw]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(deflated).arrayBuffer());
  const colours = palette ? [chunk("PLTE", palette)] : [];
  const chunks = [chunk("IHDR", header), ...colours, chunk("IDAT", data), chunk("IEND", new Uint8Array())];
  return new Blob([new Uint8Array(SIGNATURE), ...chunks], {type: "image/png"});
}

function chunksOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), found = [];
  for (let at = SIGNATURE.length; at + 12 <= bytes.length;) {
    const length = view.getUint32(at), name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    found.push({name, data: bytes.subarray(at + 8, at + 8 + length)});
    at += 12 + length;
  }
  return found;
}

/** Return exactly `size` inflated bytes: reading stops there, whatever else the file may hold. */
async function inflated(parts, size) {
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const result = new Uint8Array(size), reader = stream.getReader();
  let filled = 0;
  try {
    while (filled < size) {
      const {done, value} = await reader.read();
      if (done) break;
      result.set(value.subarray(0, size - filled), filled);
      filled += value.length;
    }
  } catch { /* what is missing is told below */ }
  if (filled < size) throw new InputError("is damaged or truncated; export it again");
  await reader.cancel().catch(() => {});
  return result;
}

/** Undo the filters of all rows in place; each row begins with the byte of its filter. */
function unfilter(raw, height, rowBytes, step) {
  const above = (index, row) => row ? raw[index - rowBytes - 1] : 0;
  for (let row = 0; row < height; row++) {
    const start = row * (1 + rowBytes) + 1, filter = raw[start - 1];
    if (filter > 4) throw new InputError("is damaged: a row has an unknown filter; export it again");
    for (let index = start; filter && index < start + rowBytes; index++) {
      const inside = index - step >= start, left = inside ? raw[index - step] : 0;
      const up = filter > 1 ? above(index, row) : 0, corner = filter > 3 && inside ? above(index - step, row) : 0;
      raw[index] += [0, left, up, (left + up) >> 1, nearest(left, up, corner)][filter];
    }
  }
}

/** Return the one of three neighbours that is nearest to left + up - corner, as the format defines it. */
function nearest(left, up, corner) {
  const toLeft = Math.abs(up - corner), toUp = Math.abs(left - corner), toCorner = Math.abs(left + up - 2 * corner);
  return toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
}

function unpacked(raw, width, height, depth) {
  const values = new Uint16Array(width * height), rowBytes = Math.ceil(width * depth / 8), largest = 2 ** depth - 1;
  for (let row = 0, to = 0; row < height; row++) {
    const start = row * (1 + rowBytes) + 1;
    for (let column = 0; column < width; column++) {
      const bit = column * depth, at = start + (bit >> 3);
      values[to++] = depth === 16 ? raw[at] << 8 | raw[at + 1] : raw[at] >> (8 - depth - (bit & 7)) & largest;
    }
  }
  return values;
}

function chunk(name, content) {
  const bytes = new Uint8Array(12 + content.length), view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set([...name].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(content, 8);
  view.setUint32(8 + content.length, checksum(bytes.subarray(4, 8 + content.length)));
  return bytes;
}

function checksum(bytes) {
  let sum = -1;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum >>> 1 ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}
