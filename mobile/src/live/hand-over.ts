import { File, Paths } from "expo-file-system";
import { isAvailableAsync, shareAsync } from "expo-sharing";
import { Share } from "react-native";

/** Hands a text to another app as a file, or as text where files cannot be shared. */
export async function handOver(text: string, name: string, mimeType: string): Promise<void> {
  if (!(await isAvailableAsync())) {
    await Share.share({ message: text, title: name });
    return;
  }
  // In the cache, which the system empties: nobody knows when the other app has read it.
  const file = new File(Paths.cache, name);
  file.create({ overwrite: true });
  file.write(text);
  await shareAsync(file.uri, { mimeType, dialogTitle: name });
}
