// Shows what is new without a reload; without this the page is whole, only still.
"use strict";
const EVERY = 5000;
const lost = document.getElementById("lost");

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const [now, next] = [document.getElementById("live"), fresh.getElementById("live")];
      if (now && next && now.innerHTML !== next.innerHTML) now.replaceWith(document.adoptNode(next));
      document.title = fresh.title;
      lost.hidden = true;
    } catch {
      lost.hidden = false;
    }
  }
  setTimeout(look, EVERY);
}

setTimeout(look, EVERY);
document.addEventListener("visibilitychange", () => { if (!document.hidden) lost.hidden = true; });
