import type { Fetch, Task } from "@codex-remote/sdk";

/** A gateway in memory, as far as the screens go; the real one stands behind the tests in `e2e/mobile`. */
export class Gateway {
  readonly tasks: Task[] = [];
  repositories = [{ name: "demo", path: "/srv/repos/demo", description: "The demo", default: true, model: null, timeout_seconds: 1_800 }];
  methods: unknown = { password: true, oidc: null };
  /** Access tokens that are good. */
  readonly access = new Set<string>();
  readonly refresh = new Set<string>();
  /** Every request, as `METHOD path`. */
  readonly requests: string[] = [];
  readonly created: { body: unknown; key: string | null }[] = [];
  isAway = false;
  /** The origin that is away while others are there, and how many requests it has not answered. */
  isAwayAt: string | null = null;
  failed = 0;
  /** What answers wait for. */
  hold: Promise<void> | null = null;
  /** Answers to come before all others, by `METHOD path` without the query. */
  readonly answers = new Map<string, () => Response | Promise<Response>>();
  page = 50;
  #count = 0;

  readonly fetch: Fetch = async (input, init = {}) => {
    if (this.isAway) throw new TypeError("Network request failed");
    const url = new URL(input);
    if (url.origin === this.isAwayAt) {
      this.failed++;
      throw new TypeError("Network request failed");
    }
    const method = init.method ?? "GET";
    const name = `${method} ${url.pathname}`;
    this.requests.push(name + url.search);
    if (this.hold) await this.hold;
    const special = this.answers.get(name);
    if (special) return special();
    const body = typeof init.body === "string" ? (JSON.parse(init.body) as Record<string, string>) : {};
    const open = this.#open(name, body);
    if (open) return open;
    const headers = new Headers(init.headers);
    if (!this.access.has(headers.get("authorization")?.replace("Bearer ", "") ?? "")) return refusal(401, "unauthorized", "sign in");
    return this.#answer(name, url, body, headers);
  };

  grant(): Response {
    const n = ++this.#count;
    this.access.add(`access-${n}`);
    this.refresh.add(`refresh-${n}`);
    return json(200, { access_token: `access-${n}`, refresh_token: `refresh-${n}`, token_type: "Bearer", expires_in: 900 });
  }

  add(task: Partial<Task>): Task {
    const id = task.task_id ?? `0198c7f2-0000-7000-8000-${String(this.tasks.length).padStart(12, "0")}`;
    const whole = { task_id: id, prompt: "Do it", status: "completed", repository: "demo", owner: null, reason: null, message: null, created_at: new Date().toISOString(), ...task } as Task;
    this.tasks.unshift(whole);
    return whole;
  }

  #open(name: string, body: Record<string, string>): Response | null {
    switch (name) {
      case "GET /auth/methods":
        return json(200, this.methods);
      case "POST /auth/login":
        return body["password"] === "right" ? this.grant() : refusal(401, "bad_credentials", "email or password is wrong");
      case "POST /auth/refresh":
        return this.refresh.delete(body["refresh_token"] ?? "") ? this.grant() : refusal(401, "session_ended", "sign in again");
      case "POST /auth/oidc/exchange":
        return body["code"] === "good" ? this.grant() : refusal(401, "bad_code", "the code is not known");
      case "POST /auth/logout":
        this.refresh.delete(body["refresh_token"] ?? "");
        return new Response(null, { status: 204 });
      default:
        return null;
    }
  }

  #answer(name: string, url: URL, body: unknown, headers: Headers): Response {
    if (name === "GET /api/repositories") return json(200, { repositories: this.repositories });
    if (name === "GET /api/me") return json(200, { id: "1", email: "ada@example.com", role: "user" });
    if (name === "GET /api/tasks") return json(200, this.#list(url.searchParams));
    if (name === "POST /api/tasks") {
      this.created.push({ body, key: headers.get("idempotency-key") });
      const { task_id, status } = this.add({ status: "queued", prompt: (body as { prompt: string }).prompt });
      return json(201, { task_id, status });
    }
    const task = this.tasks.find(({ task_id: id }) => url.pathname === `/api/tasks/${id}`);
    if (!task) return refusal(404, "not_found", "there is no such task");
    if (name.startsWith("DELETE")) {
      task.status = "canceled";
      return json(202, { task_id: task.task_id, status: task.status });
    }
    return json(200, task);
  }

  #list(query: URLSearchParams) {
    const [q, status] = [query.get("q") ?? "", query.get("status")];
    const all = this.tasks.filter((task) => task.prompt.includes(q) && (!status || task.status === status));
    const from = Number(query.get("cursor") ?? 0);
    const to = Math.min(from + this.page, all.length);
    return { tasks: all.slice(from, to), total: all.length, offset: from, limit: this.page, next_cursor: to < all.length ? String(to) : null };
  }
}

export const json = (status: number, body: unknown): Response => new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

export const refusal = (status: number, code: string, message: string, details?: object): Response => json(status, { error: { code, message, request_id: "req-1", ...(details && { details }) } });
