/** The phone client as a page, from a server of its own: like an installed app it is there whether the gateway is or not. */

import { existsSync, readFileSync, statSync } from "node:fs";
import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { extname, join, resolve } from "node:path";

const dist = resolve(import.meta.dirname, "../../../mobile/dist/web");
const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".ico": "image/x-icon", ".png": "image/png", ".svg": "image/svg+xml", ".ttf": "font/ttf" };

export interface PhoneWebOptions {
  /** Where to listen; on a free port when not given. */
  port?: number;
  /** Lets pages of other addresses in, as a gateway does that was told to. */
  isShared?: boolean;
}

export class PhoneWeb {
  /** Streams of events that are open now, and the numbers after which they were asked for, in their order. */
  openStreams = 0;
  readonly askedAfter: number[] = [];
  /** The numbers after which WebSockets were asked for. */
  readonly sockets: number[] = [];
  /** How many requests there were, streams among them, and how many are not answered yet. */
  requests = 0;
  openRequests = 0;
  /** What becomes of server-sent events on their way: some proxies keep them until the end, others put a page of their own in their place. */
  events: "pass" | "hold" | "refuse" = "pass";
  readonly #server: Server;
  readonly #gateway: URL;
  readonly #isShared: boolean;

  private constructor(gateway: string, isShared: boolean) {
    this.#gateway = new URL(gateway);
    this.#isShared = isShared;
    this.#server = createServer((request, response) => this.#serve(request, response));
    this.#server.on("upgrade", (incoming, socket, head) => {
      this.sockets.push(Number(new URL(incoming.url ?? "/", this.url).searchParams.get("after") ?? 0));
      const out = connect(Number(this.#gateway.port), this.#gateway.hostname, () => {
        const headers = Object.entries(incoming.headers).map(([name, value]) => `${name}: ${String(value)}`);
        out.write([`${incoming.method} ${incoming.url} HTTP/1.1`, ...headers, "", ""].join("\r\n"));
        out.write(head);
        out.pipe(socket).pipe(out);
      });
      for (const [one, other] of [[socket, out], [out, socket]] as const) {
        one.on("error", () => other.destroy());
        one.on("close", () => other.destroy());
      }
    });
  }

  /** Serves the app, and everything of the API from `gateway`. */
  static async start(gateway: string, { port = 0, isShared = false }: PhoneWebOptions = {}): Promise<PhoneWeb> {
    if (!existsSync(join(dist, "index.html"))) throw new Error(`${dist} is missing; run make mobile`);
    const web = new PhoneWeb(gateway, isShared);
    await new Promise<void>((done) => web.#server.listen(port, "127.0.0.1", done));
    return web;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { pathname } = new URL(incoming.url ?? "/", this.url);
    if (this.#isShared) {
      for (const name of ["origin", "headers", "methods"]) outgoing.setHeader(`access-control-allow-${name}`, name === "headers" ? "authorization, content-type, idempotency-key, last-event-id" : "*");
    }
    if (incoming.method === "OPTIONS") outgoing.writeHead(204).end();
    else if (/^\/(?:api|auth)\//.test(pathname)) this.#pass(incoming, outgoing, pathname);
    else serveFile(pathname, outgoing);
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse, pathname: string): void {
    this.requests++;
    this.openRequests++;
    outgoing.on("close", () => this.openRequests--);
    if (pathname.endsWith("/stream")) {
      this.openStreams++;
      this.askedAfter.push(Number(incoming.headers["last-event-id"] ?? 0));
      outgoing.on("close", () => this.openStreams--);
      if (this.events === "refuse") {
        outgoing.writeHead(200, { "content-type": "text/html" }).end("<html>This content cannot be shown.</html>");
        return;
      }
    }
    const isHeld = this.events === "hold" && pathname.endsWith("/stream");
    const { hostname, port } = this.#gateway;
    const passed = request({ hostname, port, method: incoming.method, path: incoming.url, headers: { ...incoming.headers, host: this.#gateway.host }, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      outgoing.flushHeaders();
      // Until the end, which is when the browser has given up.
      if (isHeld) return void answer.resume();
      // What breaks there breaks here in the same way: in the middle, not at an end.
      answer.on("error", () => outgoing.destroy());
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    outgoing.on("close", () => passed.destroy());
    incoming.pipe(passed);
  }
}

/** Every address that is no file is a screen of the app. */
function serveFile(pathname: string, outgoing: ServerResponse): void {
  const named = join(dist, decodeURIComponent(pathname));
  const file = named.startsWith(dist) && existsSync(named) && statSync(named).isFile() ? named : join(dist, "index.html");
  outgoing.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream", "cache-control": "no-store" });
  outgoing.end(readFileSync(file));
}
