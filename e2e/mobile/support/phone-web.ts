/** The phone client as a page, from a server of its own: like an installed app it is there whether the gateway is or not. */

import { existsSync, readFileSync, statSync } from "node:fs";
import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { extname, join, resolve } from "node:path";

const dist = resolve(import.meta.dirname, "../../../mobile/dist/web");
const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".ico": "image/x-icon", ".png": "image/png", ".svg": "image/svg+xml", ".ttf": "font/ttf" };

export class PhoneWeb {
  /** Streams of events that are open now, and the numbers after which they were asked for, in their order. */
  openStreams = 0;
  readonly askedAfter: number[] = [];
  readonly #server: Server;
  readonly #gateway: URL;

  private constructor(gateway: string) {
    this.#gateway = new URL(gateway);
    this.#server = createServer((request, response) => this.#serve(request, response));
    this.#server.on("upgrade", (incoming, socket, head) => {
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
  static async start(gateway: string): Promise<PhoneWeb> {
    if (!existsSync(join(dist, "index.html"))) throw new Error(`${dist} is missing; run make mobile`);
    const web = new PhoneWeb(gateway);
    await new Promise<void>((done) => web.#server.listen(0, "127.0.0.1", done));
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
    if (/^\/(?:api|auth)\//.test(pathname)) this.#pass(incoming, outgoing, pathname);
    else serveFile(pathname, outgoing);
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse, pathname: string): void {
    if (pathname.endsWith("/stream")) {
      this.openStreams++;
      this.askedAfter.push(Number(incoming.headers["last-event-id"] ?? 0));
      outgoing.on("close", () => this.openStreams--);
    }
    const { hostname, port } = this.#gateway;
    const passed = request({ hostname, port, method: incoming.method, path: incoming.url, headers: { ...incoming.headers, host: this.#gateway.host }, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      outgoing.flushHeaders();
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
