import { expect, test } from "../support/app.js";

test("an app in the background has no connection, and comes back without a hole or a repetition", async ({ app, stack }) => {
  await app.signIn();
  stack.holdModel(10);
  await app.submit("[demo:messages 60 20]");
  await expect(app.timeline).toContainText("message 10");
  await expect.poll(() => app.web.openStreams).toBe(1);
  await app.turn("hidden");
  await expect.poll(() => app.web.openStreams).toBe(0);
  const asked = app.web.askedAfter.length;
  stack.releaseModel();
  await app.turn("visible");
  await expect.poll(() => app.web.askedAfter.length).toBeGreaterThan(asked);
  expect(app.web.askedAfter[asked]).toBeGreaterThan(0);
  await expect(app.state).toHaveText("Completed");
  await app.expectInTerminal("message ", 60);
});

test("connections that are cut are made again, and nothing is missing or there twice", async ({ app, stack }) => {
  await app.signIn();
  stack.holdModel(10);
  await app.submit("[demo:messages 60 20]");
  await expect(app.timeline).toContainText("message 10");
  app.proxy.closed = true;
  app.proxy.cutAll();
  await expect(app.connection).toContainText(/Connection lost|Connecting/);
  stack.holdModel(30);
  app.proxy.closed = false;
  await expect(app.connection).toContainText("Live");
  await expect(app.timeline).toContainText("message 30");
  app.proxy.cutAll();
  stack.releaseModel();
  await expect(app.state).toHaveText("Completed");
  await app.expectInTerminal("message ", 60);
});

test("a server that is killed is missed and found again, and nothing is missing or there twice", async ({ app, stack }) => {
  await app.signIn();
  stack.holdModel(10);
  await app.submit("[demo:messages 60 20]");
  await expect(app.timeline).toContainText("message 10");
  stack.kill9("gateway");
  await expect(app.connection).toContainText(/Connection lost|Connecting/);
  await expect(app.connection).toContainText("Live", { timeout: 60_000 });
  stack.releaseModel();
  await expect(app.state).toHaveText("Completed");
  await app.expectInTerminal("message ", 60);
});

test("in airplane mode it says so, and goes on when there is a network", async ({ app, context, stack }) => {
  await app.signIn();
  stack.holdModel(10);
  await app.submit("[demo:messages 60 20]");
  await expect(app.timeline).toContainText("message 10");
  await context.setOffline(true);
  await expect(app.connection).toContainText("No network");
  stack.releaseModel();
  await context.setOffline(false);
  await expect(app.state).toHaveText("Completed");
  await app.expectInTerminal("message ", 60);
});
