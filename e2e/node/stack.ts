/** Everything on this machine, for tests in TypeScript: the real `codex-remote up` in a folder of its own. `e2e/src/stack.rs` is the same in Rust. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const root = resolve(import.meta.dirname, "../..");
const programs = join(process.env["CARGO_TARGET_DIR"] ?? join(root, "target"), "debug");
/** How long the stack may take to get ready, and to stop, in milliseconds. */
const DEADLINE = 120_000;

export interface Ready {
  url: string;
  email: string;
  password: string;
  kubeconfig: string;
}

export interface StackOptions {
  /** More arguments for `codex-remote up`. */
  arguments?: string[];
  /** Play scenarios with the small `fake-codex` instead of the real one. */
  fakeCodex?: boolean;
  /** The folder with the web client; the one of this checkout when not given, where it was built. */
  webDir?: string;
  /** Where the gateway listens; on a free port when not given. */
  listen?: string;
  /** More variables for `codex-remote up`. */
  env?: Record<string, string>;
  /** As if the web client was never built: the gateway serves its built-in page. */
  withoutWeb?: boolean;
}

/** What `up` wants beside itself. */
const PARTS = ["codex-remote", "codex-local-cluster", "codex-pod-proxy", "codex-demo-model", "codex-operator", "codex-gateway", "codex-runner"];

export class Stack {
  readonly dir: string;
  readonly #options: StackOptions;
  #up: ChildProcess | null = null;
  #ready: Ready | null = null;

  private constructor(options: StackOptions) {
    this.#options = options;
    this.dir = mkdtempSync(join(tmpdir(), "codex-e2e-"));
    // The sandbox runs as another user when the tests run as root.
    chmodSync(this.dir, 0o755);
    demoRepository(join(this.dir, "demo"));
  }

  static async start(options: StackOptions = {}): Promise<Stack> {
    const stack = new Stack(options);
    try {
      await stack.#launch(options.listen ?? "127.0.0.1:0");
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  get ready(): Ready {
    if (!this.#ready) throw new Error("the stack is not ready");
    return this.#ready;
  }

  get data(): string {
    return join(this.dir, "data");
  }

  /** The process id of a part. */
  pid(part: string): number {
    const run = JSON.parse(readFileSync(join(this.data, "run.json"), "utf8")) as { processes: Record<string, { pid: number } | undefined> };
    const pid = run.processes[part]?.pid;
    if (!pid) throw new Error(`there is no process ${part}: ${JSON.stringify(run)}`);
    return pid;
  }

  /** Ends one part with SIGKILL; the supervisor starts it again. */
  kill9(part: string): void {
    process.kill(this.pid(part), "SIGKILL");
  }

  /** From now on the demo model does not answer turns in which tools have returned this many results, nor says more messages of a series. */
  holdModel(steps: number): void {
    writeFileSync(this.#hold, String(steps));
  }

  /** The demo model goes on where it was. */
  releaseModel(): void {
    rmSync(this.#hold, { force: true });
  }

  get #hold(): string {
    return join(this.data, "demo-model.hold");
  }

  /** The ends of all logs, for a test that failed. */
  logs(): string {
    const folder = join(this.data, "logs");
    const files = [join(this.dir, "up.log"), ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [])];
    return files.map((file) => `--- ${file}\n${readFileSync(file, "utf8").slice(-4000)}`).join("\n");
  }

  async stop(): Promise<void> {
    const up = this.#up;
    this.#up = null;
    if (up && up.exitCode === null && up.signalCode === null) {
      const ended = new Promise((done) => up.once("exit", done));
      up.kill("SIGTERM");
      const late = setTimeout(() => up.kill("SIGKILL"), DEADLINE);
      await ended;
      clearTimeout(late);
    }
    if (process.env["CODEX_E2E_KEEP"]) console.error(`kept ${this.dir}`);
    else rmSync(this.dir, { recursive: true, force: true });
  }

  /** The programs, in a folder that no web client is above of. */
  #moved(): string {
    const folder = join(this.dir, "bin");
    mkdirSync(folder);
    for (const name of PARTS) {
      const [from, to] = [join(programs, name), join(folder, name)];
      try {
        linkSync(from, to);
      } catch {
        // Another file system.
        copyFileSync(from, to);
      }
    }
    return folder;
  }

  async #launch(listen: string): Promise<void> {
    const program = join(this.#options.withoutWeb ? this.#moved() : programs, "codex-remote");
    if (!existsSync(program)) throw new Error(`${program} is missing; run make build`);
    const fake = this.#options.fakeCodex ? ["--codex-bin", join(programs, "fake-codex")] : [];
    const given = ["up", "--json", "--demo-model", "--listen", listen, "--data", this.data, "--repository", join(this.dir, "demo")];
    const webDir = this.#options.webDir ?? join(root, "web/out");
    const web = existsSync(webDir) && !this.#options.withoutWeb ? ["--web-dir", webDir] : [];
    const args = [...given, "--node-modules", join(root, "node_modules"), ...web, ...fake, ...(this.#options.arguments ?? [])];
    const env: NodeJS.ProcessEnv = { ...process.env, ...this.#options.env };
    delete env["CODEX_API_KEY"];
    delete env["OPENAI_API_KEY"];
    const log = openSync(join(this.dir, "up.log"), "a");
    const up = spawn(program, args, { env, stdio: ["ignore", "pipe", log] });
    this.#up = up;
    const line = new Promise<string>((done, fail) => {
      createInterface({ input: up.stdout! }).once("line", done);
      up.once("exit", (code) => fail(new Error(`codex-remote up ended with ${code}`)));
      setTimeout(() => fail(new Error("codex-remote up is not ready")), DEADLINE).unref();
    });
    try {
      this.#ready = JSON.parse(await line) as Ready;
    } catch (error) {
      throw new Error(`${String(error)}\n${this.logs()}`, { cause: error });
    }
  }
}

/** A small git repository with a README and a program. */
function demoRepository(path: string): void {
  mkdirSync(join(path, "src"), { recursive: true });
  writeFileSync(join(path, "README.md"), "# Demo\n\nA repository for the scenarios.\n");
  writeFileSync(join(path, "src/hello.sh"), "#!/bin/sh\necho hello\n");
  const git = (...args: string[]) => execFileSync("git", ["-C", path, ...args], { env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null" } });
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git("-c", "user.name=Demo", "-c", "user.email=demo@example.com", "commit", "-q", "-m", "Start");
}
