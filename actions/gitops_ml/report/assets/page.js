// What the page can do with a script; without it every figure stands there all the same. Texts are set, never parsed.
"use strict";

const byId = (id) => document.getElementById(id);
const COUNTS = JSON.parse(byId("counts").textContent);

// ---- sorting: a button in each heading whose cells have a key, or differ

const keyOf = (row, place) => {
  const cell = row.cells[place];
  const key = cell.dataset.key ?? cell.textContent.trim();
  const number = Number(key);
  return key !== "" && Number.isFinite(number) ? number : key;
};

const compare = (a, b) =>
  typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });

const sortable = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, place) => {
    if (head.querySelector(".hear") || !head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => compare(keyOf(a, place), keyOf(b, place)));
      body.append(...(down ? rows.reverse() : rows));
    });
  });
};

document.querySelectorAll("table[data-sortable]").forEach(sortable);

// ---- flips: find by row or class, show one direction

const flips = document.querySelector("table.flips");
if (flips) {
  const find = byId("find");
  const kind = byId("kind");
  const rows = [...flips.tBodies[0].rows];
  const filter = () => {
    const wanted = find.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const text = [...row.cells].slice(0, 4).map((cell) => cell.textContent).join("\n").toLowerCase();
      row.hidden = !(text.includes(wanted) && (kind.value === "" || row.dataset.kind === kind.value));
      shown += row.hidden ? 0 : 1;
    }
    byId("shown").textContent = `${shown} of ${rows.length} shown`;
  };
  find.addEventListener("input", filter);
  kind.addEventListener("change", filter);
  find.closest("p").hidden = false;
}

// ---- threshold: the same shares as the table, counted at another place

const share = (part, whole) => (whole ? (part / whole).toFixed(3) : "not defined");

const shares = (counts, place) => {
  const [tp, fp, tn, fn] = [counts.tp[place], counts.fp[place], counts.tn[place], counts.fn[place]];
  return {
    recall: share(tp, tp + fn),
    precision: share(tp, tp + fp),
    f1: share(2 * tp, 2 * tp + fp + fn),
    accuracy: share(tp + tn, tp + fp + tn + fn),
    alarms: (tp + fp).toLocaleString("en-US"),
  };
};

const slider = byId("slider");
if (slider) {
  const frame = document.querySelector("#threshold rect.frame");
  const [left, top, side] = ["x", "y", "width"].map((key) => Number(frame.getAttribute(key)));
  const turn = () => {
    const place = Number(slider.value);
    const said = (place / 100).toFixed(2);
    byId("chosen").textContent = said;
    slider.setAttribute("aria-valuetext", said);
    for (const [who, counts] of Object.entries(COUNTS)) {
      for (const [key, value] of Object.entries(shares(counts, place))) {
        document.querySelector(`[data-share="${who}-${key}"]`).textContent = value;
      }
      const [tp, fp, tn, fn] = [counts.tp[place], counts.fp[place], counts.tn[place], counts.fn[place]];
      const dot = document.querySelector(`[data-dot="${who}"]`);
      dot.setAttribute("cx", left + (fp + tn ? fp / (fp + tn) : 0) * side);
      dot.setAttribute("cy", top + (1 - (tp + fn ? tp / (tp + fn) : 0)) * side);
    }
  };
  slider.addEventListener("input", turn);
  slider.closest("p").hidden = false;
}
