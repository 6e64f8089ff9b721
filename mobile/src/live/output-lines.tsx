import { useState } from "react";
import { StyleSheet, View } from "react-native";

import { t } from "@/task/strings";
import { Button } from "@/ui/button";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";
import { AnsiText } from "./ansi-text";

/** Lines that are shown before somebody asks for more, from the end: there stands how it ended. */
const FEW = 6;
/** More than this belongs into the terminal, which draws only what is in sight. */
const MANY = 200;

export function OutputLines({ lines }: { lines: string[] }) {
  const colors = useColors();
  const [isOpen, setOpen] = useState(false);
  const shown = lines.slice(isOpen ? -MANY : -FEW);
  const first = lines.length - shown.length;
  return (
    <View>
      {lines.length > FEW && <Button kind="quiet" style={styles.more} aria-expanded={isOpen} title={isOpen ? t.log.showLess : t.log.showAll(Math.min(lines.length, MANY))} onPress={() => setOpen(!isOpen)} />}
      <View style={[styles.lines, { backgroundColor: colors.sunken }]}>
        {shown.map((line, index) => (
          <Text key={first + index} kind="mono" selectable style={styles.text}>
            <AnsiText text={line} />
          </Text>
        ))}
      </View>
    </View>
  );
}

const styles = StyleSheet.create({
  more: { alignSelf: "flex-start", paddingHorizontal: 0 },
  lines: { borderRadius: 6, padding: space.s },
  text: { fontSize: 12 },
});
