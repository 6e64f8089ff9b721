import { setStringAsync } from "expo-clipboard";
import { useEffect, useState } from "react";

import { t } from "@/task/strings";
import { Button, type ButtonProps } from "@/ui/button";

/** How long a button says what came of it, in milliseconds. */
const SHOWN = 2_500;

interface ActionButtonProps extends Omit<ButtonProps, "onPress"> {
  /** What the button says for a while after it was done. */
  done: string;
  run: () => Promise<unknown>;
  onProblem?: (error: unknown) => void;
}

/** Does something that takes a moment, and says that it is done. */
export function ActionButton({ title, done, run, onProblem, ...rest }: ActionButtonProps) {
  const [state, setState] = useState<"idle" | "busy" | "done">("idle");
  useEffect(() => {
    if (state !== "done") return;
    const timer = setTimeout(() => setState("idle"), SHOWN);
    return () => clearTimeout(timer);
  }, [state]);
  const onPress = async () => {
    setState("busy");
    try {
      await run();
      setState("done");
    } catch (error) {
      setState("idle");
      onProblem?.(error);
    }
  };
  return <Button title={state === "done" ? done : title} isDisabled={state === "busy"} onPress={() => void onPress()} {...rest} />;
}

/** Copies a text, which is made when it is asked for. */
export function CopyButton({ text, title = t.copy, ...rest }: Partial<Omit<ActionButtonProps, "run" | "done">> & { text: () => string }) {
  return <ActionButton title={title} done={t.copied} run={() => setStringAsync(text())} {...rest} />;
}
