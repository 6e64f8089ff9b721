import type { Page } from "@playwright/test";

/** What is kept for reading without a network. */
export function shelf(page: Page): Promise<[string, unknown][]> {
  return page.evaluate(
    () =>
      new Promise<[string, unknown][]>((done, fail) => {
        const request = indexedDB.open("codex-remote");
        request.onerror = () => fail(new Error("the database cannot be opened", { cause: request.error }));
        request.onsuccess = () => {
          const database = request.result;
          const found: [string, unknown][] = [];
          const cursor = database.transaction("offline").objectStore("offline").openCursor();
          cursor.onsuccess = () => {
            if (cursor.result) {
              found.push([cursor.result.key as string, cursor.result.value]);
              cursor.result.continue();
            } else {
              database.close();
              done(found);
            }
          };
        };
      }),
  );
}

/** Puts back what was kept, as if it had never been removed. */
export function putOnShelf(page: Page, entries: [string, unknown][]): Promise<void> {
  return page.evaluate(
    (entries) =>
      new Promise<void>((done, fail) => {
        const request = indexedDB.open("codex-remote");
        request.onerror = () => fail(new Error("the database cannot be opened", { cause: request.error }));
        request.onsuccess = () => {
          const transaction = request.result.transaction("offline", "readwrite");
          for (const [key, value] of entries) transaction.objectStore("offline").put(value, key);
          transaction.oncomplete = () => {
            request.result.close();
            done();
          };
        };
      }),
    entries,
  );
}

/** Everything that the browser keeps for the page beside `localStorage`, as one text. */
export async function keptText(page: Page): Promise<string> {
  const cached = await page.evaluate(async () => {
    const parts: string[] = [];
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) {
        const response = await cache.match(request);
        parts.push(request.url, JSON.stringify([...request.headers]), JSON.stringify([...(response?.headers ?? [])]), (await response?.text()) ?? "");
      }
    }
    return parts.join("\n");
  });
  return cached + JSON.stringify(await shelf(page));
}
