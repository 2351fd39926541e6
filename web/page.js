// The page: what was dropped, what it is, and what came of it.

import {coarse, draw, likeliest, tintOf} from "./drawing.js";
import {InputError} from "./errors.js";
import {imageOf, readMask, readPhotograph, scoresOf} from "./inputs.js";
import {writePng} from "./png.js";
import {run, stop} from "./program.js";

const EXAMPLES = {
  pagoda: {kind: "labels", credit: "Photo: danielbuechele, CC BY 2.0. Mask: drawn by hand on squares of 16 pixels."},
  portrait: {kind: "soft", credit: "Photo: U.S. Navy, public domain. Mask: drawn by hand, on squares of 16 pixels."},
};
const by = (id) => document.getElementById(id);
const [form, message, facts, divider] = ["desk", "message", "facts", "divider"].map(by);
const [sharpen, download, after] = ["sharpen", "download", "after"].map(by);

const files = {photo: null, mask: null};
let ready = null; // the arrays of photograph and mask, once both fit together
let shown = 0; // counts what was asked to be shown: an answer to an earlier question is dropped
let running = false;

/** What was sharpened last: {photograph, given, crisp, png}; tests compare it with PyTorch. */
export let result = null;

function say(text, wrong = false) {
  message.textContent = text;
  message.classList.toggle("wrong", wrong);
}

/** Read what was dropped, say what is missing, and show what there is. */
async function show() {
  const turn = ++shown, kind = form.elements.kind.value;
  let photograph = null, mask = null, given = null;
  forget();
  try {
    photograph = await about(files.photo, (file) => readPhotograph(file, Number(by("longest").value)));
    mask = await about(files.mask, readMask);
    given = photograph && mask && kind ? await about(files.mask, () => scoresOf(mask, kind, photograph)) : null;
    if (turn === shown) say(told(photograph, mask, kind));
  } catch (error) {
    if (turn === shown) complain(error);
  }
  if (turn !== shown) return;
  ready = given && {photograph, mask, given};
  sharpen.disabled = !ready;
  by("compare").hidden = !photograph;
  facts.textContent = photograph ? [sizes(photograph, mask), files.credit].filter(Boolean).join(" ") : "";
  if (!photograph) return;
  by("compare").style.setProperty("--ratio", photograph.width / photograph.height);
  draw(by("before"), photograph, ...(given ? [tintOf(mask, given), coarse(given, photograph)] : []));
}

function told(photograph, mask, kind) {
  if (!photograph) return "Choose an example, or drop a photograph and its mask.";
  if (!mask) return "Now drop the mask of this photograph.";
  return kind ? "" : "Say whether the mask is a soft mask or a label map.";
}

function sizes({width, height, full}, mask) {
  const scaled = width === full.width && height === full.height ? "" : `, scaled from ${full.width} × ${full.height}`;
  return `Photograph: ${width} × ${height} pixels${scaled}.` + (mask ? ` Mask: ${mask.width} × ${mask.height}.` : "");
}

/** Return what is read of a file, if there is one; an error begins with the file's name. */
async function about(file, read) {
  try {
    return file && await read(file);
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${file.name} ${error.message}`) : error;
  }
}

function complain(error) {
  if (!(error instanceof InputError)) console.error(error);
  say(error instanceof InputError ? `${error.message}.` : `This did not work: ${error.message}`, true);
}

/** Clear the result, which belongs to other files or another choice. */
function forget() {
  if (running) halt();
  ready = result = null;
  sharpen.disabled = download.disabled = true;
  reveal(false);
}

function reveal(both) {
  for (const element of [after, divider, document.querySelector(".tag.right")]) element.hidden = !both;
}

async function sharpened() {
  const {photograph, mask, given} = ready, turn = shown, kind = given.labels ? "labels" : "soft";
  setRunning(true);
  say("Loading the program, 15 MB the first time …");
  try {
    const answer = await run(kind, imageOf(photograph), photograph, given, () => say("Sharpening …"));
    if (turn !== shown) return;
    const {crisp, seconds, threads} = answer, {width, height} = photograph, {channels, labels} = given;
    const index = labels && likeliest(crisp, channels), white = 2 ** Math.max(8, mask.depth) - 1;
    const values = Array.from(index ?? crisp, (value) => labels ? labels[value] : Math.round(white * value));
    result = {photograph, given, crisp, png: {...mask, width, height, values}};
    draw(after, photograph, tintOf(mask, given), (x, y) => (index ?? crisp)[y * width + x]);
    reveal(true);
    download.disabled = false;
    say(`Sharpened in ${seconds.toFixed(1)} s, on ${threads} ${threads === 1 ? "thread" : "threads"} of WebAssembly. Drag the line.`);
  } catch (error) {
    const full = /memory|alloc/i.test(error.message);
    if (turn === shown) complain(full ? new InputError("The browser ran out of memory; choose a shorter side") : error);
  } finally {
    if (turn === shown) setRunning(false);
  }
}

function setRunning(now) {
  running = now;
  sharpen.textContent = now ? "Stop" : "Sharpen";
  by("compare").classList.toggle("busy", now);
}

function halt() {
  stop();
  setRunning(false);
}

async function example(name) {
  const {kind, credit} = EXAMPLES[name], turn = shown;
  const [photo, mask] = await Promise.all([`${name}.jpg`, `${name}_mask.png`].map(fetched));
  if (turn !== shown) return; // a file was dropped meanwhile
  Object.assign(files, {photo, mask, credit});
  form.elements.kind.value = kind;
  showNames();
  await show();
}

async function fetched(name) {
  const answer = await fetch(new URL(`examples/${name}`, import.meta.url));
  if (!answer.ok) throw new Error(`${name} is not on this server (${answer.status}); build the page again: make web`);
  return new File([await answer.blob()], name);
}

/** Forget an example, and what it said of its mask, once a person's own file takes its place. */
function clearExample() {
  Object.assign(files, {photo: null, mask: null, credit: null});
  for (const radio of form.elements.kind) radio.checked = false;
}

function showNames() {
  for (const id of ["photo", "mask"]) by(`${id}-name`).textContent = files[id]?.name ?? "drop or choose";
}

for (const id of ["photo", "mask"]) {
  by(id).addEventListener("change", ({target}) => {
    if (!target.files.length) return;
    if (files.credit) clearExample();
    files[id] = target.files[0];
    target.value = ""; // so that the same file can be dropped again
    showNames();
    show();
  });
}
for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", () => example(button.dataset.example).catch(complain));
}
form.addEventListener("change", ({target}) => target.type !== "file" && show());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) {
    halt();
    shown++; // drops the answer
    say("Stopped.");
  } else if (ready) {
    sharpened();
  }
});
divider.addEventListener("input", () => by("compare").style.setProperty("--at", `${divider.value / 10}%`));
download.addEventListener("click", async () => {
  const url = URL.createObjectURL(await writePng(result.png));
  const name = files.photo.name.replace(/\.[^.]*$/, "");
  Object.assign(document.createElement("a"), {href: url, download: `${name}_crisp.png`}).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
});

await example("pagoda").catch(complain);
