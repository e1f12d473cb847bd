// Texts with less contrast to their background than WCAG 2.2 AA asks for, one line each.
(() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = "#0000";
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
      known.set(colour, [red, green, blue, alpha / 255]);
    }
    return known.get(colour);
  };
  const over = (top, bottom) => [0, 1, 2].map((part) => top[part] * top[3] + bottom[part] * (1 - top[3])).concat(1);
  const canvasColour = () => {
    const probe = document.createElement("i");
    probe.style.color = "Canvas";
    document.body.append(probe);
    const colour = rgba(getComputedStyle(probe).color);
    probe.remove();
    return colour;
  };
  const base = canvasColour();
  const backgrounds = new Map();
  const background = (element) => {
    if (!element) return base;
    if (!backgrounds.has(element)) {
      const own = rgba(getComputedStyle(element).backgroundColor);
      backgrounds.set(element, own[3] === 1 ? own : over(own, background(element.parentElement)));
    }
    return backgrounds.get(element);
  };
  const luminance = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, part) => {
    const share = colour[part] / 255;
    return sum + weight * (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
  }, 0);
  const opacity = (element) => (element ? Number(getComputedStyle(element).opacity) * opacity(element.parentElement) : 1);
  const faults = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("script, style, title, noscript, datalist, [disabled]")) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    const behind = background(element);
    const ink = rgba(element instanceof SVGElement ? style.fill : style.color);
    const colour = over([...ink.slice(0, 3), ink[3] * opacity(element)], behind);
    const [high, low] = [luminance(colour), luminance(behind)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) {
      const what = `${style.color} on rgb(${behind.slice(0, 3).map(Math.round)})`;
      if (!faults.has(what)) faults.set(what, `contrast ${ratio.toFixed(2)}, ${what}: ${JSON.stringify(node.data.trim().slice(0, 60))}`);
    }
  }
  return [...faults.values()];
})()
