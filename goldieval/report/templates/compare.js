"use strict";
(() => {
  document.querySelectorAll("form.filters").forEach((form) => {
    const cards = [...document.getElementById(form.dataset.of).children];
    const given = (name) => (form.elements[name] ? form.elements[name].value : "");
    const fits = (data) => {
      const least = given("least"), most = given("most");
      return (!given("what") || data.what === given("what"))
        && (!given("direction") || data.direction === given("direction"))
        && (!given("stratum") || data.strata.split(" ").includes(given("stratum")))
        && (!given("cut") || data.cut === given("cut"))
        && (least === "" || Number(data.words) >= Number(least))
        && (most === "" || Number(data.words) <= Number(most));
    };
    const filter = () => {
      let shown = 0;
      cards.forEach((card) => {
        card.hidden = !fits(card.dataset);
        shown += !card.hidden;
      });
      form.querySelector("output").textContent = `${shown} of ${cards.length}`;
    };
    form.hidden = false;
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    filter();
  });
})();
