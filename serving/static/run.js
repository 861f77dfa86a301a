// One run: a request for each variant, what is said meanwhile, and how it is cancelled.

import * as api from "./api.js";

const SECOND = 1000;
const LOOK = 5; // seconds from one look at the queue to the next

// Edits a picture with each of the seeds; yields the answers as they come.
export async function* variants(fields, seeds, signal) {
  for (const seed of seeds) yield api.edit({ ...fields, seed }, signal);
}

// Tells every second how long a run takes and how many requests there are; returns what
// ends that.
export function watch(tell) {
  const start = Date.now();
  let others = "";
  const look = async () => {
    const seconds = Math.round((Date.now() - start) / SECOND);
    if (seconds % LOOK === 1) {
      const { taken } = await api.health().catch(() => ({ taken: 1 }));
      others = taken > 1 ? `; ${taken - 1} more in the queue` : "";
    }
    if (timer) tell(`Working, ${seconds} s${others}.`);
  };
  let timer = setInterval(look, SECOND);
  return () => {
    clearInterval(timer);
    timer = null;
  };
}
