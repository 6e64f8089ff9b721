import { waitFor } from "@testing-library/react-native";

import { changeComposer, readComposer, remember } from "@/composer/kept";
import { watch, watched } from "@/notices/watched";
import { keys, queriesFor } from "@/queries";
import { clientFor, forgetClients, secretKey } from "@/servers/client";
import { addServer, chooseServer, currentServer, listServers } from "@/servers/servers";
import { meetServer, removeServer, signIn, signInWithCode, signOut } from "@/servers/session";
import { SERVER, signedIn, startAnew } from "../support/app";
import { Gateway } from "../support/gateway";
import { secretsOf, storageOf } from "../setup";

const mockGateway = new Gateway();
jest.mock("@/platform/fetch", () => ({ fetch: (...args: Parameters<Gateway["fetch"]>) => mockGateway.fetch(...args) }));

const tokens = () => JSON.parse(secretsOf().get(secretKey(SERVER)) ?? "null") as { accessToken: string; refreshToken: string } | null;

beforeEach(() => {
  startAnew();
  secretsOf().clear();
  mockGateway.requests.length = 0;
  mockGateway.answers.clear();
  mockGateway.isAway = false;
});

test("tokens are in the keychain, and nowhere else", async () => {
  await signedIn();
  expect(tokens()?.refreshToken).toMatch(/^refresh-/);
  expect(currentServer()).toEqual({ url: SERVER, isSignedIn: true, hasEnded: false, email: "ada@example.com" });
  expect([...storageOf().values()].join()).not.toMatch(/refresh-|access-|right/);
});

test("a wrong password leaves nothing behind", async () => {
  addServer(SERVER);
  await expect(signIn(SERVER, "ada@example.com", "wrong")).rejects.toThrow("email or password is wrong");
  expect(tokens()).toBeNull();
  expect(currentServer()).toMatchObject({ isSignedIn: false });
});

test("an access token that the gateway does not take any more is exchanged once, whoever asks meanwhile", async () => {
  await signedIn();
  const before = tokens();
  mockGateway.access.clear();
  await Promise.all([clientFor(SERVER).tasks.list(), clientFor(SERVER).repositories.list(), clientFor(SERVER).me()]);
  expect(mockGateway.requests.filter((name) => name === "POST /auth/refresh")).toHaveLength(1);
  expect(tokens()?.refreshToken).not.toBe(before?.refreshToken);
});

test("the session goes on after a start of the app", async () => {
  await signedIn();
  forgetClients();
  await expect(clientFor(SERVER).me()).resolves.toMatchObject({ email: "ada@example.com" });
});

test("a session that the gateway has ended is over here, with all that was kept", async () => {
  await signedIn();
  remember(SERVER, "a secret plan");
  mockGateway.access.clear();
  mockGateway.refresh.clear();
  await expect(clientFor(SERVER).me()).rejects.toThrow();
  expect(currentServer()).toMatchObject({ isSignedIn: false });
  expect(tokens()).toBeNull();
  expect([...storageOf().values()].join()).not.toContain("a secret plan");
});

test("a keychain that does not know the session, as after a restored backup, means signed out", async () => {
  await signedIn();
  secretsOf().clear();
  forgetClients();
  await expect(clientFor(SERVER).me()).rejects.toThrow();
  expect(currentServer()).toMatchObject({ isSignedIn: false });
});

test("signing out wipes everything of that server, and nothing of another one", async () => {
  const other = "https://other.example.com";
  await signedIn(other);
  await signedIn();
  for (const url of [SERVER, other]) {
    changeComposer(url, { draft: `draft of ${url}` });
    remember(url, `prompt of ${url}`);
    watch(url, "0198c7f2-1111-7222-8333-444455556666");
    queriesFor(url).setQueryData(keys.repositories, [`repository of ${url}`]);
  }
  await signOut(SERVER);
  expect(mockGateway.requests).toContain("POST /auth/logout");
  expect(tokens()).toBeNull();
  expect(readComposer(SERVER).draft).toBe("");
  expect(watched(SERVER)).toEqual([]);
  expect(queriesFor(SERVER).getQueryData(keys.repositories)).toBeUndefined();
  expect([...storageOf().entries()].join()).not.toContain(`of ${SERVER}`);
  expect(listServers().find(({ url }) => url === other)).toMatchObject({ isSignedIn: true });
  expect(readComposer(other).draft).toBe(`draft of ${other}`);
  expect(watched(other)).toHaveLength(1);
  expect(queriesFor(other).getQueryData(keys.repositories)).toEqual([`repository of ${other}`]);
});

test("signing out without a network works here at once", async () => {
  await signedIn();
  remember(SERVER, "a secret plan");
  mockGateway.isAway = true;
  await signOut(SERVER);
  expect(tokens()).toBeNull();
  expect(currentServer()).toMatchObject({ isSignedIn: false });
  expect([...storageOf().values()].join()).not.toContain("a secret plan");
});

test("what is kept is gone before the gateway has answered: the app may be ended meanwhile", async () => {
  await signedIn();
  remember(SERVER, "a secret plan");
  let answer: (response: Response) => void = () => undefined;
  mockGateway.answers.set("POST /auth/logout", () => new Promise((done) => (answer = done)));
  const over = signOut(SERVER);
  await waitFor(() => expect(mockGateway.requests).toContain("POST /auth/logout"), { timeout: 20_000 });
  expect(tokens()).toBeNull();
  expect([...storageOf().values()].join()).not.toContain("a secret plan");
  answer(new Response(null, { status: 204 }));
  await over;
});

test("a server that is removed is forgotten, and another one shown", async () => {
  const other = "https://other.example.com";
  await signedIn(other);
  await signedIn();
  await removeServer(SERVER);
  expect(listServers().map(({ url }) => url)).toEqual([other]);
  expect(currentServer()?.url).toBe(other);
  expect(secretsOf().has(secretKey(SERVER))).toBe(false);
});

test("each server has a session of its own", async () => {
  await signedIn();
  addServer("https://other.example.com");
  expect(currentServer()).toMatchObject({ url: "https://other.example.com", isSignedIn: false });
  await expect(clientFor("https://other.example.com").me()).rejects.toThrow();
  chooseServer(SERVER);
  expect(currentServer()).toMatchObject({ isSignedIn: true });
});

test("a code of the identity provider is good for a session", async () => {
  addServer(SERVER);
  await signInWithCode(SERVER, "good", "the verifier");
  expect(currentServer()).toEqual({ url: SERVER, isSignedIn: true, hasEnded: false, email: "ada@example.com" });
});

test("keys of two servers are never the same, and fit the keychain", () => {
  const urls = [SERVER, "http://codex.example.com", "https://codex.example.com:8443", "https://codex-example.com"];
  expect(new Set(urls.map(secretKey)).size).toBe(urls.length);
  for (const url of urls) expect(secretKey(url)).toMatch(/^[\w.-]+$/);
});

test("what an earlier installation left in the keychain of iOS is dropped when its server is added again", async () => {
  secretsOf().set(secretKey(SERVER), JSON.stringify({ accessToken: "access-old", refreshToken: "refresh-old", renewAt: 0 }));
  await meetServer(SERVER);
  expect(tokens()).toBeNull();
  expect(currentServer()).toMatchObject({ url: SERVER, isSignedIn: false });
  // Turning to a server that is known ends no session.
  await signIn(SERVER, "ada@example.com", "right");
  await meetServer(SERVER);
  expect(tokens()?.refreshToken).toMatch(/^refresh-/);
});
