/** A TCP proxy that mistreats connections, the same way for the same seed. */

import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";

/** Numbers from 0 up to 1 that only look random (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export class Proxy {
  /** Gives the number of bytes after which the next connection is cut; `null` lets it live. */
  cutAfter: () => number | null = () => null;
  /** Swallows what the server says, without a word to the client. */
  silent = false;
  /** Refuses new connections. */
  closed = false;
  /** How many connections there were, and how many of them were cut. */
  connections = 0;
  cuts = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: URL) {
    this.#server = createServer((client) => this.#serve(client, target));
  }

  static async start(target: string): Promise<Proxy> {
    const proxy = new Proxy(new URL(target));
    await new Promise<void>((done) => proxy.#server.listen(0, "127.0.0.1", done));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts everything that is open. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.cutAll();
    await new Promise((done) => this.#server.close(done));
  }

  #serve(client: Socket, target: URL): void {
    this.connections++;
    if (this.closed) {
      client.resetAndDestroy();
      return;
    }
    let left = this.cutAfter();
    const server = connect(Number(target.port), target.hostname);
    const both = [client, server];
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        for (const other of both) other.destroy();
      });
    }
    client.pipe(server);
    server.on("data", (bytes) => {
      if (this.silent) return;
      if (left === null || bytes.length < left) {
        if (left !== null) left -= bytes.length;
        client.write(bytes);
        return;
      }
      this.cuts++;
      // What the client has got so far stays good: it ends in the middle of something, which is the point.
      client.write(bytes.subarray(0, left), () => client.resetAndDestroy());
      left = 0;
      server.destroy();
    });
  }
}
