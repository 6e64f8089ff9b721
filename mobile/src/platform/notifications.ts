import * as Native from "expo-notifications";
import { Platform } from "react-native";

import { t } from "@/strings";

/** Notifications of this device. A push service would come in beside them: see docs/mobile.md. */
export interface Notifications {
  /** Asks for permission, once; answers whether there is one. */
  allow(): Promise<boolean>;
  /** Shows something now. `id` takes the place of an earlier one with the same id; `path` is where a touch leads. */
  show(notice: { id: string; title: string; body: string; path: string }): Promise<void>;
  /** Takes back what is still to be seen. */
  clear(): Promise<void>;
  /** Calls back with where a touch leads; answers with how to stop that. */
  onOpen(open: (path: string) => void): () => void;
}

const CHANNEL = "tasks";

Native.setNotificationHandler({
  handleNotification: () => Promise.resolve({ shouldShowBanner: true, shouldShowList: true, shouldPlaySound: false, shouldSetBadge: false }),
});

export const notifications: Notifications | null = {
  async allow() {
    if (Platform.OS === "android") await Native.setNotificationChannelAsync(CHANNEL, { name: t.notices.channel, importance: Native.AndroidImportance.DEFAULT });
    const { granted, canAskAgain } = await Native.getPermissionsAsync();
    return granted || (canAskAgain && (await Native.requestPermissionsAsync()).granted);
  },
  async show({ id, title, body, path }) {
    await Native.scheduleNotificationAsync({ identifier: id, content: { title, body, data: { path } }, trigger: Platform.OS === "android" ? { channelId: CHANNEL } : null });
  },
  clear: () => Native.dismissAllNotificationsAsync(),
  onOpen(open) {
    const read = (response: Native.NotificationResponse | null) => {
      const path = response?.notification.request.content.data?.["path"];
      if (typeof path === "string" && path.startsWith("/open?")) open(path);
    };
    // The touch may have started the app.
    read(Native.getLastNotificationResponse());
    Native.clearLastNotificationResponse();
    const subscription = Native.addNotificationResponseReceivedListener(read);
    return () => subscription.remove();
  },
};
