// Sorting: a click on the head of a column of table.sortable sorts its rows, a second one turns them.
// data-value is what counts; numbers come largest first, rows without one last. Equal rows keep order.
(function () {
  "use strict";
  function key(row, column) {
    const text = row.cells[column].dataset.value;
    return text !== "" && isFinite(text) ? Number(text) : text;
  }
  function compare(a, b, turn) {
    if (a === "" || b === "") return (a === "") - (b === "");
    if (typeof a === "number" && typeof b === "number") return turn * (a - b);
    return turn * String(a).localeCompare(String(b));
  }
  function sort(table, column) {
    const head = table.tHead.rows[0].cells, body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [key(row, column), row]);
    const numbers = rows.some(([value]) => typeof value === "number");
    const now = head[column].getAttribute("aria-sort");
    const falling = now ? now === "ascending" : numbers;
    rows.sort(([a], [b]) => compare(a, b, falling ? -1 : 1));
    body.append(...rows.map(([, row]) => row));
    for (const cell of head) cell.removeAttribute("aria-sort");
    head[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      cell.querySelector("button").addEventListener("click", () => sort(table, column));
    });
  }
})();
