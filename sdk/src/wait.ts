import { AbortError } from "./errors.js";

/** Milliseconds to wait before attempt `attempt` (from 0): anything up to a bound that doubles, so that clients do not come in step. */
export function backoff(attempt: number, base: number, longest: number): number {
  return Math.random() * Math.min(longest, base * 2 ** Math.min(attempt, 30));
}

/** Waits; `signal` ends it with an `AbortError`. */
export function sleep(milliseconds: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    const stop = () => {
      clearTimeout(timer);
      reject(aborted(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

export function aborted(signal: AbortSignal | null | undefined): AbortError {
  return new AbortError("stopped by the caller", { cause: abortReason(signal) });
}

/** Why the signals of `follow` were aborted. React Native's `AbortController` drops what it is given, and its signals have no `reason`. */
const reasons = new WeakMap<AbortSignal, unknown>();

/** Why a signal was aborted, also where the platform forgets it. */
export function abortReason(signal: AbortSignal | null | undefined): unknown {
  return signal && (reasons.get(signal) ?? signal.reason);
}

/** Throws when the caller has lost interest. */
export function check(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

/**
 * A signal that follows another one, and can be aborted by itself. `AbortSignal.any` is missing in React Native and in early releases of
 * Node 20.
 */
export function follow(signal: AbortSignal | null | undefined): AbortController & { release(): void } {
  const controller = new AbortController();
  const end = controller.abort.bind(controller);
  const abort = (reason?: unknown) => {
    if (!controller.signal.aborted && reason !== undefined) reasons.set(controller.signal, reason);
    end(reason);
  };
  const stop = () => abort(abortReason(signal));
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });
  return Object.assign(controller, { abort, release: () => signal?.removeEventListener("abort", stop) });
}
