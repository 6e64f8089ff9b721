import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { changeSettings } from "@/lib/settings";
import { useShortcuts } from "@/lib/shortcuts";

const did = vi.fn<(what: string) => void>();

function Page({ children }: { children?: React.ReactNode }) {
  useShortcuts({ j: () => did("j"), "g t": () => did("g t"), "?": () => did("?") });
  return (
    <main>
      <input aria-label="field" />
      <textarea aria-label="text" />
      <input aria-label="choice" type="checkbox" />
      {children}
    </main>
  );
}

function Panel() {
  useShortcuts({ j: () => did("panel j") });
  return null;
}

beforeEach(() => {
  localStorage.clear();
  did.mockReset();
});
afterEach(cleanup);
const press = (key: string, more: object = {}, target: Element = document.body) => fireEvent.keyDown(target, { key, ...more });

describe("shortcuts", () => {
  test("one key, and one after the other", () => {
    render(<Page />);
    press("j");
    press("?", { shiftKey: true });
    press("g");
    press("t");
    press("t");
    expect(did.mock.calls.flat()).toEqual(["j", "?", "g t"]);
  });

  test("a second key that comes late, or is another one, does nothing", () => {
    render(<Page />);
    press("g");
    press("x");
    press("t");
    vi.useFakeTimers({ toFake: ["performance"] });
    press("g");
    vi.advanceTimersByTime(2_000);
    press("t");
    vi.useRealTimers();
    expect(did).not.toHaveBeenCalled();
  });

  test("what was added last comes first, and gives the key back when it is gone", () => {
    const { rerender } = render(<Page />);
    rerender(
      <Page>
        <Panel />
      </Page>,
    );
    press("j");
    rerender(<Page />);
    press("j");
    expect(did.mock.calls.flat()).toEqual(["panel j", "j"]);
  });

  test("nothing where somebody writes, with other keys held, in dialogs, and when they are turned off", () => {
    const { rerender } = render(<Page />);
    press("j", {}, screen.getByLabelText("field"));
    press("j", {}, screen.getByLabelText("text"));
    press("j", { ctrlKey: true });
    press("j", { metaKey: true });
    press("j", { altKey: true });
    rerender(
      <Page>
        <div role="dialog" />
      </Page>,
    );
    press("j");
    rerender(<Page />);
    changeSettings({ shortcuts: false });
    press("j");
    expect(did).not.toHaveBeenCalled();
    changeSettings({ shortcuts: true });
    press("j", {}, screen.getByLabelText("choice"));
    expect(did).toHaveBeenCalledOnce();
  });

  test("Escape leaves a field, but clears it first", () => {
    render(<Page />);
    const field = screen.getByLabelText<HTMLInputElement>("field");
    field.focus();
    field.value = "something";
    press("Escape", {}, field);
    expect(document.activeElement).toBe(field);
    field.value = "";
    press("Escape", {}, field);
    expect(document.activeElement).not.toBe(field);
  });
});
