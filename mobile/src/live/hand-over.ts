import { Directory, File, Paths } from "expo-file-system";
import { isAvailableAsync, shareAsync } from "expo-sharing";
import { Share } from "react-native";

/** In the cache, which the system empties: nobody knows when the other app has read a file. */
const folder = () => new Directory(Paths.cache, "handed-over");

/** Removes the files that were handed over, of whatever server: they are logs and changes of tasks. */
export function forgetHandedOver(): void {
  try {
    if (folder().exists) folder().delete();
  } catch {
    // Whoever signs out is not held up by a file; the system empties the cache.
  }
}

/** Hands a text to another app as a file, or as text where files cannot be shared. */
export async function handOver(text: string, name: string, mimeType: string): Promise<void> {
  if (!(await isAvailableAsync())) {
    await Share.share({ message: text, title: name });
    return;
  }
  folder().create({ idempotent: true });
  const file = new File(folder(), name);
  file.create({ overwrite: true });
  file.write(text);
  await shareAsync(file.uri, { mimeType, dialogTitle: name });
}
