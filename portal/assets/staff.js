// What the pages of staff do beyond plain HTML. Everything here is a comfort: without it each page still works.
"use strict";
(() => {
  // A list whose rows are gone through with j and k and opened with Enter. The keys count only while the list has the
  // focus or nothing has, and the box above turns them off for good.
  const list = document.querySelector("[data-list]");
  const box = document.getElementById("shortcuts");
  if (!list || !box) return;
  const links = [...list.querySelectorAll("[data-row]")];
  let on = true;
  try { on = localStorage.getItem("concord-shortcuts") !== "off"; } catch { /* not kept, then */ }
  box.checked = on;
  box.closest("[data-shortcuts]").hidden = false;
  box.addEventListener("change", () => {
    on = box.checked;
    try { localStorage.setItem("concord-shortcuts", on ? "on" : "off"); } catch { /* not kept, then */ }
  });
  const here = () => links.indexOf(document.activeElement);
  document.addEventListener("keydown", (event) => {
    const free = document.activeElement === document.body || document.activeElement === document.getElementById("main") || list.contains(document.activeElement);
    if (!on || !free || event.ctrlKey || event.altKey || event.metaKey || (event.key !== "j" && event.key !== "k")) return;
    const next = event.key === "j" ? Math.min(here() + 1, links.length - 1) : Math.max(here() - 1, 0);
    links[next]?.focus();
    list.querySelectorAll("[data-current]").forEach((row) => row.removeAttribute("data-current"));
    links[next]?.closest("tr").setAttribute("data-current", "");
    event.preventDefault();
  });
})();
