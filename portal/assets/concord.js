// What the pages do beyond plain HTML. Everything here is a comfort: without it each page still works.
"use strict";
(() => {
  const warnBefore = 120; // seconds

  // A session that is about to end asks whether somebody is still there, and leaves the page when it has ended, so that
  // nothing stays on a screen nobody watches.
  let ends = Number(document.body.dataset.ends || 0) * 1000 + Date.now();
  if (document.body.dataset.ends) {
    const dialog = document.getElementById("ending");
    setInterval(() => {
      const left = ends - Date.now();
      if (left <= 0) location.assign(location.pathname);
      else if (left < warnBefore * 1000 && dialog && !dialog.open) dialog.showModal();
    }, 1000);
    dialog?.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const answer = await fetch("/session/stay", { method: "POST", headers: { "HX-Request": "true" } });
      if (!answer.ok) { location.assign(location.pathname); return; }
      ends = Date.now() + (await answer.json()).ends * 1000;
      dialog.close();
    });
  }

  // A form that came back with faults: the summary is read first.
  document.getElementById("faults")?.focus();

  // Buttons that print.
  document.querySelectorAll("[data-print]").forEach((b) => { b.hidden = false; b.addEventListener("click", () => window.print()); });

  // Links that wait for sites where there is no script lead to the page that shows them as they answer.
  document.querySelectorAll("a[data-quick]").forEach((a) => { a.href = a.dataset.quick; });

  // Buttons that copy, where the browser can.
  document.querySelectorAll("[data-copy]").forEach((b) => {
    if (!navigator.clipboard) return;
    b.hidden = false;
    b.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(b.dataset.copy).textContent);
      const said = b.parentElement.querySelector("[data-copied]");
      if (said) said.hidden = false;
    });
  });

  // Live progress of the sites that are being asked.
  document.querySelectorAll("[data-progress]").forEach((strip) => {
    const into = (id) => (event) => { const e = document.getElementById(id); if (e) e.innerHTML = event.data; };
    into("more")({ data: "" });
    const source = new EventSource(strip.dataset.progress);
    source.addEventListener("sites", (event) => { strip.innerHTML = event.data; });
    source.addEventListener("answered", into("answered"));
    source.addEventListener("arrived", into("more"));
    source.addEventListener("done", (event) => { source.close(); into("more")(event); });
    source.onerror = () => source.close();
  });
})();
