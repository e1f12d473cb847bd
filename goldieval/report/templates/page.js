"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const body = $("board").tBodies[0];
  const rows = [...body.rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());

  // What was measured under another setting is another group: rows are sorted inside of groups, never across.
  const places = new Map();
  rows.forEach((row) => places.has(row.dataset.group) || places.set(row.dataset.group, places.size));
  const heads = () => {
    body.querySelectorAll("tr.group").forEach((head) => head.remove());
    let last = null;
    [...body.rows].filter((row) => !row.hidden).forEach((row) => {
      if (row.dataset.group !== last) {
        last = row.dataset.group;
        const head = document.createElement("tr"), cell = document.createElement("th");
        head.className = "group";
        cell.colSpan = row.cells.length;
        cell.textContent = last;
        head.append(cell);
        row.before(head);
      }
    });
  };

  const filter = () => {
    const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const task = $("task").value, metric = $("metric").value;
    const kinds = new Set([...document.querySelectorAll(".kind:checked")].map((box) => box.value));
    let shown = 0;
    rows.forEach((row, place) => {
      const data = row.dataset;
      const fits = kinds.has(data.kind) && (!task || data.task === task)
        && (!metric || (metric === "headline" ? "headline" in data : data.metric === metric))
        && words.every((word) => texts[place].includes(word));
      row.hidden = !fits;
      shown += fits;
    });
    $("count").textContent = `${shown} of ${rows.length}`;
    heads();
  };

  const value = (row, column, kind) => {
    const cell = row.cells[column];
    return kind === "number" ? (cell.dataset.v === "" ? -Infinity : Number(cell.dataset.v)) : cell.textContent.toLowerCase();
  };
  const sort = (header) => {
    const column = header.cellIndex, kind = header.dataset.sort;
    const first = kind === "number" ? "descending" : "ascending", other = kind === "number" ? "ascending" : "descending";
    const order = header.getAttribute("aria-sort") === first ? other : first;
    document.querySelectorAll("#board th").forEach((each) => each.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    [...rows].sort((a, b) => {
      const group = places.get(a.dataset.group) - places.get(b.dataset.group);
      if (group) return group;
      const x = value(a, column, kind), y = value(b, column, kind);
      return x < y ? -sign : x > y ? sign : 0;
    }).forEach((row) => body.append(row));
    heads();
  };

  const open = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  };

  $("filters").addEventListener("input", filter);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  document.querySelectorAll("#board th[data-sort]").forEach((header) =>
    header.addEventListener("click", () => sort(header)));
  addEventListener("hashchange", open);
  filter();
  open();
})();
