import { handOver } from "@/live/hand-over";
import { wipe } from "@/servers/wipe";
import { SERVER } from "../support/app";

/** The folders of a phone, by path. */
const mockFiles = new Map<string, string>();
jest.mock("expo-file-system", () => ({
  Paths: { cache: "cache" },
  Directory: function (this: object, root: string, name: string) {
    const path = `${root}/${name}`;
    return {
      path,
      get exists() {
        return mockFiles.has(path);
      },
      create: () => void mockFiles.set(path, ""),
      delete: () => [...mockFiles.keys()].filter((other) => other.startsWith(path)).forEach((other) => mockFiles.delete(other)),
    };
  },
  File: function (this: object, { path }: { path: string }, name: string) {
    const uri = `${path}/${name}`;
    return { uri, create: () => void mockFiles.set(uri, ""), write: (text: string) => void mockFiles.set(uri, text) };
  },
}));
const mockShared: string[] = [];
jest.mock("expo-sharing", () => ({ isAvailableAsync: () => Promise.resolve(true), shareAsync: (uri: string) => Promise.resolve(void mockShared.push(mockFiles.get(uri) ?? "nothing")) }));

test("what was handed to another app is there for it, until the sign-out", async () => {
  await handOver("diff --git", "t-1.patch", "text/x-diff");
  await handOver("diff --git again", "t-1.patch", "text/x-diff");
  expect(mockShared).toEqual(["diff --git", "diff --git again"]);
  expect(mockFiles.size).toBe(2);
  await wipe(SERVER);
  expect(mockFiles.size).toBe(0);
  await wipe(SERVER);
});
