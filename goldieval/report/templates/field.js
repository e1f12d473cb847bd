"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const DIGITS = 10000, Z95 = 1.959964;
  const [MODEL, VALUE, LOW, HIGH, ORIGIN, COMPARED, SOURCE, PROTOCOL, NOTE] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const [NAME, ARCHITECTURE, KIND, TRAINED, SIZE, ABOUT] = [0, 1, 2, 3, 4, 5];

  const add = (parent, tag, text = "", name = "") => {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    if (name) made.className = name;
    parent.append(made);
    return made;
  };
  // A browser may break a long name after its separators.
  const addName = (parent, tag, text, name = "") => {
    const made = add(parent, tag, "", name);
    text.split(/(?<=[_/:@.+=-])(?=[^_/:@.+=-])/).forEach((part, place) => {
      if (place) made.append(document.createElement("wbr"));
      made.append(part);
    });
    return made;
  };
  const text = (column, number) => (number / DIGITS * column.scale).toFixed(column.digits);
  const ends = (column, each) => (each[LOW] === null ? "" : `${text(column, each[LOW])}–${text(column, each[HIGH])}`);
  const checked = (id) => new Set([...$(id).querySelectorAll("input:checked")].map((box) => box.value));

  let allowed = () => true;
  const readFilters = () => {
    const sizes = checked("sizes"), kinds = checked("kinds"), origins = checked("origins");
    allowed = (each) => {
      const model = data.models[each[MODEL]];
      return sizes.has(model[SIZE]) && kinds.has(model[KIND]) && origins.has(String(each[ORIGIN]));
    };
  };

  // The leader among the numbers that pass the filters, and which of the others differ from it by more than chance.
  const lead = (column) => {
    const shown = column.numbers.filter(allowed), compared = shown.filter((each) => each[COMPARED]);
    const [best, ...rivals] = compared;
    const error = (each) => (each[HIGH] - each[LOW]) / (2 * Z95);
    const tested = best && best[LOW] !== null ? rivals.filter((each) => each[LOW] !== null) : [];
    const limit = data.quantiles[Math.max(tested.length, 1)];
    const same = tested.filter(
      (each) => Math.abs(best[VALUE] - each[VALUE]) <= limit * Math.hypot(error(best), error(each)),
    );
    return { shown, compared, best, same: new Set(same), untested: rivals.length - tested.length };
  };

  const verdict = (same, tested, untested) => {
    if (same) return `≈ ${same} of ${tested}`;
    if (untested) return tested ? `▲ leads ${tested} tested` : "not known";
    return "▲ leads alone";
  };

  const fits = (column, words) => {
    const found = [column.title, column.task, column.group, ...column.numbers.filter(allowed).map((each) => {
      const model = data.models[each[MODEL]];
      return `${model[NAME]} ${model[TRAINED]}`;
    })].join("\n").toLowerCase();
    return words.every((word) => found.includes(word));
  };

  const overview = () => {
    const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean), body = $("overview");
    body.replaceChildren();
    let group = null, sets = 0, numbers = 0;
    data.columns.forEach((column, place) => {
      if (!column.main && !$("parts").checked) return;
      const { compared, best, same, untested } = lead(column);
      if (compared.length < 2 || !fits(column, words)) return;
      if (column.group !== group) {
        group = column.group;
        const heading = add(add(body, "tr", "", "heading"), "th", group);
        heading.colSpan = 5;
      }
      sets += 1;
      numbers += compared.length;
      const row = add(body, "tr"), head = add(row, "th");
      head.scope = "row";
      const button = addName(head, "button", column.title);
      button.type = "button";
      button.addEventListener("click", () => show(place, true));
      addName(row, "td", data.models[best[MODEL]][NAME]).dataset.label = "best model";
      const rest = {
        score: text(column, best[VALUE]), models: String(compared.length), "cannot be told from the best":
          verdict(same.size, compared.length - 1 - untested, untested),
      };
      Object.entries(rest).forEach(([label, value]) => { add(row, "td", value).dataset.label = label; });
      if (best[LOW] !== null) add(row.cells[2], "small", ` (${ends(column, best)})`);
    });
    $("count").textContent = `${sets} sets, ${numbers.toLocaleString("en")} numbers compared`;
  };

  let current = 0;
  const show = (place, jump = false) => {
    current = place;
    const column = data.columns[place], { shown, compared, best, same, untested } = lead(column);
    $("set").hidden = false;
    $("set-head").textContent = column.title;
    $("choice").value = String(place);
    const facts = [`Protocol: ${data.texts[column.protocol] || "not stated"}.`];
    if (column.n) facts.push(`n ${column.n.toLocaleString("en")}.`);
    if (data.texts[column.note]) facts.push(`Intervals ${data.texts[column.note]}.`);
    if (best) facts.push(`${same.size} of ${compared.length - 1 - untested} models cannot be told from the best${untested ? `; ${untested} could not be tested` : ""}.`);
    $("facts").textContent = facts.join(" ");
    const values = shown.flatMap((each) => (each[LOW] === null ? [each[VALUE]] : [each[LOW], each[HIGH]]));
    const low = Math.min(...values), span = Math.max(...values) - low || 1;
    const at = (value) => `${(100 * (value - low)) / span}%`;
    const body = $("numbers");
    body.replaceChildren();
    for (const each of shown) {
      const model = data.models[each[MODEL]];
      const standing = each === best ? "leads" : same.has(each) ? "same" : each[COMPARED] ? "" : "aside";
      const row = add(body, "tr", "", standing), head = add(row, "th");
      head.scope = "row";
      const mark = { leads: "▲ ", same: "≈ " }[standing] || "";
      head.append(mark);
      addName(head, "span", model[NAME]);
      add(head, "small", [model[ARCHITECTURE], model[TRAINED], model[ABOUT]].filter(Boolean).join("; "));
      add(row, "td", text(column, each[VALUE]));
      add(row, "td", ends(column, each));
      const track = add(add(row, "td", "", "drawn"), "div", "", "track");
      if (each[LOW] !== null) {
        const line = add(track, "i");
        line.style.left = at(each[LOW]);
        line.style.width = `${(100 * (each[HIGH] - each[LOW])) / span}%`;
      }
      add(track, "b").style.left = at(each[VALUE]);
      const other = standing === "aside" ? data.texts[each[PROTOCOL]] : "";
      addName(row, "td", [data.texts[each[SOURCE]], other, data.texts[each[NOTE]]].filter(Boolean).join("; "));
    }
    if (jump) $("set").scrollIntoView();
  };

  for (const [place, column] of data.columns.entries()) {
    const option = add($("choice"), "option", `${column.group}: ${column.title}`);
    option.value = String(place);
  }
  const update = () => {
    readFilters();
    overview();
    show(current);
  };
  const first = data.columns.findIndex((column) => column.task === "datacomp-38");
  current = Math.max(first, 0);
  $("choice").addEventListener("change", () => show(Number($("choice").value)));
  $("filters").hidden = false;
  $("filters").addEventListener("input", update);
  $("filters").addEventListener("reset", () => setTimeout(update));
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  update();
})();
