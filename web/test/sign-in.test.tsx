import { QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { SignIn } from "@/components/sign-in";
import { newQueryClient } from "@/lib/queries";

const calls = vi.hoisted(() => ({ signIn: vi.fn(), signInMethods: vi.fn() }));
vi.mock("@/lib/client", () => ({ signIn: calls.signIn, signInWithCode: vi.fn(), client: () => ({ signInMethods: calls.signInMethods }) }));

beforeEach(() => {
  sessionStorage.clear();
  calls.signIn.mockReset().mockResolvedValue(undefined);
  calls.signInMethods.mockReset().mockResolvedValue({ password: true, oidc: { name: "Example ID" } });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const open = () =>
  render(
    <QueryClientProvider client={newQueryClient()}>
      <SignIn />
    </QueryClientProvider>,
  );
const provider = () => screen.findByRole("button", { name: "Continue with Example ID" });

describe("the sign-in", () => {
  test("offers what the gateway says", async () => {
    open();
    await provider();
    expect(screen.getByLabelText("Password")).toBeTruthy();
    cleanup();
    calls.signInMethods.mockResolvedValue({ password: false, oidc: { name: "Example ID" } });
    open();
    await provider();
    expect(screen.queryByLabelText("Password")).toBeNull();
  });

  test("is a password where the gateway cannot be asked", async () => {
    calls.signInMethods.mockRejectedValue(new Error("away"));
    open();
    fireEvent.change(await screen.findByLabelText("Email"), { target: { value: "a@example.test" } });
    fireEvent.change(screen.getByLabelText("Password"), { target: { value: "secret" } });
    fireEvent.submit(screen.getByLabelText("Password").closest("form")!);
    await vi.waitFor(() => expect(calls.signIn).toHaveBeenCalledExactlyOnceWith("a@example.test", "secret"));
    expect(screen.queryByRole("button", { name: /Continue/ })).toBeNull();
  });

  test("takes the hash of a secret to the provider, and the page to come back to", async () => {
    vi.stubGlobal("isSecureContext", true);
    const assign = vi.fn();
    vi.stubGlobal("location", { pathname: "/task/", search: "?id=1", hash: "#f17", assign });
    open();
    fireEvent.click(await provider());
    await vi.waitFor(() => expect(assign).toHaveBeenCalledOnce());
    const url = new URL(String(assign.mock.calls[0]![0]), "https://codex.test");
    expect(url.pathname).toBe("/auth/oidc/login");
    expect(url.searchParams.get("return_to")).toBe("/task/?id=1");
    const begun = JSON.parse(sessionStorage.getItem("codex-remote.sso")!) as { verifier: string; hash: string };
    expect(begun.hash).toBe("#f17");
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(begun.verifier)));
    expect(url.searchParams.get("challenge")).toBe(Buffer.from(digest).toString("base64url"));
    expect(url.href).not.toContain(begun.verifier);
  });

  test("says where it cannot work", async () => {
    vi.stubGlobal("isSecureContext", false);
    open();
    fireEvent.click(await provider());
    expect((await screen.findByRole("alert")).textContent).toContain("https");
  });
});
