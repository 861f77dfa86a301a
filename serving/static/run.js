// One run: a request for each variant, what is said meanwhile, and how it is cancelled.

import * as api from "./api.js";

const SECOND = 1000;

// Completes a picture with each of the seeds; yields the answers as they come.
export async function* variants(fields, seeds, signal) {
  for (const seed of seeds) yield api.inpaint({ ...fields, seed }, signal);
}

// Tells every second how long a run takes and how many requests there are; returns what
// ends that.
export function watch(tell) {
  const start = Date.now();
  const look = async () => {
    const { taken } = await api.health().catch(() => ({ taken: 1 }));
    const others = taken > 1 ? `; ${taken - 1} more in the queue` : "";
    if (timer) tell(`Working, ${Math.round((Date.now() - start) / SECOND)} s${others}.`);
  };
  let timer = setInterval(look, SECOND);
  return () => {
    clearInterval(timer);
    timer = null;
  };
}
