import { APIError, AuthenticationError, type NewTask, type Task, type TaskPage, type TaskState } from "@codex-remote/sdk";
import { QueryClient, keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { clientFor } from "@/servers/client";
import { useServerUrl } from "@/servers/context";

export interface Filter {
  status: TaskState | "";
  q: string;
}

/** All keys, so that what one part writes another one finds. Each server has a `QueryClient` of its own, so they do not name it. */
export const keys = {
  tasks: ["tasks"] as const,
  list: (filter: Filter) => ["tasks", "list", filter] as const,
  task: (id: string) => ["tasks", "one", id] as const,
  patch: (id: string) => ["tasks", "patch", id] as const,
  repositories: ["repositories"] as const,
};

const PAGE = 50;
/** How often the list is read again while it is looked at, in milliseconds. */
const REFRESH = 5_000;

const clients = new Map<string, QueryClient>();

/** What is known of a server. */
export function queriesFor(url: string): QueryClient {
  let client = clients.get(url);
  if (!client) {
    client = newQueryClient();
    clients.set(url, client);
  }
  return client;
}

export function forgetQueries(url: string): void {
  clients.get(url)?.clear();
  clients.delete(url);
}

function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // The SDK tries again by itself; here only what has been given up is counted.
        retry: (count, error) => !(error instanceof APIError) && count < 1,
        staleTime: 2_000,
        // Without a network, old data is better than a spinner; requests fail by themselves.
        networkMode: "always",
      },
      mutations: { networkMode: "always" },
    },
  });
}

/** The tasks that match, page after page. They are read again only while `isLookedAt`: a phone in a pocket asks for nothing. */
export function useTasks(filter: Filter, isLookedAt: boolean) {
  const client = clientFor(useServerUrl());
  return useInfiniteQuery({
    queryKey: keys.list(filter),
    queryFn: ({ pageParam, signal }) => client.tasks.list({ cursor: pageParam, limit: PAGE, status: filter.status || undefined, q: filter.q || undefined }, { signal }),
    // Each page begins where the one before ended, also when all are read again, so new tasks neither hide nor repeat any.
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last: TaskPage) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    // Reading again takes a request for each page that is open, so many pages are read less often.
    refetchInterval: ({ state }) => (!isLookedAt || state.error instanceof AuthenticationError ? false : REFRESH * Math.max(1, state.data?.pages.length ?? 1)),
  });
}

export const flat = (pages: TaskPage[] | undefined): Task[] => (pages ?? []).flatMap((page) => page.tasks);

export function useTask(id: string) {
  const client = clientFor(useServerUrl());
  return useQuery({ queryKey: keys.task(id), queryFn: ({ signal }) => client.tasks.get(id, { signal }) });
}

export function useRepositories() {
  const client = clientFor(useServerUrl());
  return useQuery({ queryKey: keys.repositories, queryFn: ({ signal }) => client.repositories.list({ signal }), staleTime: 60_000 });
}

export function useCreateTask() {
  const client = clientFor(useServerUrl());
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (task: NewTask) => client.tasks.create(task),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.tasks }),
  });
}

export function useCancelTask(id: string) {
  const client = clientFor(useServerUrl());
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => client.tasks.cancel(id),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.task(id) }),
  });
}
