// Draws the charts of pages with uPlot, from what stands in data-chart. A comfort: each page says the same in a table.
"use strict";
(() => {
  const paper = 620; // CSS pixels that A4 and Letter have between margins of 18 mm
  const colours = ["#12704a", "#a3182d", "#8a5a00", "#2b4c9b", "#47595e"];
  const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [1, 5]];
  const language = document.documentElement.lang;
  const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
  const day = new Intl.DateTimeFormat(language, { month: "numeric", day: "numeric", timeZone: "UTC" });
  const numeral = new Intl.NumberFormat(language);
  document.querySelectorAll("[data-chart]").forEach((place) => {
    const chart = JSON.parse(place.dataset.chart);
    const days = chart.times.length > 1 && chart.times[1] - chart.times[0] >= 86400;
    const width = () => Math.max(place.clientWidth, 200);
    const plot = new uPlot({
      width: width(), height: 220, legend: { show: false }, cursor: { show: false },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [
        { values: (_, ticks) => ticks.map((at) => (days ? day : clock).format(new Date(at * 1000))) },
        { label: chart.unit, labelSize: 24, size: 56, values: (_, ticks) => ticks.map((n) => numeral.format(n)) },
      ],
      series: [{}, ...chart.names.map((name, i) => ({ label: name, stroke: colours[i], dash: dashes[i], width: 2, spanGaps: false, points: { size: 4 } }))],
    }, [chart.times, ...chart.values], place);
    addEventListener("resize", () => plot.setSize({ width: width(), height: 220 }));
    // On paper a chart is as wide as the paper, whatever the window was.
    addEventListener("beforeprint", () => plot.setSize({ width: paper, height: 220 }));
    addEventListener("afterprint", () => plot.setSize({ width: width(), height: 220 }));
  });
  // Paper cannot be opened: the figures of a chart are printed with it.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details[data-figures]:not([open])")];
    opened.forEach((d) => { d.open = true; });
  });
  addEventListener("afterprint", () => { opened.forEach((d) => { d.open = false; }); opened = []; });
})();
