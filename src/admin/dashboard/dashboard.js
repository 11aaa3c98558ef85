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
