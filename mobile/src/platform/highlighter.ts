export type Highlighter = typeof import("@codex-remote/view/highlight");

/** Syntax colours. The grammars are made when the first code is shown, not when the app starts. */
// eslint-disable-next-line @typescript-eslint/no-require-imports -- What is imported at the top is there at the start.
export const useHighlighter = (): Highlighter | null => require("@codex-remote/view/highlight") as Highlighter;
