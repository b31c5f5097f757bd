"use strict";
// The form of /docs: sends its images and shows the answer as it came.
const form = document.querySelector("#try");
const output = form.querySelector("output");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const call = form.elements.call.value;
  const body = new FormData();
  const files = [...form.elements.images.files];
  for (const file of call === "v1/detect" ? files : files.slice(0, 1)) {
    body.append(call === "v1/detect" ? "images" : "image", file);
  }
  const token = form.elements.token.value.trim();
  const button = form.querySelector("button");
  button.disabled = true;
  output.textContent = "Waiting for the service ...";
  try {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const answer = await fetch(call, { method: "POST", body, headers });
    const text = await answer.text();
    let shown = text;
    try {
      shown = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // Not JSON: shown as it is.
    }
    const names = ["content-type", "retry-after"].filter((name) => answer.headers.has(name));
    const head = names.map((name) => `${name}: ${answer.headers.get(name)}\n`).join("");
    output.textContent = `${answer.status} ${answer.statusText}\n${head}\n${shown}`;
  } catch (error) {
    output.textContent = `The service did not answer: ${error.message}`;
  }
  button.disabled = false;
});
