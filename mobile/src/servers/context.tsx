import { QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, createContext, useContext } from "react";

import { queriesFor } from "@/queries";

const Context = createContext<string | null>(null);

/** Everything below talks to this server. */
export function ServerProvider({ url, children }: { url: string; children: ReactNode }) {
  return (
    <Context.Provider value={url}>
      <QueryClientProvider client={queriesFor(url)}>{children}</QueryClientProvider>
    </Context.Provider>
  );
}

/** The origin of the server that the screens show. */
export function useServerUrl(): string {
  const url = useContext(Context);
  if (url === null) throw new Error("there is no server around this component");
  return url;
}
