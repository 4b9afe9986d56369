// Image scores of a run with a movable threshold, tables that sort, and rows that open. The report of a sweep holds this
// file inside; the site's results browser loads it. Scores of a run are { good, defective, threshold } as written by
// adlib/reports/scores.py; nothing here asks a server for anything.
"use strict";

const adlibScores = (() => {
  const BINS = 40, STEPS = 1000, MARGIN = 0.02; // of the histogram, of the slider, and how far it goes beyond the scores

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  function drawn(tag, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  // ---- words ----

  let words = {}; // English -> the page's language, where `speak` gave it
  const say = (text) => words[text] ?? text;
  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const speak = (given) => { words = given; };

  const percent = (value) => (value === null || Number.isNaN(value) ? "–" : (100 * value).toFixed(1));

  // ---- decisions ----

  // Name of a rate -> [part, whole]. Defective is what scores above the threshold, as `adlib.evaluation.decide` has it.
  function ratesAt({ good, defective }, threshold) {
    const alarms = good.filter((score) => score > threshold).length, found = defective.filter((score) => score > threshold).length;
    return {
      "false alarms": [alarms, good.length],
      recall: [found, defective.length],
      precision: [found, found + alarms],
      accuracy: [found + good.length - alarms, good.length + defective.length],
      F1: [2 * found, found + alarms + defective.length],
    };
  }

  // The highest threshold with the best F1 on these images, as `adlib.evaluation.f1max` has it: an oracle. Where that
  // calls every image defective, it is -Infinity.
  function oracle({ good, defective }) {
    const ranked = [...good.map((score) => [score, 0]), ...defective.map((score) => [score, 1])].sort((a, b) => b[0] - a[0]);
    let [best, threshold, found] = [-1, ranked[0]?.[0], 0];
    for (let i = 0; i <= ranked.length; i++) { // with the i highest scores called defective
      const next = i < ranked.length ? ranked[i][0] : -Infinity, F1 = (2 * found) / (i + defective.length);
      if ((i === 0 || next < ranked[i - 1][0]) && F1 > best) [best, threshold] = [F1, next];
      found += i < ranked.length ? ranked[i][1] : 0;
    }
    return threshold;
  }

  function startOf(scores) { // the first threshold, and a sentence on where it comes from
    const { good, defective, threshold } = scores;
    if (threshold) {
      const rate = Number((100 * threshold.false_alarm_rate).toPrecision(6));
      return [threshold.value, filled(say("It starts at the stored threshold, set for {rate}% false alarms ({method}; {source})."), { ...threshold, rate })];
    }
    if (good.length && defective.length) {
      return [oracle(scores), say("No threshold is stored. It starts at that of F1-max, an oracle: chosen on these test images, so the numbers are an upper bound.")];
    }
    return [[...good, ...defective].reduce((a, b) => Math.max(a, b)), say("No threshold is stored, and the test images are of one class. It starts at the highest score.")];
  }

  // ---- the view ----

  // Histogram, slider and rates of a run, as one element.
  function thresholdView(scores) {
    const { good, defective } = scores, all = [...good, ...defective];
    if (!all.length) return element("p", {}, say("There are no test images."));
    const [given, says] = startOf(scores), low = all.reduce((a, b) => Math.min(a, b)), high = all.reduce((a, b) => Math.max(a, b));
    const margin = MARGIN * (high - low || 1), start = Math.max(given, low - margin / 2); // of an oracle below all scores
    const [first, last] = [Math.min(low, start) - margin, Math.max(high, start) + margin];
    const slider = element("input", { type: "range", min: first, max: last, step: (last - first) / STEPS, "aria-label": say("threshold") });
    const rates = element("div", { class: "rates", "aria-live": "polite" }), histogram = histogramOf(scores, first, last);
    const show = (threshold) => {
      histogram.move(threshold);
      slider.setAttribute("aria-valuetext", threshold.toPrecision(4));
      rates.replaceChildren(element("b", {}, `${say("threshold")} ${threshold.toPrecision(4)}`), ...Object.entries(ratesAt(scores, threshold)).map(rate));
    };
    const reset = () => { slider.value = start; show(start); }; // exactly the stored value, not the nearest step
    const pull = (event) => { slider.value = first + (last - first) * (event.offsetX / histogram.svg.clientWidth); show(Number(slider.value)); };
    slider.addEventListener("input", () => show(Number(slider.value)));
    histogram.svg.addEventListener("pointerdown", (event) => { histogram.svg.setPointerCapture(event.pointerId); pull(event); });
    histogram.svg.addEventListener("pointermove", (event) => { if (event.buttons) pull(event); });
    reset();
    const key = (name, label, count) => element("span", {}, element("span", { class: `key ${name}` }), `${count} ${label}`);
    return element("div", { class: "scores" },
      element("div", { class: "rates" }, key("good", say("good"), good.length), key("defective", say("defective"), defective.length)),
      histogram.svg,
      element("div", { class: "axis" }, element("span", {}, first.toPrecision(3)), element("span", {}, filled(say("image score; highest bar: {most}"), histogram)), element("span", {}, last.toPrecision(3))),
      slider, rates,
      element("p", {}, says, " ", element("button", { type: "button", class: "btn btn-sm btn-outline-primary", onclick: reset }, say("back to it"))));
  }

  function rate([name, [part, whole]]) {
    const names = { "false alarms": say("false alarms"), recall: say("recall"), precision: say("precision"), accuracy: say("accuracy") };
    const counts = name === "F1" ? "" : filled(say(" ({part} of {whole})"), { part, whole }); // no `say` in a template: it is not found
    return element("span", { "data-rate": name }, `${names[name] ?? name} ${percent(part / whole)}${whole ? "%" : ""}${counts}`);
  }

  function histogramOf(scores, first, last) {
    const svg = drawn("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", role: "img", "aria-label": say("histogram of image scores") });
    const counts = ["good", "defective"].map((name) => [name, binned(scores[name], first, last)]);
    const most = Math.max(...counts.flatMap(([, bins]) => bins));
    for (const [name, bins] of counts) {
      bins.forEach((count, i) => {
        const tall = (0.95 * count) / most;
        if (count) svg.append(drawn("rect", { class: name, x: i / BINS, width: 0.9 / BINS, y: 1 - tall, height: tall }));
      });
    }
    const mark = svg.appendChild(drawn("line", { y1: 0, y2: 1 }));
    return { svg, most, move: (threshold) => { for (const end of ["x1", "x2"]) mark.setAttribute(end, (threshold - first) / (last - first)); } };
  }

  function binned(scores, first, last) {
    const bins = new Array(BINS).fill(0);
    for (const score of scores) bins[Math.min(BINS - 1, Math.floor(((score - first) / (last - first)) * BINS))] += 1;
    return bins;
  }

  // ---- tables ----

  // Items sorted by a value, which is text or a number; those without it (null, NaN) come last, whichever the direction.
  function inOrder(items, valueOf, downwards) {
    const isKnown = (item) => valueOf(item) !== null && !Number.isNaN(valueOf(item));
    const order = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a === b ? 0 : a < b ? -1 : 1);
    const known = items.filter(isKnown).sort((a, b) => (downwards ? -1 : 1) * order(valueOf(a), valueOf(b)));
    return [...known, ...items.filter((item) => !isKnown(item))];
  }

  // Makes a button of each heading. A click calls sort(column, downwards): numbers from the highest, text from A, and
  // the other way round at the second click.
  function sortByHeadings(headings, isNumber, sort, column = -1) {
    let downwards = false;
    const mark = () => headings.forEach((th, i) => th.setAttribute("aria-sort", i !== column ? "none" : downwards ? "descending" : "ascending"));
    headings.forEach((th, i) => {
      const click = () => { [column, downwards] = [i, column === i ? !downwards : isNumber(i)]; mark(); sort(column, downwards); };
      th.replaceChildren(element("button", { type: "button", class: "sort", onclick: click }, ...th.childNodes));
    });
    mark();
  }

  // Sorts the rows of a table as they stand; a heading of class `text` is above text, any other above numbers.
  function sortable(table) {
    const body = table.tBodies[0], headings = [...table.tHead.rows[0].cells];
    const isNumber = (i) => !headings[i].classList.contains("text");
    sortByHeadings(headings, isNumber, (column, downwards) => {
      const valueOf = (row) => (isNumber(column) ? numberOf : String)(row.cells[column].textContent.trim());
      const rows = [...body.rows].filter((row) => !row.classList.contains("detail"));
      for (const row of inOrder(rows, valueOf, downwards)) body.append(...[row, detailOf(row)].filter(Boolean));
    });
  }

  const numberOf = (text) => (text === "all" ? Infinity : parseFloat(text.replaceAll(",", ""))); // all shots; 98.0 ± 0.4
  const detailOf = (row) => (row.nextElementSibling?.classList.contains("detail") ? row.nextElementSibling : null);

  // Lets a row open another below it, by a click, Enter or the space bar; fill(box) puts into it what it shows.
  function openable(row, fill) {
    const toggle = () => {
      const open = row.classList.toggle("open");
      row.setAttribute("aria-expanded", String(open));
      if (!open) return detailOf(row)?.remove();
      const box = element("div", { class: "box" });
      row.after(element("tr", { class: "detail" }, element("td", { colspan: row.cells.length }, box)));
      fill(box);
    };
    for (const [name, value] of [["tabindex", "0"], ["aria-expanded", "false"]]) row.setAttribute(name, value);
    row.classList.add("run");
    row.addEventListener("click", toggle);
    row.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault(); // the space bar would scroll
      toggle();
    });
  }

  return { element, percent, say, filled, speak, ratesAt, oracle, thresholdView, inOrder, sortByHeadings, sortable, openable };
})();
