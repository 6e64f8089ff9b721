// Sets the palette before anything is drawn. It stands in a file of its own because the page's policy allows no inline scripts of ours.
(function () {
  var dark = matchMedia("(prefers-color-scheme: dark)");
  function apply() {
    var chosen = "system";
    try {
      chosen = (JSON.parse(localStorage.getItem("codex-remote.settings")) || {}).theme || "system";
    } catch {
      // Nothing that can be read is stored.
    }
    document.documentElement.dataset.theme = chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
  }
  apply();
  dark.addEventListener("change", apply);
  addEventListener("storage", apply);
  addEventListener("codex-settings", apply);
})();
