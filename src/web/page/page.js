// Shows what is new without a reload and sends what people ask for; without this the page is whole, only still.
"use strict";

/* What is new */

/** At most one look in so long, however much happens. */
const PAUSE = 1000;
/** What no event tells of (numbers, the next look) is fetched so often; without the feed, everything is. */
const QUIET = 10000;
const POLL = 5000;
const EVENTS = ["failed", "recovered", "held", "sending", "told", "not_told", "never_told", "not_opened", "not_owed", "silenced",
  "silence_over", "acknowledged", "unacknowledged", "status", "missed"];

/** What people did to the page, and no fresh one takes back. */
const OWN = ["open", "data-index", "data-read"];

let timer = 0, last = 0, looking = false, again = false, following = false;

function lookIn(pause) {
  clearTimeout(timer);
  timer = setTimeout(look, pause);
}

function lookSoon() {
  if (looking) again = true;
  else lookIn(Math.max(0, last + PAUSE - Date.now()));
}

async function look() {
  if (looking || document.hidden || !document.querySelector("[data-live]")) return;
  looking = true;
  again = false;
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected && new URL(answer.url).pathname === "/login") return show("over");
    if (answer.status >= 500) throw new Error(String(answer.status));
    take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    show(null);
  } catch {
    show("lost");
  } finally {
    looking = false;
    lookIn(again ? PAUSE : following ? QUIET : POLL);
  }
}

/** Which of the two sentences above the page is true, if one is. */
function show(which) {
  for (const id of ["lost", "over"]) {
    const place = document.getElementById(id);
    if (place && place.hidden !== (id !== which)) place.hidden = id !== which;
  }
}

function take(fresh) {
  if (document.title !== fresh.title) document.title = fresh.title;
  carry(fresh.getElementById("csrf")?.content);
  for (const id of ["icon", "failing", "host"]) {
    const [now, next] = [document.getElementById(id), fresh.getElementById(id)];
    if (now && next) become(now, next);
  }
  for (const next of fresh.querySelectorAll("[data-live]")) {
    const now = document.getElementById(next.id);
    if (now) become(now, next);
  }
}

/** Takes up the token of the session as it is now, for the script and for forms that go without it. */
function carry(token) {
  const place = document.getElementById("csrf");
  if (!token || !place || place.content === token) return;
  place.content = token;
  for (const field of document.getElementsByName("csrf_token")) field.value = token;
}

/** Changes only what differs, so that focus, scroll, what is open and what is typed stay as they are. */
function become(now, next) {
  if (now.nodeType !== Node.ELEMENT_NODE) {
    if (now.nodeValue !== next.nodeValue) now.nodeValue = next.nodeValue;
    return;
  }
  if (now.matches("[data-armed], [data-busy]") || now.isEqualNode(next)) return;
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name) && !OWN.includes(name)) now.removeAttribute(name);
  for (const { name, value } of next.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  if (now.matches("output, input, select, line.at")) return;
  let place = now.firstChild;
  for (const wanted of [...next.childNodes]) {
    // What has an id is found by it, wherever it stands; rows that went before it go.
    const kept = wanted.id && [...now.children].find((child) => child.id === wanted.id);
    if (kept && kept !== place) { now.insertBefore(kept, place); place = kept; }
    if (place && place.nodeType === wanted.nodeType && place.nodeName === wanted.nodeName && (place.id ?? "") === (wanted.id ?? "")) {
      become(place, wanted);
      place = place.nextSibling;
    } else {
      now.insertBefore(document.importNode(wanted, true), place);
    }
  }
  while (place) { const gone = place; place = place.nextSibling; gone.remove(); }
}

let feed = null;

function follow() {
  if (feed || document.hidden || !window.EventSource || !document.querySelector("[data-live]")) return;
  feed = new EventSource("/live");
  feed.onopen = () => { following = true; lookSoon(); };
  feed.onerror = () => {
    following = false;
    lookSoon();
    // A refusal ends it for good; it is tried anew while pages are polled.
    if (feed?.readyState === EventSource.CLOSED) {
      feed = null;
      setTimeout(follow, 6 * POLL);
    }
  };
  for (const name of EVENTS) feed.addEventListener(name, lookSoon);
}

lookIn(POLL);
follow();
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    // A browser has six connections to one place for all its tabs.
    feed?.close();
    feed = null;
    following = false;
  } else {
    follow();
    lookSoon();
  }
});

/* What people ask for */

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-sure]");
  if (!button || button.dataset.armed) return;
  // The first press asks, the second is meant.
  event.preventDefault();
  const words = button.textContent;
  button.textContent = button.dataset.sure;
  button.dataset.armed = "1";
  setTimeout(() => { delete button.dataset.armed; button.textContent = words; }, 4000);
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-send]");
  if (!form) return;
  event.preventDefault();
  send(form);
});

