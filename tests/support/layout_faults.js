// Faults of the layout of the page as it stands, one line each. Lengths are CSS pixels.
(() => {
  const SLACK = 1.5;
  const faults = new Set();
  const view = document.documentElement.clientWidth;
  const described = (element) => {
    const name = element.id ? `#${element.id}` : [...element.classList].slice(0, 2).map((one) => `.${one}`).join("");
    const text = (element.textContent || element.value || element.placeholder || "").trim().replace(/\s+/g, " ");
    return `<${element.tagName.toLowerCase()}${name}> ${JSON.stringify(text.slice(0, 60))}`;
  };
  const round = (box) => `[${[box.left, box.top, box.right, box.bottom].map(Math.round).join(" ")}]`;
  const shown = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true });

  // What the ancestors of an element leave of the page: the part that is seen without scrolling (seen), what they cut
  // off (cuts), whether one can scroll sideways (scrollsX), whether they are for screen readers only (hidden), and
  // whether they lie above the rest (fixed).
  const styles = new Map(), frames = new Map();
  const styleOf = (element) => {
    if (!styles.has(element)) styles.set(element, getComputedStyle(element));
    return styles.get(element);
  };
  const isSvgPart = (element) => element.ownerSVGElement instanceof SVGSVGElement;
  const everything = { left: -Infinity, top: -Infinity, right: Infinity, bottom: Infinity };
  const frame = (element) => {
    if (!element || element === document.documentElement || element === document.body) {
      return { seen: everything, cuts: [], scrollsX: false, hidden: false, fixed: false };
    }
    if (frames.has(element)) return frames.get(element);
    const style = styleOf(element), outer = frame(element.parentElement);
    const onTop = element.matches(":popover-open") || style.position === "fixed";
    const own = { seen: { ...(onTop ? everything : outer.seen) }, cuts: onTop ? [] : [...outer.cuts],
                  scrollsX: !onTop && outer.scrollsX, hidden: outer.hidden,
                  fixed: outer.fixed || onTop || style.position === "sticky" };
    if (!isSvgPart(element)) {
      const box = element.getBoundingClientRect();
      own.hidden = own.hidden || box.width <= 1 && box.height <= 1 && style.overflowX !== "visible";
      for (const [axis, low, high] of [["X", "left", "right"], ["Y", "top", "bottom"]]) {
        const overflow = style[`overflow${axis}`];
        if (overflow === "auto" || overflow === "scroll") {
          own.seen[low] = Math.max(own.seen[low], box[low]);
          own.seen[high] = Math.min(own.seen[high], box[high]);
          own.cuts = own.cuts.filter((cut) => cut.axis !== axis);  // one can scroll to what a box further out cuts
          own.scrollsX = own.scrollsX || axis === "X";
        }
        if (overflow === "hidden" || overflow === "clip") own.cuts.push({ axis, low: box[low], high: box[high], element });
      }
    }
    frames.set(element, own);
    return own;
  };

  // 1. The page itself must not scroll sideways, and nothing may lie outside of it where one cannot scroll.
  if (document.scrollingElement.scrollWidth > view + SLACK) {
    faults.add(`the page is ${document.scrollingElement.scrollWidth} wide in a window of ${view}`);
  }
  const outside = (box, element, around) => {
    if (around.hidden || box.right - box.left <= 0) return;
    if (!around.scrollsX && (box.left < -SLACK || box.right > view + SLACK)) {
      faults.add(`outside the window of ${view}: ${described(element)} ${round(box)}`);
    }
    for (const cut of around.cuts) {
      const [low, high] = cut.axis === "X" ? [box.left, box.right] : [box.top, box.bottom];
      const slack = cut.axis === "X" ? SLACK : Math.max(SLACK, 0.2 * (box.bottom - box.top));  // a line box has air
      if (low < cut.low - slack || high > cut.high + slack) {
        faults.add(`cut by ${described(cut.element).split(" ")[0]}: ${described(element)} ${round(box)}`);
      }
    }
  };
  for (const element of document.body.querySelectorAll("*")) {
    const solid = element.matches("img, svg, canvas, video, button, input, select, textarea");
    if (isSvgPart(element) || !solid && !["auto", "scroll"].includes(styleOf(element).overflowX)) continue;
    if (shown(element)) outside(element.getBoundingClientRect(), element, frame(element.parentElement));
  }

  // 2. Text that its own box does not show whole: ellipses, narrow fields, words that run out of their block.
  for (const element of document.body.querySelectorAll("*")) {
    if (isSvgPart(element) || !shown(element) || frame(element).hidden) continue;
    const style = styleOf(element);
    const field = element.matches("input:not([type=checkbox],[type=radio],[type=range]), textarea, button");
    const hides = field || ["hidden", "clip"].includes(style.overflowX);
    if (hides && element.scrollWidth > element.clientWidth + SLACK && element.clientWidth > 1) {
      faults.add(`text cut at ${element.clientWidth} of ${element.scrollWidth}: ${described(element)}`);
    }
  }

  // 3. Text boxes: lines of HTML, and <text> of SVG as rotated rectangles. They lie inside and never upon each other.
  const labels = [];
  const add = (corners, element, around, owner) => {
    const xs = corners.map(([x]) => x), ys = corners.map(([, y]) => y);
    const box = { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
    outside(box, element, around);
    const { seen } = around;
    const left = Math.max(box.left, seen.left), right = Math.min(box.right, seen.right);
    const top = Math.max(box.top, seen.top), bottom = Math.min(box.bottom, seen.bottom);
    if (right - left > SLACK && bottom - top > SLACK && !around.hidden) {
      labels.push({ corners, box: { left, right, top, bottom }, element, owner, fixed: around.fixed });
    }
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || isSvgPart(element) || element.closest("script, style, title, noscript, option, datalist")) continue;
    if (!shown(element)) continue;
    const around = frame(element);
    const range = document.createRange();
    range.selectNodeContents(node);
    let block = element;
    while (block.parentElement && ["inline", "contents"].includes(styleOf(block).display)) block = block.parentElement;
    const home = block.getBoundingClientRect();
    const boxes = [...range.getClientRects()].filter((box) => box.width > 0);
    for (const { 0: word, index } of boxes.length > 1 ? node.data.matchAll(/(?<![\p{L}\p{N}.%])[\p{L}\p{N}.%]{2,14}(?![\p{L}\p{N}.%])/gu) : []) {
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const lines = new Set([...range.getClientRects()].filter((box) => box.width > 0).map((box) => Math.round(box.top)));
      if (lines.size > 1 && !around.hidden) faults.add(`a short word is broken: ${JSON.stringify(word)} in ${described(element)}`);
    }
    for (const box of boxes) {
      const air = 0.2 * box.height;  // a line box is higher than its letters
      add([[box.left, box.top + air], [box.right, box.top + air], [box.right, box.bottom - air], [box.left, box.bottom - air]],
          element, around, node);
      const scrolling = ["auto", "scroll"].includes(styleOf(block).overflowX);
      if (!around.hidden && !scrolling && (box.right > home.right + SLACK || box.left < home.left - SLACK)) {
        faults.add(`runs out of its ${described(block).split(" ")[0]}: ${described(element)} ${round(box)}`);
      }
    }
  }
  for (const text of document.body.querySelectorAll("svg text")) {
    if (!text.textContent.trim() || !shown(text)) continue;
    const box = text.getBBox(), matrix = text.getScreenCTM();
    if (!matrix || box.width <= 0) continue;
    const air = 0.15 * box.height;
    const corners = [[box.x, box.y + air], [box.x + box.width, box.y + air],
                     [box.x + box.width, box.y + box.height - air], [box.x, box.y + box.height - air]]
      .map(([x, y]) => new DOMPoint(x, y).matrixTransform(matrix)).map((point) => [point.x, point.y]);
    const drawing = text.ownerSVGElement;
    add(corners, text, frame(drawing), text);
  }

  // Two convex quadrilaterals lie apart if the sides of one of them separate them.
  const apart = (one, other) => [one, other].some((shape) => shape.some(([x, y], place) => {
    const [nextX, nextY] = shape[(place + 1) % shape.length];
    const length = Math.hypot(nextX - x, nextY - y) || 1;
    const normal = [(nextY - y) / length, (x - nextX) / length];
    const reach = (points) => {
      const along = points.map(([px, py]) => px * normal[0] + py * normal[1]);
      return [Math.min(...along), Math.max(...along)];
    };
    const [low, high] = reach(one), [otherLow, otherHigh] = reach(other);
    return low > otherHigh - SLACK || otherLow > high - SLACK;
  }));
  const meet = (one, other) => Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left) > SLACK
    && Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top) > SLACK;
  labels.sort((one, other) => one.box.top - other.box.top);
  labels.forEach((label, place) => {
    for (let next = place + 1; next < labels.length && labels[next].box.top < label.box.bottom - SLACK; next++) {
      const other = labels[next];
      if (other.owner === label.owner || other.fixed !== label.fixed || !meet(label, other)) continue;
      if (!apart(label.corners, other.corners)) {
        faults.add(`${described(label.element)} ${round(label.box)} lies upon ${described(other.element)} ${round(other.box)}`);
      }
    }
  });
  return [...faults];
})()
