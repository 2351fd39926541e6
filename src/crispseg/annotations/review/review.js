"use strict";

const SVG = "http://www.w3.org/2000/svg";
const { cards, kind, run, command, changed, masks, simplified } = window.REVIEW;
const place = `crispseg review ${run}`;
const byId = (id) => document.getElementById(id);

let decided = {};
try {
  decided = JSON.parse(localStorage.getItem(place)) || {};
} catch { /* a browser that keeps nothing for files */ }

function make(name, properties = {}, ...children) {
  const node = document.createElement(name);
  Object.assign(node, properties);
  node.append(...children);
  return node;
}

function draw(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function view(picture, size, outlines, box) {
  const svg = draw("svg", { viewBox: `0 0 ${size.width} ${size.height}`, "aria-hidden": "true" });
  for (const outline of outlines) {
    svg.append(draw("path", { d: size[outline], class: "halo" }), draw("path", { d: size[outline], class: outline }));
  }
  if (box) svg.append(draw("rect", { x: box[0], y: box[1], width: box[2], height: box[3] }));
  const image = make("img", { src: picture, width: size.width, height: size.height, loading: "lazy", alt: "" });
  return make("div", { className: "view" }, make("div", { className: "frame" }, image, svg));
}

function figure(className, caption, content) {
  return make("figure", { className }, content, make("figcaption", { textContent: caption }));
}

function cardOf(card, index) {
  const yes = make("button", { type: "button", className: "yes", textContent: "Accept" });
  const no = make("button", { type: "button", className: "no", textContent: "Reject" });
  yes.onclick = () => decide(index, "accepted");
  no.onclick = () => decide(index, "rejected");
  const of = card.file === card.image ? card.image : `${card.image} · ${card.file}`;
  const item = make("li", { className: "card" },
    make("div", { className: "head" },
      make("h2", { textContent: card.category }),
      make("span", { className: "of", textContent: `${card.object} of ${of}` }),
      make("span", {
        className: "by",
        textContent: `IoU with before ${(100 * card.iou).toFixed(1)} %, outline moved by ${card.shift.toFixed(1)} px on average`,
      }),
      make("div", { className: "choice" }, yes, no)),
    make("div", { className: "views" },
      figure("whole", "The object; the frame is what changed most",
        view(card.pictures.whole, card.whole, ["before", "after"], card.place)),
      figure("detail", "Before", view(card.pictures.detail, card.detail, ["before"])),
      figure("detail", "After", view(card.pictures.detail, card.detail, ["after"]))));
  item.onclick = () => select(index);
  return { item, yes, no };
}

const nodes = cards.map(cardOf);
byId("cards").append(...nodes.map((node) => node.item));
const categories = [...new Set(cards.map((card) => card.category))].sort();
byId("category").append(...categories.map((name) => make("option", { value: name, textContent: name })));
byId("category-label").hidden = categories.length < 2;
byId("note").textContent = `${changed} of ${masks} masks changed`
  + (cards.length < changed ? `; these are the ${cards.length} that changed most. ` : ". Those that changed most come first. ")
  + "A mask that you do not decide on is accepted. The lines are around the exact pixels of the masks"
  + (simplified ? "; polygons are written with fewer vertices, as --tolerance says." : ".");

let current = -1;

function shown(index) {
  const state = decided[index] || "undecided";
  const [show, category] = [byId("show").value, byId("category").value];
  return (show === "all" || show === state) && (!category || category === cards[index].category);
}

function refresh() {
  const count = { accepted: 0, rejected: 0 };
  nodes.forEach(({ item, yes, no }, index) => {
    const state = decided[index];
    if (state) count[state] += 1;
    item.classList.toggle("accepted", state === "accepted");
    item.classList.toggle("rejected", state === "rejected");
    item.classList.toggle("current", index === current);
    yes.setAttribute("aria-pressed", state === "accepted");
    no.setAttribute("aria-pressed", state === "rejected");
  });
  const left = cards.length - count.accepted - count.rejected;
  byId("counts").textContent = `${count.accepted} accepted · ${count.rejected} rejected · ${left} undecided`;
}

function filter() {
  nodes.forEach(({ item }, index) => { item.hidden = !shown(index); });
  byId("none").hidden = nodes.some(({ item }) => !item.hidden);
}

function decide(index, state) {
  if (decided[index] === state) delete decided[index];
  else decided[index] = state;
  try {
    localStorage.setItem(place, JSON.stringify(decided));
  } catch { /* as above */ }
  refresh();
}

function select(index) {
  current = index;
  refresh();
}

function step(by) {
  let next = current + by;
  while (next >= 0 && next < nodes.length && nodes[next].item.hidden) next += by;
  if (next < 0 || next >= nodes.length) return;
  select(next);
  nodes[next].item.scrollIntoView({ block: "start" });
}

function save() {
  const of = (state) => cards.filter((_, index) => decided[index] === state)
    .map(({ file, image, object }) => ({ file, image, object }));
  const text = JSON.stringify({ kind, rejected: of("rejected"), accepted: of("accepted") }, null, 2);
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })) });
  link.download = "decisions.json";
  link.click();
  URL.revokeObjectURL(link.href);
  byId("command").textContent = command;
  byId("saved").hidden = false;
  window.scrollTo({ top: 0 });
}

byId("save").onclick = save;
byId("copy").onclick = () => navigator.clipboard.writeText(command);
byId("show").onchange = filter;
byId("category").onchange = filter;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const key = event.key.toLowerCase();
  if (key === "j") step(1);
  if (key === "k") step(-1);
  if (current < 0 && (key === "a" || key === "r")) {
    step(1); // shows which mask the next key decides on
  } else if (key === "a" || key === "r") {
    decide(current, key === "a" ? "accepted" : "rejected");
    if (decided[current]) step(1);
  }
});
refresh();
filter();
