// The service, as functions.

// What the service refused, in its own words.
export class Refused extends Error {}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The service does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refused(told.error ?? `The service answered ${answer.status}.`);
}

const json = async (path) => (await ask(path)).json();

// Limits, and how many requests wait.
export const health = () => json("/api/health");

// {default, models: [{name, description, licence, bytes, here}]}
export const models = () => json("/api/models");

// What a model declares: options with defaults, types and choices, and whether it draws.
export const model = (name) => json(`/api/models/${encodeURIComponent(name)}`);

// Completes a picture, or moves what its mask shows where there is a `shift`; `fields`
// are those of POST /api/inpaint or /api/reposition, a list for one that comes several
// times, and `signal` cancels.
export async function edit(fields, signal) {
  const body = new FormData();
  for (const [name, values] of Object.entries(fields)) {
    for (const value of [values].flat()) body.append(name, value);
  }
  const address = "shift" in fields ? "/api/reposition" : "/api/inpaint";
  const answer = await ask(address, { method: "POST", body, signal });
  return {
    picture: await answer.blob(),
    seed: Number(answer.headers.get("X-Seed")),
    notes: JSON.parse(answer.headers.get("X-Notes") ?? "[]"),
  };
}
