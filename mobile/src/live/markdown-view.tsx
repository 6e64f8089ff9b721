import { memo, useMemo } from "react";
import { Linking, ScrollView, StyleSheet, Text as Plain, View } from "react-native";

import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";
import { type Block, type Inline, blocksOf } from "./markdown";

/** A message of an agent. */
export const MarkdownView = memo(function MarkdownView({ text, isSoft = false }: { text: string; isSoft?: boolean }) {
  const blocks = useMemo(() => blocksOf(text), [text]);
  return (
    <View style={styles.blocks}>
      {blocks.map((block, index) => (
        <BlockView key={index} block={block} isSoft={isSoft} />
      ))}
    </View>
  );
});

function BlockView({ block, isSoft }: { block: Block; isSoft: boolean }) {
  const colors = useColors();
  const tone = isSoft ? "soft" : "text";
  switch (block.kind) {
    case "code":
      return (
        <ScrollView horizontal style={[styles.code, { backgroundColor: colors.sunken }]}>
          <Text kind="mono" selectable>
            {block.text}
          </Text>
        </ScrollView>
      );
    case "heading":
      return (
        <Text kind="strong" tone={tone} role="heading" aria-level={Math.min(6, block.level + 2)} selectable>
          <Inlines parts={block.text} />
        </Text>
      );
    case "item":
      return (
        <View style={[styles.item, { marginLeft: block.depth * space.l }]}>
          <Text tone={tone}>{block.marker}</Text>
          <Text tone={tone} style={styles.fill} selectable>
            <Inlines parts={block.text} />
          </Text>
        </View>
      );
    case "quote":
      return (
        <Text tone="soft" selectable style={[styles.quote, { borderLeftColor: colors.line }]}>
          <Inlines parts={block.text} />
        </Text>
      );
    case "paragraph":
      return (
        <Text tone={tone} selectable>
          <Inlines parts={block.text} />
        </Text>
      );
  }
}

function Inlines({ parts }: { parts: Inline[] }) {
  const colors = useColors();
  return parts.map(({ kind, text, url }, index) => {
    if (kind === "text") return text;
    if (kind === "code") {
      return (
        <Text key={index} kind="mono" style={{ backgroundColor: colors.sunken }}>
          {text}
        </Text>
      );
    }
    if (kind === "link" && url) {
      return (
        <Plain key={index} role="link" style={[styles.link, { color: colors.accent }]} onPress={() => void Linking.openURL(url).catch(() => {})}>
          {text}
        </Plain>
      );
    }
    return (
      <Plain key={index} style={kind === "strong" ? styles.strong : styles.emphasis}>
        {text}
      </Plain>
    );
  });
}

const styles = StyleSheet.create({
  blocks: { gap: space.s },
  code: { borderRadius: 6, padding: space.s },
  item: { flexDirection: "row", gap: space.s },
  fill: { flex: 1 },
  quote: { borderLeftWidth: 3, paddingLeft: space.s },
  link: { textDecorationLine: "underline" },
  strong: { fontWeight: "700" },
  emphasis: { fontStyle: "italic" },
});
