import { count } from "@codex-remote/view";
import { memo, useMemo, useState } from "react";
import { StyleSheet, View } from "react-native";

import { t } from "@/task/strings";
import { Button } from "@/ui/button";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";
import { CodeBlock } from "./code-block";
import { Inlines } from "./inlines";
import { type Block, type ListItem, blocksOf } from "./parse";
import { partsOf } from "./parts";
import { Table } from "./table";

type Tone = "text" | "soft";

/** A message of an agent, of which a long one comes in parts. One that is still being written grows at its end, and only its last part is read again. */
export const MarkdownView = memo(function MarkdownView({ text, isSoft = false }: { text: string; isSoft?: boolean }) {
  const parts = useMemo(() => partsOf(text), [text]);
  const [most, setMost] = useState(1);
  const rest = parts.slice(most).reduce((sum, part) => sum + part.length, 0);
  return (
    <View style={styles.blocks}>
      {parts.slice(0, most).map((part, index) => (
        <Part key={index} text={part} tone={isSoft ? "soft" : "text"} />
      ))}
      {rest > 0 && <Button kind="quiet" style={styles.more} title={t.showMore(count(rest))} onPress={() => setMost(most + 1)} />}
    </View>
  );
});

const Part = memo(function Part({ text, tone }: { text: string; tone: Tone }) {
  const blocks = useMemo(() => blocksOf(text), [text]);
  return <Blocks blocks={blocks} tone={tone} />;
});

function Blocks({ blocks, tone }: { blocks: Block[]; tone: Tone }) {
  return (
    <View style={styles.blocks}>
      {blocks.map((block, index) => (
        <BlockView key={index} block={block} tone={tone} />
      ))}
    </View>
  );
}

function BlockView({ block, tone }: { block: Block; tone: Tone }) {
  const colors = useColors();
  switch (block.kind) {
    case "paragraph":
      return (
        <Text tone={tone} selectable>
          <Inlines parts={block.parts} />
        </Text>
      );
    case "heading":
      return (
        <Text kind="strong" tone={tone} role="heading" aria-level={Math.min(6, block.level + 2)} selectable>
          <Inlines parts={block.parts} />
        </Text>
      );
    case "code":
      return <CodeBlock text={block.text} language={block.language} />;
    case "quote":
      return (
        <View style={[styles.quote, { borderLeftColor: colors.edge }]}>
          <Blocks blocks={block.blocks} tone="soft" />
        </View>
      );
    case "list":
      return (
        <View role="list" style={styles.list}>
          {block.items.map((item, index) => (
            <View key={index} role="listitem" style={styles.item}>
              <Marker item={item} number={block.start === null ? null : block.start + index} />
              <View style={styles.fill}>
                <Blocks blocks={item.blocks} tone={tone} />
              </View>
            </View>
          ))}
        </View>
      );
    case "table":
      return <Table aligns={block.aligns} head={block.head} rows={block.rows} />;
    case "rule":
      return <View role="separator" style={[styles.rule, { backgroundColor: colors.line }]} />;
  }
}

function Marker({ item: { isDone }, number }: { item: ListItem; number: number | null }) {
  if (isDone !== null) {
    return (
      <Text tone={isDone ? "good" : "soft"} role="img" aria-label={isDone ? t.done : t.open}>
        {isDone ? "☑" : "☐"}
      </Text>
    );
  }
  return <Text tone="soft">{number === null ? "•" : `${number}.`}</Text>;
}

const styles = StyleSheet.create({
  blocks: { gap: space.s },
  list: { gap: space.xs },
  item: { flexDirection: "row", gap: space.s },
  fill: { flex: 1, minWidth: 0 },
  quote: { borderLeftWidth: 3, paddingLeft: space.s },
  rule: { height: 1, marginVertical: space.xs },
  more: { alignSelf: "flex-start", paddingHorizontal: 0 },
});
