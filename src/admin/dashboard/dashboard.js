// What moves on the dashboard's pages. Everything works without it, only stiller.
"use strict";

// Moments stand in UTC in the page; here they are written as the reader's clock tells them.
function localTimes(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = time.textContent;
    time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

// Forms that cannot be taken back say so in data-confirm.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

localTimes(document);

// A job that runs: its progress moves, and its page is loaded anew when it has ended.
async function followJob(place) {
  const bar = place.querySelector("progress");
  const seen = place.querySelector("[data-seen]");
  for (;;) {
    await new Promise((done) => setTimeout(done, 1000));
    let job;
    try {
      const answer = await fetch("/api/v1/jobs/" + place.dataset.job, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      job = await answer.json();
    } catch {
      continue; // camhook is being started anew, say
    }
    const count = job.done + job.skipped + job.failed;
    if (job.total !== null) bar.value = Math.min(count, job.total);
    seen.textContent = count;
    if (job.state !== "running") return window.location.reload();
  }
}
document.querySelectorAll("[data-job]").forEach(followJob);

// The list of events on the page Live. Rows come rendered; here they are put in their place, newest first.
const ROWS_MAX = 100;

function live(list) {
  const state = document.getElementById("live-state");
  const pause = document.getElementById("pause");
  let paused = false;
  let waiting = 0;
  let reading = 0;

  const tell = (text) => {
    if (state.textContent !== text) state.textContent = text;
  };
  const told = () => tell(paused ? `Paused: ${waiting} changes wait` : "Live: new events appear by themselves");

  const put = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    const row = template.content.firstElementChild;
    if (!row) return;
    localTimes(row);
    const old = document.getElementById(row.id);
    if (old) {
      const hadFocus = old.contains(document.activeElement);
      const [before, after] = [old.querySelector("img"), row.querySelector("img")];
      if (before && after && before.getAttribute("src") === after.getAttribute("src")) after.replaceWith(before);
      old.replaceWith(row);
      if (hadFocus) row.querySelector("a:not([tabindex])")?.focus();
      return;
    }
    // Ids sort by time: an event that is older than the whole list has its place on another page.
    const next = [...list.children].find((other) => other.id < row.id) ?? null;
    if (!next && list.children.length >= ROWS_MAX) return;
    row.classList.add("fresh");
    list.insertBefore(row, next);
    while (list.children.length > ROWS_MAX) list.lastElementChild.remove();
    for (const nothing of document.querySelectorAll(".nothing")) nothing.hidden = true;
  };

  // What was left out under load, or while nobody looked: the list as the server has it now.
  const readAgain = async () => {
    reading = 0;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.getElementById("live");
      if (!now || paused) return;
      localTimes(now);
      list.replaceChildren(...now.children);
    } catch {
      // The stream says whether camhook is there.
    }
  };
  const readSoon = () => {
    if (!reading && !paused) reading = setTimeout(readAgain, 1500);
  };

  const stream = new EventSource(list.dataset.live);
  stream.addEventListener("open", told);
  stream.addEventListener("error", () => tell("The connection is lost; trying again"));
  stream.addEventListener("row", (message) => {
    if (!paused) return put(message.data);
    waiting += 1;
    told();
  });
  for (const left of ["lagged", "reset"]) stream.addEventListener(left, readSoon);
  stream.addEventListener("end", (message) => {
    const { reason } = JSON.parse(message.data);
    tell(`Not live any more: ${reason}`);
    if (!reason.startsWith("camhook stops")) stream.close();
  });

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused && waiting > 0) readAgain();
    waiting = 0;
    told();
  });
}

const liveList = document.querySelector("[data-live]");
if (liveList && "EventSource" in window) live(liveList);
