// The results browser: filters, a sortable table, and a run's scores with a movable threshold, by scores.js.
// rows.js calls adlibResults, study-NAME.js calls adlibStudy; a study is loaded when one of its runs is first opened.
"use strict";

(() => {
  const { element, percent, thresholdView, inOrder, sortByHeadings, openable } = adlibScores;
  const FILTERS = [["dataset", "data set"], ["category", "category"], ["method", "method"], ["backbone", "backbone"], ["shots", "shots"]];
  const SHOWN = [
    ["dataset", "data set"], ["category", "category"], ["method", "method"], ["backbone", "backbone"], ["shots", "shots"],
    ["seed", "seed"], ["image_auroc", "image AUROC"], ["image_ap", "image AP"], ["image_f1max", "image F1-max"],
    ["pixel_auroc", "pixel AUROC"], ["aupro", "AUPRO"], ["published", "published"],
  ];
  const NUMBERS = new Set(["seed", "image_auroc", "image_ap", "image_f1max", "pixel_auroc", "aupro", "published"]);
  const PAGE = 50; // lines shown at first, and added by each 'more'
  const base = document.currentScript.src.replace(/[^/]*$/, "");
  const studies = {}; // name -> promise of its details
  const waiting = {}; // name -> what fulfils the promise
  let runs = [], sorted = "dataset", downwards = false, limit = PAGE;

  const shotsText = (shots) => (shots === null ? "all" : String(shots));

  // ---- the table ----

  window.adlibResults = ({ columns, rows }) => {
    runs = rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));
    const root = document.getElementById("runs");
    const filters = element("div", { class: "filters" });
    for (const [name, label] of FILTERS) filters.append(element("label", {}, `${label} `, select(name)));
    const table = element("table", {}, element("thead", {}, element("tr")), element("tbody"));
    const more = element("button", { class: "more btn btn-sm btn-outline-primary", onclick: () => { limit += PAGE; fill(); } }, "more lines");
    root.replaceChildren(filters, element("p", { class: "count", "aria-live": "polite" }), element("div", { class: "scroll" }, table), more);
    const headings = SHOWN.map(([name, label]) => element("th", { "data-column": name }, label));
    table.tHead.rows[0].append(...headings);
    const sort = (column, down) => { [sorted, downwards] = [SHOWN[column][0], down]; fill(); };
    sortByHeadings(headings, (column) => NUMBERS.has(SHOWN[column][0]), sort, SHOWN.findIndex(([name]) => name === sorted));
    fill();
  };

  function select(name) {
    const values = [...new Set(runs.map((run) => (name === "shots" ? shotsText(run.shots) : run[name])))];
    values.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const options = ["", ...values].map((value) => element("option", { value }, value || "any"));
    return element("select", { "data-filter": name, onchange: () => { limit = PAGE; fill(); } }, ...options);
  }

  function chosen() {
    const wanted = [...document.querySelectorAll("#runs select")].filter((s) => s.value).map((s) => [s.dataset.filter, s.value]);
    const kept = runs.filter((run) => wanted.every(([name, value]) => (name === "shots" ? shotsText(run.shots) : run[name]) === value));
    return inOrder(kept, (run) => (sorted === "shots" ? run.shots ?? Infinity : run[sorted]), downwards);
  }

  function fill() {
    const root = document.getElementById("runs"), found = chosen();
    root.querySelector(".count").textContent = `${found.length} of ${runs.length} runs; metrics in percent`;
    root.querySelector("tbody").replaceChildren(...found.slice(0, limit).map(line));
    root.querySelector(".more").hidden = found.length <= limit;
  }

  function line(run) {
    const cells = SHOWN.map(([name]) => element("td", NUMBERS.has(name) ? { class: "number" } : {}, cellText(run, name)));
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
    box.textContent = "loading";
    try {
      const detail = (await study(run.study))[run.run];
      box.replaceChildren(thresholdView(detail), ...publishedView(run, detail), protocolView(run, detail));
    } catch {
      box.textContent = `The file of the study ${run.study} could not be loaded.`;
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
    const head = ["metric", "category", "published", `this run, ${run.category}`, "variant", "source"];
    return [
      element("h4", {}, "Published"),
      element("p", {}, "Percent; the same method, data set and number of shots. 'mean' is over all categories of the data set, this run is of one. Networks and settings may differ: ", element("code", {}, "adlib report --paper"), " says in words what does."),
      element("div", { class: "published" }, tableOf(head, rows)),
    ];
  }

  function tableOf(head, rows) {
    const cells = (tag, values) => element("tr", {}, ...values.map((value) => element(tag, {}, String(value))));
    return element("table", {}, element("thead", {}, cells("th", head)), element("tbody", {}, ...rows.map((row) => cells("td", row))));
  }

  function protocolView(run, detail) {
    const { options, ...protocol } = detail.protocol;
    const all = { run: run.run, study: `results/${run.study}`, "good images learned from": detail.references, ...protocol, ...options, ...detail.seconds };
    const rows = Object.entries(all).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]);
    return element("details", {}, element("summary", {}, "Protocol"), element("div", { class: "published" }, tableOf(["field", "value"], rows)));
  }
})();
