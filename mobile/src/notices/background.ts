import * as BackgroundTask from "expo-background-task";
import * as TaskManager from "expo-task-manager";

import { readSettings } from "@/settings/settings";
import { lookForEnds } from "./announce";

const NAME = "look-for-ends";
/** How often the system is asked to let the app look, in minutes; it may take longer, and does where the app is seldom used. */
const EVERY = 15;

// Has to stand here, outside of all components, and to be loaded by `index.ts`: the system starts the app without them.
TaskManager.defineTask(NAME, async () => {
  if (!readSettings().notify) return BackgroundTask.BackgroundTaskResult.Success;
  const stop = new AbortController();
  // Past its time the system ends an app that still works, and trusts it less the next time.
  const end = BackgroundTask.addExpirationListener(() => stop.abort());
  try {
    const left = await lookForEnds(false, stop.signal);
    // Nothing runs any more, so there is nothing to wake up for.
    if (left === 0) await lookInBackground(false);
    return BackgroundTask.BackgroundTaskResult.Success;
  } finally {
    end.remove();
  }
});

/** Lets the system wake the app now and then while there is something to wait for, and only then. */
export async function lookInBackground(isWanted: boolean): Promise<void> {
  const isRegistered = await TaskManager.isTaskRegisteredAsync(NAME);
  if (isWanted && !isRegistered) await BackgroundTask.registerTaskAsync(NAME, { minimumInterval: EVERY });
  if (!isWanted && isRegistered) await BackgroundTask.unregisterTaskAsync(NAME);
}
