// The program in its worker: arrays in, crisp probabilities out.

let worker = null;

/**
 * Run the sharpener for a kind of mask, "soft" or "labels".
 *
 * Returns {crisp, seconds, threads}: (channels, height, width) probabilities. `onRunning` is called once it is loaded.
 */
export async function run(kind, image, {width, height}, {scores, channels, rows, columns}, onRunning) {
  worker ??= await started();
  worker.postMessage({
    kind, image, scores, imageShape: [1, 3, height, width], scoresShape: [1, channels, rows, columns],
  });
  for (;;) {
    const answer = await next(worker);
    if (answer.error) {
      stop(); // what ran out of memory is not used again
      throw new Error(answer.error);
    }
    if (answer.crisp) return answer;
    onRunning();
  }
}

/** Stop whatever runs. */
export function stop() {
  worker?.terminate();
  worker = null;
}

async function started() {
  // A worker from a file would have no policy of its own; one from a blob inherits that of the page.
  const source = `import ${JSON.stringify(new URL("./worker.js", import.meta.url).href)};`;
  const url = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
  const made = new Worker(url, {type: "module"});
  try {
    await next(made);
  } finally {
    URL.revokeObjectURL(url);
  }
  return made;
}

function next(from) {
  return new Promise((resolve, reject) => {
    from.onmessage = ({data}) => resolve(data);
    from.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message || "the program could not be loaded"));
    };
  });
}
