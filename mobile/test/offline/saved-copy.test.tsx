import { ConnectionError } from "@codex-remote/sdk";
import { QueryClient } from "@tanstack/react-query";
import { render, renderHook, screen, waitFor } from "@testing-library/react-native";

import { restoreLists } from "@/offline/keep";
import { SavedCopy, useSavedCopy } from "@/offline/saved-copy";
import type { ServerShelf } from "@/offline/shelf";
import { keys } from "@/queries";
import { patient } from "../support/app";

const unfiltered = keys.list({ status: "", q: "" });

test("what was kept a moment ago is asked for anew all the same", async () => {
  const queries = new QueryClient({ defaultOptions: { queries: { staleTime: 60_000, gcTime: Infinity } } });
  const shelf = { readList: (name: string) => Promise.resolve(name === "tasks" ? { at: Date.now(), value: { pages: [], pageParams: [] } } : null) };
  await restoreLists(queries, shelf as unknown as ServerShelf);
  expect(queries.getQueryData(unfiltered)).toEqual({ pages: [], pageParams: [] });
  expect(queries.getQueryState(unfiltered)?.isInvalidated).toBe(true);
});

test("a gateway that has not answered yet is not called away", async () => {
  const kept: Parameters<typeof useSavedCopy>[0] = { data: [], dataUpdatedAt: 1_000, error: null };
  const { result, rerender } = renderHook(useSavedCopy, { initialProps: kept });
  expect(result.current).toBeNull();
  await waitFor(() => expect(result.current).toEqual({ at: 1_000, isAway: false }), patient);
  rerender({ ...kept, error: new ConnectionError("refused") });
  expect(result.current).toEqual({ at: 1_000, isAway: true });
  rerender({ data: [], dataUpdatedAt: Date.now(), error: null });
  expect(result.current).toBeNull();
});

test("a copy says how old it is, and what is known of the gateway", () => {
  const at = Date.now() - 3 * 3_600_000;
  render(<SavedCopy copy={{ at, isAway: true }} />);
  expect(screen.getByText("A saved copy, seen 3 hr. ago.")).toBeOnTheScreen();
  const status = () => {
    const text = screen.getByText(/^The gateway/);
    let around = text.parent;
    while (around && !around.props.role) around = around.parent;
    return { role: around?.props.role as unknown, text: text.props.children as unknown };
  };
  // Only what does not change by itself is read out when it does.
  expect(status()).toEqual({ role: "status", text: "The gateway cannot be reached now." });
  screen.rerender(<SavedCopy copy={{ at, isAway: false }} />);
  expect(status()).toEqual({ role: "status", text: "The gateway has not answered yet." });
});
