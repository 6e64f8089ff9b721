import {
  type AuditFilter,
  type AuditPage,
  type NewApiToken,
  type NewUser,
  type User,
  type UserChange,
  type UserPage,
} from "@codex-remote/sdk";
import { type InfiniteData, keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { client } from "./client";

/** All keys of what is about people and what they did. */
export const adminKeys = {
  me: ["me"] as const,
  users: ["users"] as const,
  userList: (q: string) => ["users", "list", q] as const,
  user: (id: string) => ["users", "one", id] as const,
  tokens: ["tokens"] as const,
  tokenList: (userId: string | undefined) => ["tokens", userId ?? "mine"] as const,
  audit: (filter: AuditFilter) => ["audit", filter] as const,
};

const USERS_PAGE = 50;
const AUDIT_PAGE = 100;

/** Who is signed in. Roles change seldom, and the gateway asks anew each time anyway. */
export function useMe(isSignedIn = true) {
  return useQuery({ queryKey: adminKeys.me, queryFn: ({ signal }) => client().me({ signal }), staleTime: 60_000, enabled: isSignedIn });
}

export function useUsers(q: string) {
  return useInfiniteQuery({
    queryKey: adminKeys.userList(q),
    queryFn: ({ pageParam, signal }) => client().users.list({ cursor: pageParam, limit: USERS_PAGE, q: q.trim() || undefined }, { signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last: UserPage) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}

export function flatUsers(data: InfiniteData<UserPage> | undefined): User[] {
  return (data?.pages ?? []).flatMap(({ users }) => users);
}

/** A user with the tasks that are under way, read when somebody asks about them. */
export function useUserDetails(id: string) {
  return useQuery({ queryKey: adminKeys.user(id), queryFn: ({ signal }) => client().users.get(id, { signal }), staleTime: 0 });
}

/** Everything that changes users. Each promise ends when the list is on its way to be read again. */
export function useUserActions() {
  const queries = useQueryClient();
  const reread = async <T>(answer: Promise<T>): Promise<T> => {
    const done = await answer;
    await Promise.all([queries.invalidateQueries({ queryKey: adminKeys.users }), queries.invalidateQueries({ queryKey: adminKeys.me })]);
    return done;
  };
  return {
    create: (user: NewUser) => reread(client().users.create(user)),
    update: (id: string, change: UserChange) => reread(client().users.update(id, change)),
    remove: (id: string) => reread(client().users.delete(id)),
  };
}

/** One's own tokens, or, for administrators, those of somebody. */
export function useTokens(userId?: string) {
  return useQuery({ queryKey: adminKeys.tokenList(userId), queryFn: ({ signal }) => client().tokens.list({ userId, signal }) });
}

export function useTokenActions() {
  const queries = useQueryClient();
  const reread = () => queries.invalidateQueries({ queryKey: adminKeys.tokens });
  const create = useMutation({ mutationFn: (token: NewApiToken) => client().tokens.create(token), onSuccess: reread, networkMode: "always", gcTime: 0 });
  const revoke = async (id: string) => {
    await client().tokens.revoke(id);
    await reread();
  };
  return { create, revoke };
}

export function useAudit(filter: AuditFilter) {
  return useInfiniteQuery({
    queryKey: adminKeys.audit(filter),
    queryFn: ({ pageParam, signal }) => client().audit.list({ ...filter, cursor: pageParam, limit: AUDIT_PAGE }, { signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last: AuditPage) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    // What is on record does not change, and it grows at the top only: it is read again when somebody asks for that.
    staleTime: Infinity,
    gcTime: 0,
  });
}
