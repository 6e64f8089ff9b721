import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { AnsiLine } from "@/components/live/ansi-line";
import { Composer } from "@/components/tasks/composer";
import MarkdownRenderer from "@/components/ui/markdown-renderer";
import { newQueryClient } from "@/lib/queries";
import { readSettings } from "@/lib/settings";

const router = vi.hoisted(() => ({ push: vi.fn() }));
const calls = vi.hoisted(() => ({ create: vi.fn(), repositories: vi.fn() }));
vi.mock("next/navigation", () => ({ useRouter: () => router }));
vi.mock("@/lib/client", () => ({ client: () => ({ tasks: { create: calls.create }, repositories: { list: calls.repositories } }) }));

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
  calls.create.mockReset().mockResolvedValue({ task_id: "t-1", status: "queued" });
  calls.repositories.mockReset().mockResolvedValue([
    { name: "one", path: "/srv/repos/one", description: null, model: null, timeout_seconds: null, default: false },
    { name: "two", path: "/srv/repos/two", description: null, model: "gpt-x", timeout_seconds: 600, default: true },
  ]);
  router.push.mockReset();
});
afterEach(cleanup);

describe("a line of a terminal", () => {
  const html = (text: string, mark?: string) => render(<AnsiLine text={text} {...(mark && { mark })} />).container.innerHTML;

  test("has its colours as classes, never as styles", () => {
    expect(html("\u001b[1;31mbad\u001b[0m fine")).toBe('<span class="ansi-red-fg ansi-bold">bad</span><span class=""> fine</span>');
    expect(html("\u001b[38;2;1;2;3mtrue colour\u001b[0m")).not.toContain("style");
  });

  test("loses what steers a terminal and is no colour", () => {
    expect(html("\u001b]0;title\u0007a\u001b[2Kb\u001b[10;5Hc\u0008\u0000d")).toBe("abcd");
  });

  test("is text, whatever stands in it", () => {
    expect(html("<img src=x onerror=alert(1)>")).toBe("&lt;img src=x onerror=alert(1)&gt;");
  });

  test("shows what is searched for, in any case, with and without colours", () => {
    expect(html("An ERROR, an error", "error")).toBe('An <mark class="bg-mark text-text">ERROR</mark>, an <mark class="bg-mark text-text">error</mark>');
    expect(html("\u001b[32man error\u001b[0m", "error")).toContain("<mark");
  });
});

describe("a message of an agent", () => {
  const html = (text: string) => render(<MarkdownRenderer text={text} />).container.innerHTML;

  test("is drawn, but brings nothing to run and nothing to load", () => {
    expect(html("# Title\n\n- `code`")).toContain("<h1>Title</h1>");
    expect(html("<script>alert(1)</script><b onclick=x>hi</b>")).not.toMatch(/<script|<b /);
    expect(html("![pixel](https://tracker.example/p.png)")).not.toContain("<img");
    expect(html("[x](javascript:alert(1))")).not.toContain("javascript:");
    expect(html("[x](https://example.com)")).toContain('rel="noopener noreferrer nofollow"');
  });
});

describe("the composer", () => {
  const open = async () => {
    render(
      <QueryClientProvider client={newQueryClient()}>
        <Composer />
      </QueryClientProvider>,
    );
    await screen.findByRole("option", { name: "two" });
  };
  const prompt = () => screen.getByLabelText("What should Codex do?");

  test("Ctrl and Enter submit to the default repository, and lead to the task", async () => {
    await open();
    fireEvent.change(prompt(), { target: { value: "do it" } });
    fireEvent.keyDown(prompt(), { key: "Enter" });
    expect(calls.create).not.toHaveBeenCalled();
    fireEvent.keyDown(prompt(), { key: "Enter", ctrlKey: true });
    await waitFor(() => expect(router.push).toHaveBeenCalledWith("/task/?id=t-1"));
    expect(calls.create).toHaveBeenCalledExactlyOnceWith({ prompt: "do it", cwd: "/srv/repos/two", env: undefined, model: undefined, timeout_seconds: undefined });
  });

  test("what was chosen is remembered, but not the values of variables", async () => {
    await open();
    fireEvent.change(screen.getByLabelText("Repository"), { target: { value: "/srv/repos/one" } });
    fireEvent.change(screen.getByLabelText("Model"), { target: { value: "gpt-y" } });
    fireEvent.change(screen.getByLabelText("Time limit in minutes"), { target: { value: "5" } });
    fireEvent.click(screen.getByRole("button", { name: "Add a variable" }));
    fireEvent.change(screen.getByLabelText("Name"), { target: { value: "LEVEL" } });
    fireEvent.change(screen.getByLabelText("Value"), { target: { value: "s3cret" } });
    fireEvent.change(prompt(), { target: { value: "do it" } });
    fireEvent.click(screen.getByRole("button", { name: "Start task" }));
    await waitFor(() => expect(calls.create).toHaveBeenCalled());
    expect(calls.create).toHaveBeenCalledWith({ prompt: "do it", cwd: "/srv/repos/one", env: { LEVEL: "s3cret" }, model: "gpt-y", timeout_seconds: 300 });
    expect(readSettings()).toMatchObject({ repository: "/srv/repos/one", model: "gpt-y", minutes: "5" });
    const kept = [localStorage, sessionStorage].flatMap((storage) => Array.from({ length: storage.length }, (_, index) => storage.getItem(storage.key(index)!)));
    expect(kept).not.toHaveLength(0);
    expect(kept.join()).not.toContain("s3cret");
  });

  test("a draft outlives the page until it has become a task", async () => {
    await open();
    fireEvent.change(prompt(), { target: { value: "half a thought" } });
    cleanup();
    await open();
    expect((prompt() as HTMLTextAreaElement).value).toBe("half a thought");
    fireEvent.keyDown(prompt(), { key: "Enter", metaKey: true });
    await waitFor(() => expect(router.push).toHaveBeenCalled());
    expect(sessionStorage.length).toBe(0);
  });

  test("a broken setting is none", () => {
    localStorage.setItem("codex-remote.settings", '{"theme":7,"model":"m","other":1}');
    expect(readSettings()).toMatchObject({ theme: "system", model: "m" });
    localStorage.setItem("codex-remote.settings", "{");
    expect(readSettings().model).toBe("");
  });
});
