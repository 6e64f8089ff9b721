import { AuthenticationError, CodexClient, type TaskPage } from "@codex-remote/sdk";
import { describe, expect, test } from "vitest";

import { defaultOptions, flat, patchQuery, tasksQuery } from "../src/index.js";

/** A client whose gateway answers as given, and the addresses that it was asked for. */
function clientOf(answer: () => Response) {
  const asked: string[] = [];
  const fetch = async (address: string | URL | Request) => {
    asked.push(address instanceof Request ? address.url : address.toString());
    return answer();
  };
  const client = new CodexClient({ baseURL: "https://codex.example.com", auth: { token: "token" }, fetch, maxRetries: 0 });
  return { client: () => client, asked };
}

const json = (body: unknown, status = 200) => () => new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
const signal = new AbortController().signal;
const page = (ids: string[], next: string | null): TaskPage => ({ tasks: ids.map((task_id) => ({ task_id })), next_cursor: next }) as TaskPage;

describe("the list of tasks", () => {
  test("is asked for as it is filtered, from where the page before ended", async () => {
    const { client, asked } = clientOf(json(page([], null)));
    const query = tasksQuery(client, { status: "error", q: "a b" }, true);
    await query.queryFn({ pageParam: undefined, signal });
    await query.queryFn({ pageParam: query.getNextPageParam(page(["one"], "after-one")), signal });
    const [first, second] = asked.map((address) => Object.fromEntries(new URL(address).searchParams));
    expect(first).toEqual({ limit: "50", status: "error", q: "a b" });
    expect(second).toEqual({ limit: "50", status: "error", q: "a b", cursor: "after-one" });
    expect(query.getNextPageParam(page(["two"], null))).toBeUndefined();
  });

  test("is read again the less often the more of it is open, and not at all when nobody looks or is signed in", () => {
    const { client } = clientOf(json({}));
    const every = (isLookedAt: boolean, pages: number, error: Error | null = null) =>
      tasksQuery(client, { status: "", q: "" }, isLookedAt).refetchInterval({ state: { error, data: { pages: Array.from({ length: pages }, () => page([], null)) } } });
    expect(every(true, 3)).toBe(3 * Number(every(true, 1)));
    expect(every(false, 1)).toBe(false);
    expect(every(true, 1, new AuthenticationError(401, { message: "over", code: "unauthorized" } as never))).toBe(false);
  });

  test("is all tasks of its pages in their order", () => {
    expect(flat([page(["a", "b"], "b"), page(["c"], null)]).map((task) => task.task_id)).toEqual(["a", "b", "c"]);
    expect(flat(undefined)).toEqual([]);
  });
});

test("a task that changed nothing has no patch, which is no error; other errors are", async () => {
  const problem = (status: number) => json({ error: { code: "x", message: "x" } }, status);
  await expect(patchQuery(clientOf(problem(404)).client, "id", true).queryFn({ signal })).resolves.toBeNull();
  await expect(patchQuery(clientOf(problem(500)).client, "id", true).queryFn({ signal })).rejects.toThrow();
  expect(patchQuery(clientOf(problem(404)).client, "id", false).enabled).toBe(false);
});

test("what the gateway has refused is not asked again", () => {
  const { retry } = defaultOptions.queries;
  expect(retry(0, new AuthenticationError(401, { message: "over", code: "unauthorized" } as never))).toBe(false);
  expect(retry(0, new TypeError("broken"))).toBe(true);
  expect(retry(1, new TypeError("broken"))).toBe(false);
});
