"use strict";
// Shows the images of a gallery a page at a time. All text is set as text, never as markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const { rows, words, size, noun } = JSON.parse(byId("data").textContent);
  const controls = byId("controls");
  const probability = (row) => (row.fake === null ? -1 : row.fake);
  const orders = {
    fake: (a, b) => probability(b) - probability(a),
    name: (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }),
  };
  let found = rows;
  let start = 0;

  const element = (tag, text, kind) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  const card = (row) => {
    const made = document.createElement("li");
    if (row.thumbnail.startsWith("data:image/")) {
      const image = document.createElement("img");
      image.alt = "";
      image.src = row.thumbnail;
      made.append(image);
    }
    const heading = element("h2", row.link ? "" : row.name);
    if (row.link) {
      const link = element("a", row.name);
      link.href = row.link;
      heading.append(link);
    }
    made.append(heading);
    if (row.folder) made.append(element("p", row.folder, "dim"));
    const verdict = element("p", "");
    verdict.append(element("span", words[row.verdict], `verdict ${row.verdict}`));
    if (row.fake !== null) verdict.append(` · probability of fake ${(100 * row.fake).toFixed(1)}\u00a0%`);
    made.append(verdict);
    for (const mark of row.marks) made.append(element("p", mark, "mark"));
    if (row.text) made.append(element("p", row.text));
    return made;
  };

  const show = () => {
    const end = Math.min(start + size, found.length);
    byId("images").replaceChildren(...found.slice(start, end).map(card));
    byId("shown").textContent = `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} ${noun}`;
    byId("place").textContent = `${start + 1} to ${end} of ${found.length}`;
    byId("pager").hidden = found.length <= size;
    byId("previous").disabled = start === 0;
    byId("next").disabled = end === found.length;
  };

  const choose = () => {
    const { verdict, marked, name, order } = controls.elements;
    const part = name.value.trim().toLowerCase();
    found = rows.filter(
      (row) =>
        (!verdict.value || row.verdict === verdict.value) &&
        (!marked.checked || row.marks.length > 0) &&
        (!part || row.name.toLowerCase().includes(part)),
    );
    if (orders[order.value]) found.sort(orders[order.value]);
    start = 0;
    show();
  };

  const turn = (pages) => {
    start += pages * size;
    show();
    byId("shown").scrollIntoView();
  };

  controls.addEventListener("input", choose);
  controls.addEventListener("submit", (event) => event.preventDefault());
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  controls.hidden = false;
  choose(); // a browser may restore the controls when the page is loaded again
})();
