// What pages do besides being read: copying, and what arrives while somebody looks. Without it every page still reads.
"use strict";

for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) break; // not where the page came over plain HTTP from another machine
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.closest(".copy").querySelector("pre").textContent);
    button.textContent = "Copied";
  });
}

// What a square says is there once, as its name; who points at it reads it too.
addEventListener("pointerover", (event) => {
  const square = event.target.closest?.("a.square");
  if (square) square.title = square.ariaLabel;
});

// -- what arrives ----------------------------------------------------------------------------------------------------

const KEPT = 200; // of what came, so that a page that stays open does not grow for ever

const arriving = document.querySelector("[data-changes]");
if (arriving) listen(arriving);

function listen(list) {
  const state = document.querySelector("[data-state]");
  const source = new EventSource(list.dataset.changes);
  let count = 0;
  source.addEventListener("open", () => { state.textContent = told(count); });
  source.addEventListener("error", () => { state.textContent = "Not connected; trying again."; });
  source.addEventListener("reset", () => {
    source.close();
    state.textContent = "What came meanwhile is no longer kept change by change: load the page again.";
  });
  source.addEventListener("change", (event) => {
    list.prepend(entry(JSON.parse(event.data), list));
    while (list.children.length > KEPT) list.lastElementChild.remove();
    count += 1;
    state.textContent = told(count);
  });
  addEventListener("pagehide", () => source.close());
}

function told(count) {
  return count ? `Listening: ${count} arrived since this page was opened.` : "Listening: what arrives shows up here.";
}

// One change as the server would have written it: texts alone, so that nothing of it can be anything else.
function entry(change, list) {
  const made = document.querySelector("#change").content.cloneNode(true).firstElementChild;
  const link = made.querySelector("a");
  made.classList.add(`is-${change.kind}`, "fresh");
  link.href = list.dataset.records + change.key;
  link.textContent = words(change, list.dataset.shown.split(","));
  made.querySelector("b").textContent = change.kind;
  made.querySelector("time").textContent = `${change.at.slice(0, 19).replace("T", " ")}`;
  made.querySelector(".small").textContent = (change.fields || []).join(", ");
  return made;
}

function words(change, names) {
  const values = names.map((name) => (change.record || {})[name]).filter((value) => value !== null && value !== undefined);
  return values.map((value) => (typeof value === "object" ? JSON.stringify(value) : String(value))).join(" · ").slice(0, 200) || change.key;
}

// -- the API ---------------------------------------------------------------------------------------------------------

const MOST = 64 * 1024; // characters of an answer that are shown; the rest is not asked for

const filter = document.querySelector("[data-filter]");
if (filter) {
  filter.addEventListener("input", () => narrow(filter.value.toLowerCase().split(/\s+/).filter(Boolean)));
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.matches("input, textarea, select")) return;
    event.preventDefault();
    filter.select();
  });
}

function narrow(wanted) {
  let count = 0;
  for (const row of document.querySelectorAll("[data-row]")) {
    row.hidden = !wanted.every((word) => row.dataset.row.includes(word));
    count += row.hidden ? 0 : 1;
  }
  for (const section of document.querySelectorAll("[data-section]")) section.hidden = !section.querySelector("[data-row]:not([hidden])");
  document.querySelector("[data-found]").textContent = wanted.length ? `${count} found` : "";
}

const asked = document.querySelector("[data-run]");
if (asked) ask(asked);

async function ask(place) {
  const [status, headers, body, more] = ["status", "headers", "body", "more"].map((name) => place.querySelector(`[data-${name}]`));
  place.hidden = false;
  const begun = performance.now();
  try {
    const answer = await fetch(place.dataset.run);
    const { text, whole } = await begin(answer.body.getReader());
    status.textContent = `${answer.status} ${answer.statusText} in ${Math.round(performance.now() - begun)} ms${whole ? "" : ", the beginning of it"}`;
    headers.textContent = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    body.textContent = whole ? laid_out(text) : text;
    more.hidden = body.hidden = false;
  } catch (error) {
    status.textContent = `No answer: ${error.message}`;
  }
}

// The beginning of an answer: a whole collection as a file would never fit, and a stream does not end.
async function begin(reader) {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { text, whole: true };
    text += decoder.decode(value, { stream: true });
    if (text.length > MOST) {
      await reader.cancel();
      return { text: text.slice(0, MOST), whole: false };
    }
  }
}

// JSON with its members below each other, where nothing of it is told otherwise by that (a number of 64 bits would be).
function laid_out(text) {
  try {
    const value = JSON.parse(text);
    return JSON.stringify(value) === text ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
}