/** What stands in a form, as the API takes it. */
function fields(form, fixed) {
  const body = Object.fromEntries(fixed.map((pair) => { const [key, value] = pair.split("="); return [key, JSON.parse(value)]; }));
  for (const field of form.elements) {
    if (!field.name || "unsent" in field.dataset) continue;
    const value = field.value.trim();
    if ("optional" in field.dataset && !value) body[field.name] = null;
    else body[field.name] = "number" in field.dataset ? Number(value) : field.type === "password" ? field.value : value;
  }
  return body;
}

async function send(form) {
  const [method, path, ...fixed] = form.dataset.send.split(" ");
  const button = form.querySelector("button");
  const body = method === "DELETE" ? undefined : JSON.stringify(fields(form, fixed));
  for (const field of form.elements) field.removeAttribute("aria-invalid");
  button.disabled = true;
  try {
    const headers = { "X-CSRF-Token": document.getElementById("csrf")?.content ?? "" };
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, { method, body, headers });
    carry(answer.headers.get("X-CSRF-Token"));
    const text = await answer.text();
    const told = text && (answer.headers.get("Content-Type") ?? "").includes("json") ? JSON.parse(text) : {};
    if (answer.status === 401) show("over");
    if (!answer.ok) return say(form, told.detail ?? told.title ?? String(answer.status), true, told.field);
    form.reset();
    const details = form.closest("details");
    if (details) details.open = false;
    if (told.token) once(form, told.token);
    else if ("taken" in told) say(form, `${told.taken ? "✓" : "✗"} ${told.words ?? ""}`, !told.taken);
    else say(form, "✓", false);
    last = 0;
    lookSoon();
  } catch (error) {
    say(form, String(error.message ?? error), true);
  } finally {
    button.disabled = false;
  }
}

function say(form, words, bad, field) {
  const place = form.querySelector("output");
  place.textContent = words;
  place.className = bad ? "bad" : "";
  const at = field && form.elements.namedItem(field);
  if (at && at.type !== "hidden") { at.setAttribute("aria-invalid", "true"); at.focus(); }
  if (!bad) setTimeout(() => { if (place.textContent === words) place.textContent = ""; }, 4000);
}

/** A secret that is shown only now. */
function once(form, secret) {
  form.querySelector(".once")?.remove();
  const place = document.createElement("div");
  place.className = "once";
  place.setAttribute("role", "status");
  const [words, code, copy] = ["span", "code", "button"].map((name) => document.createElement(name));
  words.textContent = form.dataset.once;
  code.textContent = secret;
  copy.type = "button";
  copy.textContent = form.dataset.copy;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(secret);
    } catch {
      // Where the page is not served safely, it is marked to be copied by hand.
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    copy.textContent = "✓";
  });
  place.append(words, code, copy);
  form.append(place);
}

/* The read-out of charts */

const numbers = new WeakMap();

async function read(chart, part) {
  if (!numbers.has(chart) || numbers.get(chart).from !== chart.dataset.numbers || Date.now() - numbers.get(chart).at > 30000) {
    const asked = { from: chart.dataset.numbers, at: Date.now(), points: [] };
    numbers.set(chart, asked);
    asked.points = fetch(asked.from).then((answer) => answer.json()).then((told) => told.points ?? []).catch(() => []);
  }
  const points = await numbers.get(chart).points;
  if (!points.length) return;
  const nearest = points.reduce((best, point, index) => Math.abs(point.x - part) < Math.abs(points[best].x - part) ? index : best, 0);
  at(chart, points, nearest);
}

function at(chart, points, index) {
  const point = points[index], line = chart.querySelector("line.at");
  chart.dataset.index = String(index);
  for (const end of ["x1", "x2"]) line.setAttribute(end, String(point.x * 600));
  line.setAttribute("visibility", "visible");
  chart.querySelector(".read").textContent = `${point.at} · ${point.mean}${point.spread ? ` (${point.spread})` : ""}`;
}

function leave(chart) {
  chart.querySelector(".read").textContent = "";
  chart.querySelector("line.at").setAttribute("visibility", "hidden");
}

document.addEventListener("pointermove", (event) => {
  const picture = event.target.closest?.(".chart svg");
  for (const other of document.querySelectorAll(".chart")) if (other.dataset.read && other !== picture?.closest(".chart")) { delete other.dataset.read; leave(other); }
  if (!picture) return;
  const box = picture.getBoundingClientRect(), chart = picture.closest(".chart");
  chart.dataset.read = "1";
  read(chart, (event.clientX - box.left) / box.width);
});

document.addEventListener("keydown", async (event) => {
  const picture = event.target.closest?.(".chart svg");
  if (picture && ["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) {
    event.preventDefault();
    const chart = picture.closest(".chart");
    if (!numbers.has(chart)) await read(chart, 1);
    const points = await numbers.get(chart).points, index = Number(chart.dataset.index ?? points.length - 1);
    const next = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: points.length - 1 }[event.key];
    if (points.length) at(chart, points, Math.min(Math.max(next, 0), points.length - 1));
  }
  // As on many pages: a slash goes to the search.
  if (event.key === "/" && !event.target.closest("input, select, textarea")) {
    const find = document.getElementById("find");
    if (find) { event.preventDefault(); find.focus(); find.select(); }
  }
});
