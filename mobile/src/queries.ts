import { type Filter, cancelTask, createTask, defaultOptions, patchQuery, repositoriesQuery, taskQuery, tasksQuery } from "@codex-remote/view";
import { QueryClient, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { clientFor } from "@/servers/client";
import { useServerUrl } from "@/servers/context";

export { type Filter, flat, keys } from "@codex-remote/view";

const clients = new Map<string, QueryClient>();

/** What is known of a server. */
export function queriesFor(url: string): QueryClient {
  let client = clients.get(url);
  if (!client) {
    client = new QueryClient({ defaultOptions });
    clients.set(url, client);
  }
  return client;
}

export function forgetQueries(url: string): void {
  clients.get(url)?.clear();
  clients.delete(url);
}

function useClient() {
  const url = useServerUrl();
  return () => clientFor(url);
}

export const useTasks = (filter: Filter, isLookedAt: boolean) => useInfiniteQuery(tasksQuery(useClient(), filter, isLookedAt));
export const useTask = (id: string) => useQuery(taskQuery(useClient(), id));
export const useRepositories = () => useQuery(repositoriesQuery(useClient()));
/** What a finished task changed; `null` when that is nothing. */
export const usePatch = (id: string, isFinal: boolean) => useQuery(patchQuery(useClient(), id, isFinal));
export const useCreateTask = () => useMutation(createTask(useClient(), useQueryClient()));
export const useCancelTask = (id: string) => useMutation(cancelTask(useClient(), useQueryClient(), id));
