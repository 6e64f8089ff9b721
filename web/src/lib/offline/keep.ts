import { NotFoundError, type Task } from "@codex-remote/sdk";
import { withoutValues } from "@codex-remote/view";
import type { InfiniteData, Query, QueryClient, QueryKey } from "@tanstack/react-query";

import { keys } from "../queries";
import type { Shelf } from "./shelf";

/** Patches that are longer than this, in characters, are not worth the room. */
const MOST_PATCH = 256 * 1024;

const LIST = "list";
const REPOSITORIES = "repositories";
const unfiltered = JSON.stringify(keys.list({ status: "", q: "" }));

/** Puts what was seen last where the pages look for it. It counts as old, so they ask for it anew all the same. */
export async function restore(queries: QueryClient, shelf: Shelf): Promise<void> {
  const put = async (name: string, key: QueryKey) => {
    const saved = await shelf.find(name);
    if (saved && queries.getQueryData(key) === undefined) queries.setQueryData(key, saved.value, { updatedAt: saved.at });
  };
  const tasks = (await shelf.tasks()).flatMap((id) => [put(`task:${id}`, keys.task(id)), put(`patch:${id}`, keys.patch(id))]);
  await Promise.all([put(LIST, JSON.parse(unfiltered) as QueryKey), put(REPOSITORIES, keys.repositories), ...tasks]);
}

/** Keeps what the gateway answers from now on, until the function that this answers with is called. */
export function keepAnswers(queries: QueryClient, shelf: Shelf): () => void {
  // An answer that is the same as the last one is the same object.
  const written = new Map<string, unknown>();
  return queries.getQueryCache().subscribe((event) => {
    if (event.type !== "updated") return;
    const { query, action } = event;
    if (action.type === "error" && action.error instanceof NotFoundError && isTask(query.queryKey as QueryKey)) void shelf.forgetTask(String((query.queryKey as QueryKey)[2]));
    if (action.type !== "success" || action.manual || written.get(query.queryHash) === query.state.data) return;
    written.set(query.queryHash, query.state.data);
    void keep(query as Query, shelf);
  });
}

async function keep({ queryKey, state: { data } }: Query, shelf: Shelf): Promise<void> {
  if (isTask(queryKey)) return shelf.writeTask(queryKey[2], "task", withoutValues(data as Task));
  if (queryKey[0] === "tasks" && queryKey[1] === "patch") {
    const patch = data as { patch: string } | null;
    if (patch && patch.patch.length <= MOST_PATCH) return shelf.writeTask(String(queryKey[2]), "patch", patch);
  } else if (JSON.stringify(queryKey) === unfiltered) {
    const { pages, pageParams } = data as InfiniteData<unknown>;
    return shelf.write(LIST, { pages: pages.slice(0, 1), pageParams: pageParams.slice(0, 1) });
  } else if (queryKey[0] === REPOSITORIES) {
    return shelf.write(REPOSITORIES, data);
  }
}

const isTask = (key: QueryKey): key is ["tasks", "one", string] => key[0] === "tasks" && key[1] === "one";
