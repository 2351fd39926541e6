// Runs the exported sharpeners beside the page, so that it stays responsive.

import * as ort from "./ort/ort.js";

const here = (name) => new URL(name, import.meta.url).href;

ort.env.wasm.wasmPaths = {mjs: here("./ort/ort-wasm.js"), wasm: here("./ort/ort-wasm.wasm")};
// Threads need memory that is shared, which browsers allow only where the server isolates the page by two headers.
const threads = self.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
ort.env.wasm.numThreads = threads;

const sessions = {};

function sessionOf(kind) {
  sessions[kind] ??= ort.InferenceSession.create(here(`./${kind}.onnx`), {executionProviders: ["wasm"]});
  return sessions[kind];
}

self.onmessage = async ({data: {kind, image, imageShape, scores, scoresShape}}) => {
  try {
    const session = await sessionOf(kind);
    self.postMessage({running: true});
    const start = performance.now();
    const {crisp} = await session.run({
      image: new ort.Tensor("float32", image, imageShape),
      scores: new ort.Tensor("float32", scores, scoresShape),
    });
    const seconds = (performance.now() - start) / 1000;
    self.postMessage({crisp: crisp.data, seconds, threads}, [crisp.data.buffer]);
  } catch (error) {
    self.postMessage({error: String(error?.message ?? error)});
  }
};
self.postMessage({ready: true});
