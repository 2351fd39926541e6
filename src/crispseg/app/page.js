() => {
  const all = (found, within = document) => [...within.querySelectorAll(found)];

  // Gradio leaves some parts without a name for screen readers, and calls all places for files the same.
  const nameAll = () => {
    const named = (element, name) => element?.setAttribute("aria-label", name);
    all("#picture .image-frame").forEach((frame) =>
      named(frame.parentElement, "Click a pixel to see what the filter mixes into it"));
    all("#slider img").forEach((image, at) => { image.alt = at ? "After" : "Before"; });
    all("#side [data-testid=block-label]").forEach((label) => {
      const block = label.closest(".block"), title = label.textContent.trim();
      named(block.querySelector(".upload-container"), `${title}: drop or choose a file`);
      named(block.querySelector("[title=Clear]"), `Clear: ${title}`);
    });
    named(document.querySelector("#slider [title=Fullscreen]"), "Fullscreen: before and after");
    named(document.querySelector("#picture [title=Fullscreen]"), "Fullscreen: the picture to click");
    named(document.querySelector("#names-file"), "From a file: names of the classes");
    const line = document.querySelector("#slider .outer");
    if (!line) return;
    line.tabIndex = 0;
    line.setAttribute("role", "slider");
    named(line, "Line between before and after");
    line.setAttribute("aria-valuenow", place(line));
  };

  // The line between before and after moves with the arrow keys too, as if the mouse dragged it.
  const middle = (element) => element.getBoundingClientRect().x + element.getBoundingClientRect().width / 2;
  const place = (line) => {
    const {x, width} = line.parentElement.getBoundingClientRect();
    return Math.round(100 * (middle(line) - x) / width);
  };
  const move = (line, share) => {
    const from = middle(line), to = from + share * line.parentElement.clientWidth;
    for (const [target, type, clientX] of [[line, "mousedown", from], [window, "mousemove", to], [window, "mouseup", to]]) {
      target.dispatchEvent(new MouseEvent(type, {view: window, bubbles: true, clientX}));
    }
    requestAnimationFrame(() => line.setAttribute("aria-valuenow", place(line)));
  };
  document.addEventListener("keydown", (event) => {
    const share = {ArrowLeft: -0.05, ArrowDown: -0.05, ArrowRight: 0.05, ArrowUp: 0.05}[event.key];
    if (!share || !event.target.matches("#slider .outer")) return;
    event.preventDefault();
    move(event.target, share);
  });

  // Gradio opens the list of a dropdown again when the Tab key leaves it.
  document.addEventListener("focusout", ({target}) => setTimeout(() => {
    const open = target.getAttribute("aria-expanded") === "true" && target !== document.activeElement;
    if (open && target.role === "combobox") target.dispatchEvent(new Event("blur"));
  }, 100));

  // On a phone the message may lie above the screen when a file is refused. It is shown once the page is no longer busy.
  let told = null;
  const show = (wrong) => {
    if (!wrong.isConnected) return;
    if (wrong.checkVisibility()) wrong.scrollIntoView({block: "nearest"});
    else setTimeout(show, 100, wrong);
  };
  const tell = () => {
    const wrong = document.querySelector("#message .wrong");
    if (wrong && wrong !== told && !document.activeElement.matches("input")) show(wrong);
    told = wrong;
  };

  new MutationObserver(() => { nameAll(); tell(); }).observe(document.body, {childList: true, subtree: true});
  nameAll();
}
