import * as SecureStore from "expo-secure-store";
import { Platform } from "react-native";

import { secrets } from "@/platform/secrets";
import { secretsOf } from "../setup";

const broken = () => jest.spyOn(SecureStore, "getItemAsync").mockRejectedValueOnce(new Error("Could not decrypt the value"));

afterEach(() => jest.restoreAllMocks());

test("a secret that Android cannot decrypt any more is none, and goes", async () => {
  jest.replaceProperty(Platform, "OS", "android");
  await secrets.set("session.1", "tokens");
  broken();
  expect(await secrets.get("session.1")).toBeNull();
  expect(secretsOf().has("session.1")).toBe(false);
});

test("one that iOS does not give before the first unlock stays", async () => {
  jest.replaceProperty(Platform, "OS", "ios");
  await secrets.set("session.1", "tokens");
  broken();
  await expect(secrets.get("session.1")).rejects.toThrow("Could not decrypt");
  expect(await secrets.get("session.1")).toBe("tokens");
});
