"""Text of too little contrast and controls without a name, as a browser finds them."""

CONTRASTS = """() => {
  const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
  };
  const over = (top, under) => [0, 1, 2].map((c) => top[c] * top[3] + under[c] * (1 - top[3])).concat(1);
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const own = rgba(getComputedStyle(element).backgroundColor);
    if (own[3] === 1) return own;
    return over(own, element.parentElement ? behind(element.parentElement) : [1, 1, 1, 1]);
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join("").trim();
    const said = text || (element.matches("input:not([type=radio], [type=range], [type=file])") ? element.value : "");
    if (!said || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (element.closest(":disabled, .sr-only, svg, style, script, .unseen")) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    if (!size) continue;
    const under = behind(element), [a, b] = [light(over(rgba(style.color), under)), light(under)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if (ratio < needed) found.push(`${ratio.toFixed(2)} ${said.slice(0, 40)}`);
  }
  return found;
}"""
"""Returns the texts whose contrast is below what WCAG AA asks for."""

UNNAMED = """() => [...document.querySelectorAll("input, button, select, textarea")]
  .filter((each) => each.checkVisibility() && !each.closest(".unseen"))
  .filter((each) => !(each.getAttribute("aria-label") || each.innerText?.trim() || each.labels?.length || each.title))
  .map((each) => each.outerHTML.slice(0, 120))"""
"""Returns the controls without a name."""
