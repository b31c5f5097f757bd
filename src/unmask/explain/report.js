"use strict";
// Enlarges images and prints; everything else in a report works without it.
(() => {
  const dialog = document.getElementById("zoom");
  const stage = document.getElementById("stage");
  const scale = (factor) => {
    const shown = stage.firstElementChild;
    const [width, height] = [shown.dataset.width, shown.dataset.height];
    const fit = Math.min(stage.clientWidth / width, stage.clientHeight / height);
    const by = factor === "fit" ? fit : Number(factor);
    shown.style.width = `${width * by}px`;
    shown.style.height = `${height * by}px`;
  };

  for (const button of document.querySelectorAll("button.zoom")) {
    button.addEventListener("click", () => {
      const shown = document.createElement("div");
      shown.append(...[...button.children].map((child) => child.cloneNode(true)));
      const image = button.querySelector("img");
      shown.dataset.width = image.naturalWidth;
      shown.dataset.height = image.naturalHeight;
      stage.replaceChildren(shown);
      dialog.showModal();
      scale("1");
      stage.focus();
    });
  }
  for (const button of dialog.querySelectorAll("button")) {
    button.addEventListener("click", () => (button.value === "close" ? dialog.close() : scale(button.value)));
  }
  const pdf = document.getElementById("pdf");
  pdf.addEventListener("click", () => window.print());
  pdf.hidden = false;
})();
