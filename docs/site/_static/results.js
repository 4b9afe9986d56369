// The results browser: filters, a sortable table, and a run's scores with a movable threshold.
// words.js calls adlibWords with the page's language, rows.js calls adlibResults, study-NAME.js calls adlibStudy; a study
// is loaded when one of its runs is first opened.
"use strict";

(() => {
  let words = {}; // English -> the page's language, filled by words.js
  const say = (text) => words[text] ?? text;
  const filters = () => [["dataset", say("data set")], ["category", say("category")], ["method", say("method")], ["backbone", say("backbone")], ["shots", say("shots")]];
  const headings = () => [
    ...filters(), ["seed", say("seed")], ["image_auroc", say("image AUROC")], ["image_ap", say("image AP")], ["image_f1max", say("image F1-max")],
    ["pixel_auroc", say("pixel AUROC")], ["aupro", say("AUPRO")], ["published", say("published")],
  ];
  const NUMBERS = new Set(["seed", "image_auroc", "image_ap", "image_f1max", "pixel_auroc", "aupro", "published"]);
  const PAGE = 50; // lines shown at first, and added by each 'more'
  const BINS = 40;
  const base = document.currentScript.src.replace(/[^/]*$/, "");
  const studies = {}; // name -> promise of its details
  const waiting = {}; // name -> what fulfils the promise
  let runs = [], sorted = "dataset", downwards = false, limit = PAGE;

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  function drawn(tag, attributes, text = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  }

  const percent = (value) => (value === null || Number.isNaN(value) ? "–" : (100 * value).toFixed(1));
  const shotsText = (shots) => (shots === null ? say("all") : String(shots));
  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  window.adlibWords = (given) => { words = given; };

  // ---- the table ----

  window.adlibResults = ({ columns, rows }) => {
    runs = rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));
    const root = document.getElementById("runs");
    const choices = element("div", { class: "filters" });
    for (const [name, label] of filters()) choices.append(element("label", {}, `${label} `, select(name)));
    const table = element("table", {}, element("thead", {}, element("tr")), element("tbody"));
    const more = element("button", { class: "more btn btn-sm btn-outline-primary", onclick: () => { limit += PAGE; fill(); } }, say("more lines"));
    root.replaceChildren(choices, element("p", { class: "count", "aria-live": "polite" }), element("div", { class: "scroll" }, table), more);
    for (const [name, label] of headings()) {
      table.tHead.rows[0].append(element("th", { "data-column": name }, element("button", { onclick: () => sortBy(name) }, label)));
    }
    fill();
  };

  function select(name) {
    const values = [...new Set(runs.map((run) => (name === "shots" ? shotsText(run.shots) : run[name])))];
    values.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const options = ["", ...values].map((value) => element("option", { value }, value || say("any")));
    return element("select", { "data-filter": name, onchange: () => { limit = PAGE; fill(); } }, ...options);
  }

  function sortBy(name) {
    downwards = sorted === name ? !downwards : NUMBERS.has(name);
    sorted = name;
    fill();
  }

  function compare(a, b) {
    const [left, right] = [a[sorted], b[sorted]];
    if (sorted === "shots") return (left ?? Infinity) === (right ?? Infinity) ? 0 : (left ?? Infinity) - (right ?? Infinity);
    return typeof left === "string" ? left.localeCompare(right) : left - right;
  }

  function chosen() {
    const wanted = [...document.querySelectorAll("#runs select")].filter((s) => s.value).map((s) => [s.dataset.filter, s.value]);
    const kept = runs.filter((run) => wanted.every(([name, value]) => (name === "shots" ? shotsText(run.shots) : run[name]) === value));
    // Lines without the value come last, whichever the direction.
    const known = (run) => sorted === "shots" || run[sorted] !== null;
    const there = kept.filter(known).sort((a, b) => (downwards ? -1 : 1) * compare(a, b));
    return [...there, ...kept.filter((run) => !known(run))];
  }

  function fill() {
    const root = document.getElementById("runs"), found = chosen();
    root.querySelector(".count").textContent = filled(say("{shown} of {all} runs; metrics in percent"), { shown: found.length, all: runs.length });
    for (const th of root.querySelectorAll("th")) {
      const now = th.dataset.column === sorted;
      th.setAttribute("aria-sort", now ? (downwards ? "descending" : "ascending") : "none");
      th.firstChild.textContent = headings().find(([name]) => name === th.dataset.column)[1] + (now ? (downwards ? " ▾" : " ▴") : "");
    }
    root.querySelector("tbody").replaceChildren(...found.slice(0, limit).map(line));
    root.querySelector(".more").hidden = found.length <= limit;
  }

  function line(run) {
    const cells = headings().map(([name]) => element("td", NUMBERS.has(name) ? { class: "number" } : {}, cellText(run, name)));
    const made = element("tr", { class: "run", tabindex: "0", "aria-expanded": "false", "data-run": run.run });
    made.append(...cells);
    made.addEventListener("click", () => toggle(made, run));
    made.addEventListener("keydown", (event) => { if (event.key === "Enter") toggle(made, run); });
    return made;
  }

  function cellText(run, name) {
    if (name === "shots") return shotsText(run.shots);
    if (name === "seed") return String(run.seed);
    if (name === "published") return run.published ? String(run.published) : "";
    return NUMBERS.has(name) ? percent(run[name]) : run[name];
  }

  // ---- one run ----

  async function toggle(row, run) {
    const open = row.classList.toggle("open");
    row.setAttribute("aria-expanded", String(open));
    if (!open) return row.nextElementSibling?.classList.contains("detail") && row.nextElementSibling.remove();
    const box = element("div", { class: "box" }, say("loading"));
    row.after(element("tr", { class: "detail" }, element("td", { colspan: headings().length }, box)));
    try {
      const detail = (await study(run.study))[run.run];
      box.replaceChildren(...thresholdView(detail), ...publishedView(run, detail), protocolView(run, detail));
    } catch {
      box.textContent = filled(say("The file of the study {study} could not be loaded."), run);
    }
  }

  window.adlibStudy = (name, details) => waiting[name](details);

  function study(name) {
    studies[name] ??= new Promise((fulfil, reject) => {
      waiting[name] = fulfil;
      document.head.append(element("script", { src: `${base}results/study-${name.replaceAll("/", "-")}.js`, onerror: reject }));
    });
    return studies[name];
  }

  // Defective is what scores above the threshold, as `adlib.evaluation.decide` has it.
  function ratesAt({ good, defective }, threshold) {
    const alarms = good.filter((score) => score > threshold).length, found = defective.filter((score) => score > threshold).length;
    const fraction = (part, whole) => (whole ? part / whole : NaN);
    return {
      "false alarms": fraction(alarms, good.length),
      recall: fraction(found, defective.length),
      precision: fraction(found, found + alarms),
      accuracy: fraction(found + good.length - alarms, good.length + defective.length),
      F1: fraction(2 * found, found + alarms + defective.length),
    };
  }

  function oracle(detail) { // the highest threshold with the best F1 on these test images
    const scores = [...new Set([...detail.good, ...detail.defective])].sort((a, b) => b - a);
    let best = [-1, scores[0]];
    for (const score of scores) {
      const { F1 } = ratesAt(detail, score);
      if (F1 > best[0]) best = [F1, score];
    }
    return best[1];
  }

  function thresholdView(detail) {
    const all = [...detail.good, ...detail.defective], low = Math.min(...all), high = Math.max(...all), stored = detail.threshold.value;
    if (!all.length) return [];
    const span = high - low || 1, start = stored ?? oracle(detail), margin = 0.02 * span;
    const [first, last] = [Math.min(low, start) - margin, Math.max(high, start) + margin];
    const slider = element("input", { type: "range", min: first, max: last, step: (last - first) / 1000, "aria-label": say("threshold") });
    const rateNames = { "false alarms": say("false alarms"), recall: say("recall"), precision: say("precision"), accuracy: say("accuracy"), F1: "F1" };
    const rates = element("div", { class: "rates", "aria-live": "polite" }), histogram = histogramOf(detail, first, last);
    const show = (threshold) => {
      histogram.move(threshold);
      const shown = Object.entries(ratesAt(detail, threshold)).map(([name, value]) => element("span", { "data-rate": name }, `${rateNames[name]} ${percent(value)}%`));
      rates.replaceChildren(element("b", {}, `${say("threshold")} ${threshold.toPrecision(4)}`), ...shown);
    };
    const reset = () => { slider.value = start; show(start); }; // exactly the stored value, not the nearest step
    slider.addEventListener("input", () => show(Number(slider.value)));
    reset();
    const { method, source, false_alarm_rate: rate } = detail.threshold;
    const says = stored === null ? say("It starts at F1-max's threshold, chosen on these test images: an upper bound.")
      : filled(say("It starts at the stored threshold: {method}, promised false alarms {rate}%, from {source}."), { method, source, rate: percent(rate) });
    const key = (name, label, count) => element("span", {}, swatch(name), `${count} ${label}`);
    return [
      element("div", { class: "rates" }, key("good", say("good"), detail.good.length), key("defective", say("defective"), detail.defective.length)),
      histogram.svg, slider, rates,
      element("p", {}, `${says} `, element("button", { class: "btn btn-sm btn-outline-primary", onclick: reset }, say("back to it"))),
    ];
  }

  const swatch = (name) => element("span", { class: "key", style: `background: var(--${name}); opacity: .7` });

  function histogramOf(detail, first, last) {
    const width = 640, height = 180, foot = 24, svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": say("histogram of image scores") });
    const x = (score) => ((score - first) / (last - first)) * width;
    const counts = Object.fromEntries(["good", "defective"].map((name) => [name, binned(detail[name], first, last)]));
    const most = Math.max(...counts.good, ...counts.defective, 1);
    for (const [name, bins] of Object.entries(counts)) {
      bins.forEach((count, i) => {
        const tall = (count / most) * (height - foot - 8);
        svg.append(drawn("rect", { class: name, x: (i * width) / BINS, width: width / BINS - 1, y: height - foot - tall, height: tall }));
      });
    }
    svg.append(drawn("text", { x: 0, y: height - 5 }, first.toPrecision(3)));
    svg.append(drawn("text", { x: width, y: height - 5, "text-anchor": "end" }, last.toPrecision(3)));
    const mark = svg.appendChild(drawn("line", { class: "line", y1: 0, y2: height - foot }));
    return { svg, move: (threshold) => { mark.setAttribute("x1", x(threshold)); mark.setAttribute("x2", x(threshold)); } };
  }

  function binned(scores, first, last) {
    const bins = new Array(BINS).fill(0);
    for (const score of scores) bins[Math.min(BINS - 1, Math.floor(((score - first) / (last - first)) * BINS))] += 1;
    return bins;
  }

  function publishedView(run, { published }) {
    if (!published.length) return [];
    const rows = published.map((p) => [p.metric.replace("_", " "), p.category, p.std === null ? p.value : `${p.value} ± ${p.std}`, p.ours ?? "–", p.variant, p.source]);
    const head = [say("metric"), say("category"), say("published"), filled(say("this run, {category}"), run), say("variant"), say("source")];
    return [
      element("h4", {}, say("Published")),
      element("p", {}, say("Percent; the same method, data set and number of shots. 'mean' is over all categories of the data set, this run is of one. Networks and settings may differ; what does differ is printed by:"), " ", element("code", {}, "adlib report --paper")),
      element("div", { class: "published" }, tableOf(head, rows)),
    ];
  }

  function tableOf(head, rows) {
    const cells = (tag, values) => element("tr", {}, ...values.map((value) => element(tag, {}, String(value))));
    return element("table", {}, element("thead", {}, cells("th", head)), element("tbody", {}, ...rows.map((row) => cells("td", row))));
  }

  function protocolView(run, detail) {
    const { options, ...protocol } = detail.protocol;
    const all = { run: run.run, study: `results/${run.study}`, [say("good images learned from")]: detail.references, ...protocol, ...options, ...detail.seconds };
    const rows = Object.entries(all).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]);
    return element("details", {}, element("summary", {}, say("Protocol")), element("div", { class: "published" }, tableOf([say("field"), say("value")], rows)));
  }
})();
