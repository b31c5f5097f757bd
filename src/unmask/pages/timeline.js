"use strict";
// Reads a timeline out at the pointer and by the keyboard. Everything that it says is in the table.
(() => {
  const plot = document.querySelector(".plot");
  if (!plot) return;
  const cursor = plot.querySelector(".cursor");
  const readout = document.getElementById("readout");
  const moments = []; // rows of one time each
  for (const row of document.querySelectorAll("#points tbody tr")) {
    const time = Number(row.dataset.time);
    if (moments.length && moments.at(-1).time === time) moments.at(-1).rows.push(row);
    else moments.push({ time, rows: [row] });
  }
  if (!moments.length) return;
  const duration = Number(plot.dataset.duration);
  let now = -1;

  const told = ({ rows }) => {
    const cells = rows.map((row) => [...row.cells].map((cell) => cell.textContent));
    const each = cells.map(([, , track, probability, word]) => `track ${track}: ${probability}, ${word}`);
    return `${cells[0][0]}, frame ${cells[0][1]}: ${each.join("; ")}`;
  };

  const show = (index) => {
    for (const row of moments[now]?.rows ?? []) row.classList.remove("now");
    now = Math.min(Math.max(index, 0), moments.length - 1);
    const moment = moments[now];
    for (const row of moment.rows) row.classList.add("now");
    cursor.style.left = `${duration > 0 ? Math.min((100 * moment.time) / duration, 100) : 0}%`;
    cursor.hidden = false;
    readout.textContent = told(moment);
    plot.setAttribute("aria-valuenow", moment.time);
    plot.setAttribute("aria-valuetext", readout.textContent);
  };

  const nearest = (event) => {
    const { left, width } = plot.getBoundingClientRect();
    const time = (duration * (event.clientX - left)) / width;
    let best = 0;
    for (let index = 1; index < moments.length; index++) {
      if (Math.abs(moments[index].time - time) < Math.abs(moments[best].time - time)) best = index;
    }
    return best;
  };

  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
  plot.addEventListener("pointermove", (event) => show(nearest(event)));
  plot.addEventListener("pointerdown", (event) => show(nearest(event)));
  plot.addEventListener("focus", () => show(Math.max(now, 0)));
  plot.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in steps) show(now + steps[event.key]);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(moments.length - 1);
    else return;
    event.preventDefault();
  });
  // Without a script it is an image with its table; with one, it can be moved along.
  const about = { role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": duration, "aria-valuenow": 0 };
  for (const [name, value] of Object.entries(about)) plot.setAttribute(name, value);
  plot.setAttribute("aria-valuetext", "Move with the arrow keys.");
  readout.textContent = "Point at the timeline, or move along it with the arrow keys.";
  readout.hidden = false;
})();
