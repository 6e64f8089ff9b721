import { secrets } from "@/platform/secrets";

/** A sign-in that is on its way through the browser. */
export interface Begun {
  /** The server that it is for. */
  server: string;
  /** The secret that the code is good with. */
  verifier: string;
  /** When it began: Unix time in milliseconds. */
  at: number;
}

const KEY = "sso.begun";
/** How long a way back may take, in milliseconds: the gateway waits ten minutes for the provider, and its code is good for one. */
const PATIENCE = 11 * 60_000;

/** There is one at a time: beginning another one gives the last one up. It outlives the app, which the system may end while the browser is in front. */
export const keepBegun = (begun: Begun): Promise<void> => secrets.set(KEY, JSON.stringify(begun));

/** The sign-in that is under way, or `null`. */
export async function readBegun(): Promise<Begun | null> {
  const begun = parsed(await secrets.get(KEY));
  return begun && Math.abs(Date.now() - begun.at) < PATIENCE ? begun : null;
}

/** The same, for whoever finishes it: there is nothing under way any more. */
export async function takeBegun(): Promise<Begun | null> {
  const begun = await readBegun();
  await secrets.remove(KEY);
  return begun;
}

function parsed(text: string | null): Begun | null {
  try {
    const begun = JSON.parse(text ?? "null") as Partial<Begun> | null;
    const isWhole = typeof begun?.server === "string" && typeof begun.verifier === "string" && typeof begun.at === "number";
    return isWhole ? (begun as Begun) : null;
  } catch {
    return null;
  }
}
