// Lets a reader sort the tables of runs by a click on a head; without this file they stand in the order of time.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const status = document.getElementById("runs-status");
  const collator = new Intl.Collator(undefined, { numeric: true });

  for (const table of document.querySelectorAll("table.runs")) {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const valueOf = (row, column) => {
      const cell = row.cells[column];
      return "value" in cell.dataset ? cell.dataset.value : cell.textContent.trim();
    };
    const isMissing = (value) => value === "" || value === "–";

    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const ascending = head.getAttribute("aria-sort") === "descending";
        const sign = ascending ? 1 : -1;
        // What is missing stays at the end, whichever way.
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [valueOf(a, column), valueOf(b, column)];
          if (isMissing(x) || isMissing(y)) return isMissing(x) - isMissing(y);
          const [p, q] = [Number(x), Number(y)];
          return sign * (Number.isNaN(p) || Number.isNaN(q) ? collator.compare(x, y) : p - q);
        });
        body.append(...rows);
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        status.textContent = `Sorted by ${button.textContent.trim()}, ${ascending ? "lowest" : "highest"} first`;
      });
    });
  }
});
