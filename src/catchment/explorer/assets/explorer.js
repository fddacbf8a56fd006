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
