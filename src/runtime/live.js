// Shows api/status every few seconds. All text goes in as text, never as markup: SKUs are strangers' words.
"use strict";
const EVERY_MS = 3000;
const note = document.getElementById("note");

const isList = (value) => Array.isArray(value);
const isTable = (value) => value !== null && typeof value === "object" && !isList(value);
const words = (value) =>
  value === null ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);

function put(parent, tag, text) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function rows(parent, entries) {
  const table = put(parent, "table");
  for (const [key, value] of entries) {
    const row = put(table, "tr");
    put(row, "th", key);
    put(row, "td", words(value));
  }
}

function grid(parent, list) {
  const columns = [...new Set(list.flatMap((item) => Object.keys(item)))];
  const table = put(parent, "table");
  const head = put(table, "tr");
  for (const column of columns) put(head, "th", column);
  for (const item of list) {
    const row = put(table, "tr");
    for (const column of columns) put(row, "td", column in item ? words(item[column]) : "");
  }
}

function show(status) {
  const fresh = document.createElement("main");
  fresh.id = "state";
  const entries = Object.entries(status);
  rows(fresh, entries.filter(([, value]) => value === null || typeof value !== "object"));
  for (const [key, value] of entries) {
    if (value === null || typeof value !== "object") continue;
    put(fresh, "h2", key);
    if (isList(value) && value.length > 0 && value.every(isTable)) grid(fresh, value);
    else if (isList(value)) put(fresh, "p", value.length === 0 ? "none" : value.map(words).join(", "));
    else rows(fresh, Object.entries(value));
  }
  document.getElementById("state").replaceWith(fresh);
}

async function look() {
  try {
    const answer = await fetch("api/status", { cache: "no-store" });
    if (!answer.ok) throw new Error(`the answer was ${answer.status}`);
    show(await answer.json());
    note.className = "";
    note.textContent = `As of ${new Date().toLocaleTimeString()}`;
  } catch (problem) {
    note.className = "stale";
    note.textContent = `No new state (${problem.message}); what is below is old.`;
  }
  setTimeout(look, EVERY_MS);
}
look();
