import { type Me, ServerError } from "@codex-remote/sdk";
import { QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { NewToken } from "@/components/account/new-token";
import { AdminGate } from "@/components/admin/gate";
import { UserList } from "@/components/admin/user-list";
import { emptyForm, filterOf, formOf, searchOf } from "@/lib/audit-filter";
import { newPassword } from "@/lib/password";
import { newQueryClient } from "@/lib/queries";

const calls = vi.hoisted(() => ({ me: vi.fn(), create: vi.fn(), users: vi.fn(), user: vi.fn(), update: vi.fn() }));
vi.mock("next/navigation", () => ({ usePathname: () => "/admin/users/" }));
vi.mock("@/lib/client", () => ({
  client: () => ({ me: calls.me, tokens: { create: calls.create }, users: { list: calls.users, get: calls.user, update: calls.update } }),
}));

const me: Me = { id: "u-1", email: "ada@example.test", role: "admin", has_password: true, created_at: "2026-01-01T00:00:00Z", last_login_at: null };
const grace = { ...me, id: "u-2", email: "grace@example.test", role: "user", disabled: false };

beforeEach(() => {
  calls.me.mockReset().mockResolvedValue(me);
  calls.create.mockReset().mockResolvedValue({ id: "k-1", secret: "crr_secret" });
  calls.users.mockReset().mockResolvedValue({ users: [{ ...me, disabled: false }, grace], total: 2, offset: 0, limit: 50, next_cursor: null });
  calls.user.mockReset().mockResolvedValue({ ...grace, open_tasks: 3 });
  calls.update.mockReset().mockResolvedValue({ ...grace, disabled: true, open_tasks: 3 });
});
afterEach(cleanup);

const open = (what: ReactNode) => render(<QueryClientProvider client={newQueryClient()}>{what}</QueryClientProvider>);

describe("the gate", () => {
  const page = <AdminGate>the page</AdminGate>;

  test("opens for administrators", async () => {
    open(page);
    await screen.findByText("the page");
  });

  test("tells others why not, and shows nothing of the page", async () => {
    calls.me.mockResolvedValue({ ...me, role: "user" });
    open(page);
    await screen.findByRole("heading", { name: "For administrators only" });
    expect(screen.queryByText("the page")).toBeNull();
    expect(screen.getByText(/ada@example.test/)).toBeTruthy();
  });

  test("offers another try when nobody can tell", async () => {
    const problem = { code: "x", message: "away", requestId: "r-1", details: null, retryAfter: null };
    calls.me.mockRejectedValueOnce(new ServerError(503, problem));
    open(page);
    fireEvent.click(await screen.findByRole("button", { name: "Try again" }));
    await screen.findByText("the page");
  });
});

describe("disabling somebody", () => {
  test("is asked for, with what becomes of the tasks, and done once", async () => {
    open(<UserList />);
    fireEvent.click(await screen.findByRole("button", { name: "Actions for grace@example.test" }));
    fireEvent.click(await screen.findByRole("menuitem", { name: "Disable …" }));
    const question = await screen.findByRole("alertdialog", { name: "Disable grace@example.test?" });
    await waitFor(() => expect(question.textContent).toContain("3 tasks of theirs are under way. They go on"));
    expect(calls.update).not.toHaveBeenCalled();
    fireEvent.click(screen.getByRole("button", { name: "Disable" }));
    await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
    expect(calls.update).toHaveBeenCalledExactlyOnceWith("u-2", { disabled: true });
    expect(calls.users.mock.calls.length).toBeGreaterThan(1);
  });
});

describe("a new token", () => {
  test("is not asked for without a scope, and is shown once it is there", async () => {
    const onClose = vi.fn();
    open(<NewToken isOpen onClose={onClose} />);
    fireEvent.change(await screen.findByLabelText("Name"), { target: { value: "nightly" } });
    for (const scope of [/look at tasks/, /start and cancel/]) fireEvent.click(screen.getByLabelText(scope));
    fireEvent.click(screen.getByRole("button", { name: "Make the token" }));
    await screen.findByText("Choose at least one thing that the token may do.");
    expect(calls.create).not.toHaveBeenCalled();
    fireEvent.click(screen.getByLabelText(/look at tasks/));
    fireEvent.change(screen.getByLabelText("Runs out after"), { target: { value: "30" } });
    fireEvent.click(screen.getByRole("button", { name: "Make the token" }));
    await screen.findByDisplayValue("crr_secret");
    expect(calls.create).toHaveBeenCalledExactlyOnceWith({ name: "nightly", scopes: ["tasks:read"], expires_in_days: 30 });
    fireEvent.click(screen.getByRole("button", { name: "I have it" }));
    expect(onClose).toHaveBeenCalledOnce();
  });

  test("for administration is offered to administrators only", async () => {
    calls.me.mockResolvedValue({ ...me, role: "user" });
    open(<NewToken isOpen onClose={() => undefined} />);
    await screen.findByLabelText(/look at tasks/);
    await waitFor(() => expect(calls.me).toHaveBeenCalled());
    expect(screen.queryByLabelText(/administrate users/)).toBeNull();
  });
});

test("a filter stands in the address, and goes to the gateway in its words", () => {
  const form = { ...emptyForm, actor: " ada@example.test ", action: "auth.login", from: "2026-05-01T10:30" };
  expect(formOf(new URLSearchParams(searchOf(form)))).toEqual(form);
  expect(searchOf(emptyForm)).toBe("");
  expect(filterOf(form)).toMatchObject({ actor: "ada@example.test", action: "auth.login", target: undefined, to: undefined });
  expect(filterOf(form).from).toBe(new Date(2026, 4, 1, 10, 30).toISOString());
  expect(filterOf({ ...form, from: "soon" }).from).toBeUndefined();
});

test("a generated password is long, can be read out, and is new each time", () => {
  const made = new Set(Array.from({ length: 50 }, newPassword));
  expect(made.size).toBe(50);
  for (const password of made) expect(password).toMatch(/^([a-km-np-z2-9]{5}-){3}[a-km-np-z2-9]{5}$/);
});
