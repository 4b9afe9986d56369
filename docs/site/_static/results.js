// The results browser: filters, a sortable table, and a run's scores with a movable threshold, by scores.js.
// words.js calls adlibWords with the page's language, rows.js calls adlibResults, study-NAME.js calls adlibStudy; a study
// is loaded when one of its runs is first opened.
"use strict";

(() => {
  const { element, percent, say, filled, thresholdView, inOrder, sortByHeadings, openable } = adlibScores;
  const filters = () => [["dataset", say("data set")], ["category", say("category")], ["method", say("method")], ["backbone", say("backbone")], ["shots", say("shots")]];
  const shown = () => [
    ...filters(), ["seed", say("seed")], ["image_auroc", say("image AUROC")], ["image_ap", say("image AP")], ["image_f1max", say("image F1-max")],
    ["pixel_auroc", say("pixel AUROC")], ["aupro", say("AUPRO")], ["published", say("published")],
  ];
  const NUMBERS = new Set(["seed", "image_auroc", "image_ap", "image_f1max", "pixel_auroc", "aupro", "published"]);
  const PAGE = 50; // lines shown at first, and added by each 'more'
  const base = document.currentScript.src.replace(/[^/]*$/, "");
  const studies = {}; // name -> promise of its details
  const waiting = {}; // name -> what fulfils the promise
  let runs = [], sorted = "dataset", downwards = false, limit = PAGE;

  const shotsText = (shots) => (shots === null ? say("all") : String(shots));

  window.adlibWords = adlibScores.speak;

  // ---- the table ----

  window.adlibResults = ({ columns, rows }) => {
    runs = rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));
    const root = document.getElementById("runs");
    const choices = element("div", { class: "filters" }), columnsShown = shown();
    for (const [name, label] of filters()) choices.append(element("label", {}, `${label} `, select(name)));
    const table = element("table", {}, element("thead", {}, element("tr")), element("tbody"));
    const more = element("button", { class: "more btn btn-sm btn-outline-primary", onclick: () => { limit += PAGE; fill(); } }, say("more lines"));
    root.replaceChildren(choices, element("p", { class: "count", "aria-live": "polite" }), element("div", { class: "scroll" }, table), more);
    const headings = columnsShown.map(([name, label]) => element("th", { "data-column": name }, label));
    table.tHead.rows[0].append(...headings);
    const sort = (column, down) => { [sorted, downwards] = [columnsShown[column][0], down]; fill(); };
    sortByHeadings(headings, (column) => NUMBERS.has(columnsShown[column][0]), sort, columnsShown.findIndex(([name]) => name === sorted));
    fill();
  };

  function select(name) {
    const values = [...new Set(runs.map((run) => (name === "shots" ? shotsText(run.shots) : run[name])))];
    values.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const options = ["", ...values].map((value) => element("option", { value }, value || say("any")));
    return element("select", { "data-filter": name, onchange: () => { limit = PAGE; fill(); } }, ...options);
  }

  function chosen() {
    const wanted = [...document.querySelectorAll("#runs select")].filter((s) => s.value).map((s) => [s.dataset.filter, s.value]);
    const kept = runs.filter((run) => wanted.every(([name, value]) => (name === "shots" ? shotsText(run.shots) : run[name]) === value));
    return inOrder(kept, (run) => (sorted === "shots" ? run.shots ?? Infinity : run[sorted]), downwards);
  }

  function fill() {
    const root = document.getElementById("runs"), found = chosen();
    root.querySelector(".count").textContent = filled(say("{shown} of {all} runs; metrics in percent"), { shown: found.length, all: runs.length });
    root.querySelector("tbody").replaceChildren(...found.slice(0, limit).map(line));
    root.querySelector(".more").hidden = found.length <= limit;
  }

  function line(run) {
    const cells = shown().map(([name]) => element("td", NUMBERS.has(name) ? { class: "number" } : {}, cellText(run, name)));
    const made = element("tr", { "data-run": run.run });
    made.append(...cells);
    openable(made, (box) => fillDetail(box, run));
    return made;
  }

  function cellText(run, name) {
    if (name === "shots") return shotsText(run.shots);
    if (name === "seed") return String(run.seed);
    if (name === "published") return run.published ? String(run.published) : "";
    return NUMBERS.has(name) ? percent(run[name]) : run[name];
  }

  // ---- one run ----

  async function fillDetail(box, run) {
    box.textContent = say("loading");
    try {
      const detail = (await study(run.study))[run.run];
      box.replaceChildren(thresholdView(detail), ...publishedView(run, detail), protocolView(run, detail));
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
