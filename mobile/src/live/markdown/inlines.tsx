import { Linking, Platform, StyleSheet, Text as Plain } from "react-native";

import { Text } from "@/ui/text";
import { useColors } from "@/ui/theme";
import type { Inline } from "./parse";

/** The parts of a paragraph; to be put into a text. */
export function Inlines({ parts }: { parts: Inline[] }) {
  const colors = useColors();
  return parts.map((part, index) => {
    switch (part.kind) {
      case "text":
        return part.text;
      case "break":
        return "\n";
      case "code":
        return (
          <Text key={index} kind="mono" style={{ backgroundColor: colors.sunken }}>
            {part.text}
          </Text>
        );
      case "link":
        return (
          <Plain key={index} role="link" style={[styles.link, { color: colors.accent }]} {...leadsTo(part.url)}>
            <Inlines parts={part.parts} />
          </Plain>
        );
      default:
        return (
          <Plain key={index} style={styles[part.kind]}>
            <Inlines parts={part.parts} />
          </Plain>
        );
    }
  });
}

/** A page has links of its own, which say where they lead and can be opened elsewhere. */
function leadsTo(url: string): object {
  if (Platform.OS === "web") return { href: url, hrefAttrs: { target: "_blank", rel: "noopener noreferrer nofollow" } };
  return { onPress: () => void Linking.openURL(url).catch(() => {}), accessibilityHint: url };
}

const styles = StyleSheet.create({
  link: { textDecorationLine: "underline" },
  strong: { fontWeight: "700" },
  emphasis: { fontStyle: "italic" },
  strike: { textDecorationLine: "line-through" },
});
