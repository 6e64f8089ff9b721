import { NotFoundError, type Patch } from "@codex-remote/sdk";
import { useQuery } from "@tanstack/react-query";

import { keys } from "@/queries";
import { clientFor } from "@/servers/client";
import { useServerUrl } from "@/servers/context";

/** What a finished task changed; `null` when that is nothing. */
export function usePatch(id: string, isFinal: boolean) {
  const client = clientFor(useServerUrl());
  return useQuery({
    queryKey: keys.patch(id),
    queryFn: async ({ signal }): Promise<Patch | null> => {
      try {
        return await client.tasks.patch(id, { signal });
      } catch (error) {
        if (error instanceof NotFoundError) return null;
        throw error;
      }
    },
    enabled: isFinal,
    staleTime: Infinity,
  });
}
