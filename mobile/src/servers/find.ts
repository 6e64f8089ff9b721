import { APIError, CodexClient, CodexError, type SignInMethods } from "@codex-remote/sdk";

import { fetch } from "@/platform/fetch";
import { t } from "@/strings";
import { readAddress } from "./address";

/** How long one address may take to answer, in milliseconds. */
const PATIENCE = 8_000;

export interface Found {
  /** The origin that answered. */
  url: string;
  methods: SignInMethods;
}

/** Finds the gateway at an address that somebody typed, and makes sure that it is one. */
export async function findServer(typed: string, signal?: AbortSignal): Promise<Found> {
  const { candidates } = readAddress(typed);
  let problem: unknown = null;
  for (const url of candidates) {
    try {
      return { url, methods: await askMethods(url, signal) };
    } catch (error) {
      if (signal?.aborted) throw error;
      problem ??= error;
    }
  }
  throw problem;
}

/** The ways to sign in at a gateway. Whatever else is there has none, or others, and is refused. */
export async function askMethods(url: string, signal?: AbortSignal): Promise<SignInMethods> {
  const client = new CodexClient({ baseURL: url, auth: { token: "" }, fetch, timeout: PATIENCE, maxRetries: 0 });
  try {
    const methods: unknown = await client.signInMethods(signal ? { signal } : {});
    if (isMethods(methods)) return methods;
  } catch (error) {
    // An answer that is no gateway's, in whatever form.
    if (error instanceof CodexError && !(error instanceof APIError && error.status < 500) && error.name !== "ProtocolError") throw error;
  }
  throw new Error(t.servers.notAGateway(url));
}

function isMethods(answer: unknown): answer is SignInMethods {
  if (typeof answer !== "object" || answer === null) return false;
  const { password, oidc } = answer as Partial<SignInMethods>;
  return typeof password === "boolean" && (oidc === null || (typeof oidc === "object" && typeof oidc.name === "string"));
}
