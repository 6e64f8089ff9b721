import { NotFoundError, type Patch, type Task } from "@codex-remote/sdk";
import { withoutValues } from "@codex-remote/view";
import type { InfiniteData, Query, QueryClient, QueryKey } from "@tanstack/react-query";

import { keys } from "@/queries";
import type { ServerShelf } from "./shelf";

/** Patches that are longer than this, in characters, are not worth the room. */
const MOST_PATCH = 512 * 1024;

const LIST = "tasks";
const REPOSITORIES = "repositories";
const unfiltered = JSON.stringify(keys.list({ status: "", q: "" }));

/** Puts the lists that were seen last where the screens look for them. They count as old, so the screens ask for them anew all the same. */
export async function restoreLists(queries: QueryClient, shelf: ServerShelf): Promise<void> {
  const put = async (name: string, key: QueryKey) => give(queries, key, await shelf.readList(name));
  await Promise.all([put(LIST, JSON.parse(unfiltered) as QueryKey), put(REPOSITORIES, keys.repositories)]);
}

/** The same for a task and its patch. */
export async function restoreTask(queries: QueryClient, shelf: ServerShelf, id: string): Promise<void> {
  const [task, patch] = await Promise.all([shelf.readPart(id, "task"), shelf.readPart(id, "patch")]);
  give(queries, keys.task(id), task);
  give(queries, keys.patch(id), patch);
}

function give(queries: QueryClient, key: QueryKey, saved: { at: number; value: unknown } | null): void {
  if (!saved || queries.getQueryData(key) !== undefined) return;
  queries.setQueryData(key, saved.value, { updatedAt: saved.at });
  // However young it is: nobody has asked since the app was started.
  void queries.invalidateQueries({ queryKey: key, exact: true, refetchType: "none" });
}

/** Keeps what the gateway answers from now on, until the function that this answers with is called. */
export function keepAnswers(queries: QueryClient, shelf: ServerShelf): () => void {
  // An answer that is the same as the last one is the same object.
  const written = new Map<string, unknown>();
  return queries.getQueryCache().subscribe((event) => {
    if (event.type === "removed") written.delete(event.query.queryHash);
    if (event.type !== "updated") return;
    const { query, action } = event;
    const key = query.queryKey as QueryKey;
    if (action.type === "error" && action.error instanceof NotFoundError && isTask(key)) void shelf.forgetTask(key[2]);
    if (action.type !== "success" || action.manual || written.get(query.queryHash) === query.state.data) return;
    written.set(query.queryHash, query.state.data);
    void keep(query as Query, shelf);
  });
}

async function keep({ queryKey, state: { data } }: Query, shelf: ServerShelf): Promise<void> {
  if (isTask(queryKey)) return shelf.keepPart(queryKey[2], "task", withoutValues(data as Task));
  if (queryKey[0] === "tasks" && queryKey[1] === "patch") {
    const patch = data as Patch | null;
    if (!patch || patch.patch.length <= MOST_PATCH) return shelf.keepPart(String(queryKey[2]), "patch", patch);
  } else if (JSON.stringify(queryKey) === unfiltered) {
    const { pages, pageParams } = data as InfiniteData<unknown>;
    return shelf.keepList(LIST, { pages: pages.slice(0, 1), pageParams: pageParams.slice(0, 1) });
  } else if (queryKey[0] === REPOSITORIES) {
    return shelf.keepList(REPOSITORIES, data);
  }
}

const isTask = (key: QueryKey): key is ["tasks", "one", string] => key[0] === "tasks" && key[1] === "one";
