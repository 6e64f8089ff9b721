import { act, fireEvent, screen, waitFor } from "@testing-library/react-native";
import * as Crypto from "expo-crypto";
import * as WebBrowser from "expo-web-browser";
import { Text } from "react-native";

import { Gate } from "@/servers/gate";
import { addServer, currentServer } from "@/servers/servers";
import { clientFor, forgetClients } from "@/servers/client";
import { signOut } from "@/servers/session";
import { redirectSystemPath } from "../../app/+native-intent";
import { draw, patient, startAnew } from "../support/app";
import { Gateway, json, refusal } from "../support/gateway";
import { secretsOf } from "../setup";

let mockGateway = new Gateway();
jest.mock("@/platform/fetch", () => ({ fetch: (...args: Parameters<Gateway["fetch"]>) => mockGateway.fetch(...args) }));
jest.mock("expo-web-browser", () => ({ openAuthSessionAsync: jest.fn(), dismissAuthSession: jest.fn() }));
jest.mock("expo-crypto", () => ({
  CryptoDigestAlgorithm: { SHA256: "SHA-256" },
  CryptoEncoding: { BASE64: "base64" },
  getRandomBytes: (count: number) => new Uint8Array(count).fill(255),
  digestStringAsync: jest.fn((_: string, text: string) => Promise.resolve(`hash+of/${text}=`)),
}));
const left = { type: "dismiss" } as unknown as WebBrowser.WebBrowserAuthSessionResult;
const browser = jest.mocked(WebBrowser.openAuthSessionAsync);

beforeEach(() => {
  mockGateway = new Gateway();
  startAnew();
  secretsOf().clear();
  // Nobody comes back from it, until a test says so.
  browser.mockReset().mockResolvedValue(left);
});

async function add(address: string) {
  draw(
    <Gate>
      <Text>inside</Text>
    </Gate>,
  );
  fireEvent.changeText(screen.getByLabelText("Server address"), address);
  fireEvent.press(screen.getByRole("button", { name: "Continue" }));
}

test("an address, then a password, then the app", async () => {
  await add("codex.example.com");
  fireEvent.changeText(await screen.findByLabelText("Email", undefined, patient), " ada@example.com ");
  fireEvent.changeText(screen.getByLabelText("Password"), "right");
  fireEvent.press(screen.getByRole("button", { name: "Sign in" }));
  expect(await screen.findByText("inside", undefined, patient)).toBeOnTheScreen();
  expect(currentServer()).toEqual({ url: "https://codex.example.com", isSignedIn: true, hasEnded: false, email: "ada@example.com" });
});

test("what the gateway says of a wrong password is shown, with the number of the request; the password is gone", async () => {
  await add("codex.example.com");
  fireEvent.changeText(await screen.findByLabelText("Email", undefined, patient), "ada@example.com");
  fireEvent.changeText(screen.getByLabelText("Password"), "wrong");
  fireEvent.press(screen.getByRole("button", { name: "Sign in" }));
  expect(await screen.findByText("email or password is wrong", undefined, patient)).toBeOnTheScreen();
  expect(screen.getByText("Request req-1")).toBeOnTheScreen();
  expect(screen.getByLabelText("Password")).toHaveDisplayValue("");
  expect(screen.queryByText("inside")).toBeNull();
});

test.each([
  ["a page", () => new Response("<html>", { status: 200 })],
  ["something else with JSON", () => json(200, { hello: "world" })],
  ["another API", () => refusal(404, "not_found", "no")],
])("%s is no gateway", async (_, answer) => {
  mockGateway.answers.set("GET /auth/methods", answer);
  await add("codex.example.com");
  expect(await screen.findByText(/it is no Codex gateway/, undefined, patient)).toBeOnTheScreen();
  expect(currentServer()).toBeNull();
});

