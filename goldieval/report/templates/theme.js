"use strict";
(() => {
  // The theme: that of the system, or the reader's choice, which the browser remembers where it may.
  const theme = document.getElementById("theme"), themes = ["system", "light", "dark"];
  const remembered = (choice) => {
    try {
      if (choice) localStorage.setItem("goldieval-theme", choice);
      return localStorage.getItem("goldieval-theme");
    } catch {
      return null;
    }
  };
  const use = (choice) => {
    const name = themes.includes(choice) ? choice : "system";
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    theme.textContent = `Theme: ${name}`;
    theme.value = name;
  };
  use(remembered());
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(theme.value) + 1) % themes.length];
    use(next);
    remembered(next);
  });
})();
