/** Pages one after the other, each where the one before ended, so that entries that arrive meanwhile move nothing. */
export async function* byCursor<Page extends { next_cursor: string | null }>(
  load: (cursor: string | undefined) => Promise<Page>,
): AsyncGenerator<Page, void, undefined> {
  let cursor: string | undefined;
  do {
    const page = await load(cursor);
    yield page;
    cursor = page.next_cursor ?? undefined;
  } while (cursor);
}