test("a public server is never asked without encryption", async () => {
  await add("http://codex.example.com");
  expect(await screen.findByText(/Use the https address/, undefined, patient)).toBeOnTheScreen();
  expect(mockGateway.requests).toEqual([]);
});

test("http to a machine of one's own is allowed, with a warning", async () => {
  await add("http://192.168.1.20:8080");
  expect(await screen.findByText(/not encrypted/, undefined, patient)).toBeOnTheScreen();
});

describe("with an identity provider", () => {
  beforeEach(() => {
    mockGateway.methods = { password: false, oidc: { name: "Example ID" } };
    mockGateway.answers.set("GET /auth/oidc/login", () => new Response(null, { status: 302 }));
  });

  const begin = async () => {
    await add("codex.example.com");
    const button = await screen.findByRole("button", { name: "Continue with Example ID" }, patient);
    // What was told of the last try is forgotten a moment after the touch.
    await act(async () => fireEvent.press(button));
  };

  test("the browser is sent with the hash of a secret, and comes back with a code", async () => {
    browser.mockResolvedValue({ type: "success", url: "codex://signed-in#code=good" });
    await begin();
    expect(await screen.findByText("inside", undefined, patient)).toBeOnTheScreen();
    const [address = "", returnTo] = browser.mock.calls[0] ?? [];
    const query = new URL(address).searchParams;
    expect(returnTo).toBe("codex://signed-in");
    expect(query.get("return_to")).toBe("codex://signed-in");
    const verifier = jest.mocked(Crypto.digestStringAsync).mock.calls[0]?.[1] ?? "";
    expect(verifier).toMatch(/^[\w-]{43}$/);
    expect(query.get("challenge")).toBe(`hash-of_${verifier}`);
    expect(screen.queryByLabelText("Password")).toBeNull();
  });

  test.each([
    ["codex://signed-in#error=not_allowed", /not among those/],
    ["codex://signed-in#code=stale", /took too long/],
    ["codex://signed-in#error=toString", /sign-in failed/],
  ])("%s is said in words", async (url, words) => {
    browser.mockResolvedValue({ type: "success", url });
    await begin();
    expect(await screen.findByText(words, undefined, patient)).toBeOnTheScreen();
    expect(currentServer()).toMatchObject({ isSignedIn: false });
  });

  test("turning back is no error", async () => {
    await begin();
    await waitFor(() => expect(screen.getByRole("button", { name: "Continue with Example ID" })).toBeEnabled(), patient);
    expect(screen.queryByRole("alert")).toBeNull();
  });

  test("a gateway that does not know the app's address is found out before the browser opens", async () => {
    mockGateway.answers.set("GET /auth/oidc/login", () => refusal(400, "invalid", "return_to"));
    await begin();
    expect(await screen.findByText(/CODEX_OIDC_RETURN_TO/, undefined, patient)).toBeOnTheScreen();
    expect(browser).not.toHaveBeenCalled();
  });

  /** The system opens the app with the address that the browser has come to. */
  const link = (path: string, initial = false) => {
    let leadsTo: string | null = null;
    act(() => {
      leadsTo = redirectSystemPath({ path, initial });
    });
    return leadsTo;
  };

  test("who looked a code up in another app meanwhile is let in by the link that comes after that", async () => {
    await begin();
    await waitFor(() => expect(browser).toHaveBeenCalled(), patient);
    await waitFor(() => expect(screen.getByRole("button", { name: "Continue with Example ID" })).toBeEnabled(), patient);
    expect(link("codex://signed-in#code=good")).toBeNull();
    expect(await screen.findByText("inside", undefined, patient)).toBeOnTheScreen();
  });

  test("the link and the window tell the same: the code is used once", async () => {
    let back: (result: WebBrowser.WebBrowserAuthSessionResult) => void = () => undefined;
    browser.mockReturnValue(new Promise((done) => (back = done)));
    await begin();
    await waitFor(() => expect(browser).toHaveBeenCalled(), patient);
    const url = "codex://signed-in#code=good&told=twice";
    link(url);
    back({ type: "success", url });
    expect(await screen.findByText("inside", undefined, patient)).toBeOnTheScreen();
    expect(mockGateway.requests.filter((name) => name.startsWith("POST /auth/oidc/exchange"))).toHaveLength(1);
  });

  test("an app that was ended while the browser was in front goes on with what it had begun, at the server it was for", async () => {
    const other = "https://other.example.com";
    await begin();
    await waitFor(() => expect(browser).toHaveBeenCalled(), patient);
    screen.unmount();
    forgetClients();
    addServer(other);
    expect(link("codex://signed-in#code=good&after=a-start", true)).toBe("/");
    await waitFor(() => expect(currentServer()).toMatchObject({ url: "https://codex.example.com", isSignedIn: true, email: "ada@example.com" }), patient);
    // The secret of a sign-in that is over is nowhere.
    expect([...secretsOf().keys()].join()).not.toContain("sso");
  });

  test("a link of a sign-in that was not begun here is explained, and the next try forgets it", async () => {
    await add("codex.example.com");
    await screen.findByRole("button", { name: "Continue with Example ID" }, patient);
    link("codex://signed-in#code=good&from=elsewhere");
    expect(await screen.findByText(/was not begun on this device/, undefined, patient)).toBeOnTheScreen();
    expect(mockGateway.requests.filter((name) => name.startsWith("POST"))).toEqual([]);
    fireEvent.press(screen.getByRole("button", { name: "Continue with Example ID" }));
    await waitFor(() => expect(screen.queryByRole("alert")).toBeNull(), patient);
  });

  test("a sign-in that took longer than the gateway waits is over", async () => {
    await begin();
    await waitFor(() => expect(browser).toHaveBeenCalled(), patient);
    const [key = "", text = ""] = [...secretsOf().entries()].find(([, value]) => value.includes("verifier")) ?? [];
    const begun = JSON.parse(text) as { at: number };
    secretsOf().set(key, JSON.stringify({ ...begun, at: begun.at - 12 * 60_000 }));
    link("codex://signed-in#code=good&after=long");
    expect(await screen.findByText(/was not begun on this device/, undefined, patient)).toBeOnTheScreen();
  });

  test("a sign-out ends the session with the provider in the same browser", async () => {
    browser.mockResolvedValue({ type: "success", url: "codex://signed-in#code=good&to=leave" });
    await begin();
    expect(await screen.findByText("inside", undefined, patient)).toBeOnTheScreen();
    browser.mockClear();
    mockGateway.answers.set("POST /auth/logout", () => json(200, { end_session_url: "https://id.example.com/end" }));
    await act(() => signOut("https://codex.example.com"));
    await waitFor(() => expect(browser).toHaveBeenCalledWith("https://id.example.com/end", "codex://signed-in"), patient);
  });
});

test("a session that the gateway has ended leads to the sign-in, which says so until somebody is in again", async () => {
  await add("codex.example.com");
  const enter = async () => {
    fireEvent.changeText(await screen.findByLabelText("Email", undefined, patient), "ada@example.com");
    fireEvent.changeText(screen.getByLabelText("Password"), "right");
    fireEvent.press(screen.getByRole("button", { name: "Sign in" }));
    expect(await screen.findByText("inside", undefined, patient)).toBeOnTheScreen();
  };
  await enter();
  mockGateway.access.clear();
  mockGateway.refresh.clear();
  await act(() => expect(clientFor("https://codex.example.com").me()).rejects.toThrow());
  expect(await screen.findByText(/Your session at this server is over/, undefined, patient)).toBeOnTheScreen();
  await enter();
  await act(() => signOut("https://codex.example.com"));
  await screen.findByLabelText("Password", undefined, patient);
  expect(screen.queryByText(/session at this server is over/)).toBeNull();
});
