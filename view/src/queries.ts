import { APIError, AuthenticationError, type CodexClient, type NewTask, NotFoundError, type Patch, type Task, type TaskPage, type TaskState } from "@codex-remote/sdk";

/** What both clients ask the gateway for, as options of TanStack Query; each client has its own hooks around them. Who is asked is looked up when something is asked. */

/** Which tasks are listed; what is empty does not matter. */
export interface Filter {
  status: TaskState | "";
  q: string;
}

/** All keys, so that what one part writes another one finds. They do not name the server: who has several keeps their answers apart. */
export const keys = {
  tasks: ["tasks"] as const,
  list: (filter: Filter) => ["tasks", "list", filter] as const,
  task: (id: string) => ["tasks", "one", id] as const,
  patch: (id: string) => ["tasks", "patch", id] as const,
  repositories: ["repositories"] as const,
};

/** Tasks on a page of the list. */
const PAGE = 50;
/** How often the list is read again while it is looked at, in milliseconds. */
const REFRESH = 5_000;

/** Of a `QueryClient`. */
export const defaultOptions = {
  queries: {
    // The SDK tries again by itself; here only what has been given up is counted.
    retry: (count: number, error: Error) => !(error instanceof APIError) && count < 1,
    staleTime: 2_000,
    // Without a network, old data is better than a spinner; requests fail by themselves.
    networkMode: "always",
  },
  mutations: { networkMode: "always" },
} as const;

interface Asked {
  signal: AbortSignal;
}

/** The tasks that match, page after page. They are read again only while `isLookedAt`: a phone in a pocket asks for nothing. */
export const tasksQuery = (client: () => CodexClient, filter: Filter, isLookedAt: boolean) => ({
  queryKey: keys.list(filter),
  queryFn: ({ pageParam, signal }: Asked & { pageParam: string | undefined }) =>
    client().tasks.list({ cursor: pageParam, limit: PAGE, status: filter.status || undefined, q: filter.q || undefined }, { signal }),
  // Each page begins where the one before ended, also when all are read again, so new tasks neither hide nor repeat any.
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last: TaskPage) => last.next_cursor ?? undefined,
  // While another filter is asked for, what the one before has found stays.
  placeholderData: <T>(previous: T) => previous,
  // Reading again takes a request for each page that is open, so many pages are read less often.
  refetchInterval: ({ state }: { state: { error: Error | null; data?: { pages: TaskPage[] } } }) =>
    !isLookedAt || state.error instanceof AuthenticationError ? false : REFRESH * Math.max(1, state.data?.pages.length ?? 1),
});

/** All tasks of the pages that were read. */
export const flat = (pages: TaskPage[] | undefined): Task[] => (pages ?? []).flatMap((page) => page.tasks);

export const taskQuery = (client: () => CodexClient, id: string) => ({ queryKey: keys.task(id), queryFn: ({ signal }: Asked) => client().tasks.get(id, { signal }) });

export const repositoriesQuery = (client: () => CodexClient) => ({ queryKey: keys.repositories, queryFn: ({ signal }: Asked) => client().repositories.list({ signal }), staleTime: 60_000 });

/** What a finished task changed; `null` when that is nothing. */
export const patchQuery = (client: () => CodexClient, id: string, isFinal: boolean) => ({
  queryKey: keys.patch(id),
  queryFn: async ({ signal }: Asked): Promise<Patch | null> => {
    try {
      return await client().tasks.patch(id, { signal });
    } catch (error) {
      if (error instanceof NotFoundError) return null;
      throw error;
    }
  },
  enabled: isFinal,
  staleTime: Infinity,
});

interface Queries {
  invalidateQueries(filter: { queryKey: readonly unknown[] }): Promise<void>;
}

export const createTask = (client: () => CodexClient, queries: Queries) => ({
  mutationFn: (task: NewTask) => client().tasks.create(task),
  onSuccess: () => queries.invalidateQueries({ queryKey: keys.tasks }),
});

export const cancelTask = (client: () => CodexClient, queries: Queries, id: string) => ({
  mutationFn: () => client().tasks.cancel(id),
  onSettled: () => queries.invalidateQueries({ queryKey: keys.task(id) }),
});
