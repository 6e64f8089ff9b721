import { count } from "@codex-remote/view";

import { Text } from "@/ui/text";
import { t } from "./strings";

/** How many lines were added and removed. */
export function Counts({ added, removed }: { added: number; removed: number }) {
  return (
    <Text kind="small" aria-label={`${t.diff.added(added)}, ${t.diff.removed(removed)}`}>
      <Text kind="small" tone="good">
        +{count(added)}
      </Text>{" "}
      <Text kind="small" tone="bad">
        −{count(removed)}
      </Text>
    </Text>
  );
}
