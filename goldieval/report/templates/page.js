"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Sorting: rows of one group only; what was measured under another setting is another table.
  const value = (row, column, kind) => {
    const cell = row.cells[column];
    return kind === "number" ? (cell.dataset.v ? Number(cell.dataset.v) : null) : cell.textContent.trim().toLowerCase();
  };
  const compare = (x, y, sign) => {
    if (x === null || y === null) return (x === null) - (y === null);  // what has no number stands last
    return x < y ? -sign : x > y ? sign : 0;
  };
  const sort = (table, header) => {
    const column = header.cellIndex, kind = header.dataset.sort;
    const [first, other] = kind === "number" ? ["descending", "ascending"] : ["ascending", "descending"];
    const order = header.getAttribute("aria-sort") === first ? other : first;
    all("th[aria-sort]", table).forEach((each) => each.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    for (const body of table.tBodies) {
      [...body.rows].filter((row) => row.dataset.kind)
        .sort((a, b) => compare(value(a, column, kind), value(b, column, kind), sign))
        .forEach((row) => body.append(row));
    }
  };
  for (const header of all("table.sortable th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(header.closest("table"), header));
  }

  // Filtering: a row is shown if its words, with those of its task or column, contain all words that are looked for.
  const words = (element) => element.textContent.toLowerCase();
  const panels = all("article.panel").map((panel) => ({
    panel, about: words(panel.querySelector("h3")) + words(panel.querySelector(".setting") || document.createElement("p")),
    rows: all("tr[data-kind]", panel).map((row) => ({ row, text: words(row) })),
  }));
  const heats = all("table.heat").map((table) => ({
    table, head: [...table.tHead.rows[0].cells].slice(1),
    lines: [...table.rows], rows: all("tr[data-kind]", table).map((row) => ({ row, text: words(row.cells[0]) })),
  }));
  const filterPanel = ({ panel, about, rows }, wanted) => {
    const columns = all("th[data-metric]", panel);
    const fitsMetric = (header) => !wanted.metric
      || (wanted.metric === "headline" ? "headline" in header.dataset : header.dataset.metric === wanted.metric);
    for (const header of columns) {
      const hidden = !fitsMetric(header);
      all("tr", header.closest("table")).forEach((row) => { if (row.cells[header.cellIndex]) row.cells[header.cellIndex].hidden = hidden; });
    }
    const fits = (!wanted.task || panel.dataset.task === wanted.task) && columns.some(fitsMetric);
    let shown = 0;
    for (const { row, text } of rows) {
      row.hidden = !fits || !wanted.kinds.has(row.dataset.kind) || !wanted.words.every((word) => text.includes(word) || about.includes(word));
      shown += !row.hidden;
    }
    for (const part of all("details.others", panel)) {
      const found = all("tr[data-kind]:not([hidden])", part).length;
      part.hidden = !found;
      part.open = wanted.words.length > 0 && found > 0 && found < 30;
    }
    panel.hidden = rows.length ? !shown : !fits || wanted.words.some((word) => !about.includes(word));
    return shown;
  };
  const filterHeat = ({ table, head, lines, rows }, wanted) => {
    const titles = head.map(words);
    const taskFits = head.map((header) => !wanted.task || header.dataset.task === wanted.task);
    const columnShown = head.map(() => false);
    for (const { row, text } of rows) {
      const fits = titles.map((title, place) => taskFits[place] && wanted.words.every((word) => text.includes(word) || title.includes(word)));
      row.hidden = !wanted.kinds.has(row.dataset.kind) || !fits.includes(true);
      if (!row.hidden) fits.forEach((fit, place) => { columnShown[place] ||= fit; });
    }
    for (const line of lines) {
      if (line.className === "group") {
        line.hidden = !all("tr[data-kind]:not([hidden])", line.parentElement).length;
        continue;
      }
      columnShown.forEach((shown, place) => { if (line.cells[place + 1]) line.cells[place + 1].hidden = !shown; });
    }
    table.parentElement.hidden = !columnShown.includes(true);
    const title = table.parentElement.previousElementSibling;
    if (title && title.tagName === "H3") title.hidden = table.parentElement.hidden;
  };
  const filter = () => {
    const wanted = {
      words: $("find").value.toLowerCase().split(/\s+/).filter(Boolean), task: $("task").value, metric: $("metric").value,
      kinds: new Set(all(".kind:checked").map((box) => box.value)),
    };
    const shown = panels.reduce((sum, panel) => sum + filterPanel(panel, wanted), 0);
    heats.forEach((heat) => filterHeat(heat, wanted));
    const total = panels.reduce((sum, panel) => sum + panel.rows.length, 0);
    $("count").textContent = `${shown.toLocaleString("en")} of ${total.toLocaleString("en")} rows`;
    if ($("nothing")) $("nothing").hidden = shown > 0 || !total;
  };
  const form = $("filters");
  form.hidden = !panels.length;
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());

  // The lines beside a number: at the cell instead of the edge of the window, named, and closed by Escape.
  const place = (cell) => {
    const tip = cell.querySelector(".tip");
    if (!tip.dataset.named) {
      const name = document.createElement("b"), table = cell.closest("table");
      name.textContent = `${cell.parentElement.cells[0].textContent.trim()}: ${table.tHead.rows[0].cells[cell.cellIndex].textContent.trim()}`;
      tip.prepend(name);
      tip.dataset.named = "yes";
    }
    const at = cell.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(at.left, 8), document.documentElement.clientWidth - size.width - 8);
    const below = at.bottom + 6 + size.height < innerHeight;
    Object.assign(tip.style, { left: `${left}px`, right: "auto", bottom: "auto", margin: "0",
                               top: `${below ? at.bottom + 4 : Math.max(at.top - size.height - 4, 4)}px` });
  };
  const helped = (target) => target instanceof Element && target.closest("td[tabindex]");
  for (const kind of ["mouseover", "focusin"]) {
    document.addEventListener(kind, (event) => { const cell = helped(event.target); if (cell) place(cell); });
  }
  for (const kind of ["mouseout", "focusout"]) {
    document.addEventListener(kind, (event) => { const cell = helped(event.target); if (cell) cell.classList.remove("quiet"); });
  }

  // Arrow keys move between the numbers of a table, which is one stop of the tabulator key.
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const move = (cell, [down, right]) => {
    const rows = all("tr[data-kind]:not([hidden])", cell.closest("table"));
    let row = rows.indexOf(cell.parentElement), column = cell.cellIndex;
    for (;;) {
      row += down;
      column += right;
      const next = rows[row] && rows[row].cells[column];
      if (!next || column < 1) return;
      if (next.tabIndex === -1 && next.hasAttribute("tabindex") && !next.hidden) {
        cell.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
        return;
      }
    }
  };
  for (const { table } of heats) all("td[tabindex]", table).slice(1).forEach((cell) => { cell.tabIndex = -1; });
  document.addEventListener("keydown", (event) => {
    const cell = helped(document.activeElement);
    if (event.key === "Escape") all("td:hover, td:focus").forEach((each) => each.classList.add("quiet"));
    if (cell && steps[event.key]) {
      event.preventDefault();
      move(cell, steps[event.key]);
    }
  });

  // Closed parts are printed too, and closed again afterwards.
  let opened = [];
  addEventListener("beforeprint", () => { opened = all("details:not([open])"); opened.forEach((part) => { part.open = true; }); });
  addEventListener("afterprint", () => opened.forEach((part) => { part.open = false; }));

  filter();
})();
