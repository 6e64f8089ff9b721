import { type Filter, cancelTask, createTask, defaultOptions, patchQuery, repositoriesQuery, taskQuery, tasksQuery } from "@codex-remote/view";
import { QueryClient, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { client } from "./client";

export { type Filter, flat, keys } from "@codex-remote/view";

export const newQueryClient = () => new QueryClient({ defaultOptions });

// TanStack Query asks nothing for a page that nobody sees, so the list is always taken as looked at.
export const useTasks = (filter: Filter) => useInfiniteQuery(tasksQuery(client, filter, true));
export const useTask = (id: string) => useQuery(taskQuery(client, id));
export const useRepositories = () => useQuery(repositoriesQuery(client));
/** What a finished task changed; `null` when that is nothing. */
export const usePatch = (id: string, isFinal: boolean) => useQuery(patchQuery(client, id, isFinal));
export const useCreateTask = () => useMutation(createTask(client, useQueryClient()));
export const useCancelTask = (id: string) => useMutation(cancelTask(client, useQueryClient(), id));
