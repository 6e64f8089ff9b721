/** A certified OpenID Connect provider, the same that the gateway's tests use, in a process of its own. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const folder = resolve(import.meta.dirname, "../../gateway/tests/oidc");
/** How long it may take to listen, in milliseconds. */
const DEADLINE = 30_000;

/** What the provider says of somebody. */
export interface Account {
  email?: string;
  email_verified?: boolean;
  groups?: string[];
}

export interface ProviderOptions {
  /** Where the gateway is, for browsers. */
  gateway: string;
  /** What the gateway proves itself with. */
  clientSecret: string;
  /** By the name that is typed into the form; the password may be anything. */
  accounts: Record<string, Account>;
  /** The port of an earlier one; a free one when not given. */
  port?: number;
}

export class Provider {
  readonly issuer: string;
  readonly #child: ChildProcess;

  private constructor(issuer: string, child: ChildProcess) {
    this.issuer = issuer;
    this.#child = child;
  }

  static async start({ gateway, clientSecret, accounts, port = 0 }: ProviderOptions): Promise<Provider> {
    if (!existsSync(`${folder}/node_modules`)) throw new Error("these tests need an OpenID Connect provider: run `make test-tools`");
    const options = { port, clientSecret, redirectUri: `${gateway}/auth/oidc/callback`, accounts, inIdToken: false };
    // It was seen to hang at its start once, and not in 164 starts that looked for it. It is not what is tested here.
    const { issuer, child } = await launch(options).catch((error: unknown) => {
      console.error("the identity provider is started again:", error);
      return launch(options);
    });
    return new Provider(issuer, child);
  }

  get port(): number {
    return Number(new URL(this.issuer).port);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((done) => this.#child.once("exit", done));
    this.#child.kill("SIGKILL");
    await ended;
  }
}

/** Starts the process, and waits until it listens. */
async function launch(options: object): Promise<{ issuer: string; child: ChildProcess }> {
  // It ends with its standard input, so that none outlives its test.
  const child = spawn(process.execPath, [`${folder}/provider.mjs`, JSON.stringify(options)], { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-2_000)));
  try {
    const issuer = await new Promise<string>((done, fail) => {
      const late = setTimeout(() => fail(new Error(`the identity provider does not start: ${said}`)), DEADLINE);
      child.once("exit", (code) => fail(new Error(`the identity provider ended with ${code}: ${said}`)));
      // It warns about what must not be done in production, on lines that are no JSON.
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (!line.startsWith("{")) return;
        clearTimeout(late);
        done((JSON.parse(line) as { issuer: string }).issuer);
      });
    });
    return { issuer, child };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/** A port that was free a moment ago: a provider has to know where the gateway is before either of them starts. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (!address || typeof address === "string") throw new Error("there is no free port");
  return address.port;
}
