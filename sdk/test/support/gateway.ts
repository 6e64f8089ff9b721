import "vitest";
import type { TestProject } from "vitest/node";

import { type Ready, Stack } from "../../../e2e/node/stack.js";

declare module "vitest" {
  export interface ProvidedContext {
    gateway: Ready & { data: string };
  }
}

/** One stack for all tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stack = await Stack.start();
  project.provide("gateway", { ...stack.ready, data: stack.data });
  return () => stack.stop();
}
