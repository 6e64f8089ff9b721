import { act, screen } from "@testing-library/react-native";
import { Text } from "react-native";

import { Gate } from "@/servers/gate";
import { signOut } from "@/servers/session";
import { SERVER, draw, patient, signedIn, startAnew } from "../support/app";
import { Gateway, json } from "../support/gateway";

let mockGateway = new Gateway();
jest.mock("@/platform/fetch", () => ({ fetch: (...args: Parameters<Gateway["fetch"]>) => mockGateway.fetch(...args) }));

beforeEach(() => {
  mockGateway = new Gateway();
  startAnew();
});

test("the way back in is there after the sign-out, however long the gateway takes to hear of it", async () => {
  await signedIn();
  let hear: () => void = () => undefined;
  let answer: () => void = () => undefined;
  mockGateway.answers.set("POST /auth/logout", () => new Promise((resolve) => (hear = () => resolve(new Response(null, { status: 204 })))));
  mockGateway.answers.set("GET /auth/methods", () => new Promise((resolve) => (answer = () => resolve(json(200, mockGateway.methods)))));
  draw(
    <Gate>
      <Text>inside</Text>
    </Gate>,
  );
  expect(screen.getByText("inside")).toBeVisible();
  let out: Promise<void> = Promise.resolve();
  await act(async () => {
    out = signOut(SERVER);
  });
  // The form asks for the ways to sign in, while the sign-out still removes what was kept.
  expect(await screen.findByText("Loading …", undefined, patient)).toBeVisible();
  await act(async () => {
    hear();
    await out;
  });
  await act(async () => answer());
  expect(await screen.findByLabelText("Password", undefined, patient)).toBeVisible();
});
