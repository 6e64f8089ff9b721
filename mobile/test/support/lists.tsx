/**
 * A list that draws all of its entries, in the place of the fast one, which draws those that it has measured: jest measures nothing, and scrolls
 * nowhere. The fast one is tested in a browser (`e2e/mobile`). To be imported before what uses it.
 */
import type { ReactElement, Ref } from "react";

interface MockListProps {
  data: unknown[];
  renderItem: (entry: { item: unknown; index: number }) => ReactElement;
  keyExtractor: (item: unknown, index: number) => string;
  ListFooterComponent?: ReactElement;
  ref?: Ref<object>;
}

jest.mock("@shopify/flash-list", () => {
  const { Fragment, useImperativeHandle } = jest.requireActual<typeof import("react")>("react");
  function FlashList({ data, renderItem, keyExtractor, ListFooterComponent, ref }: MockListProps) {
    useImperativeHandle(ref, () => ({ scrollToIndex() {}, scrollToEnd() {} }), []);
    return (
      <>
        {data.map((item, index) => (
          <Fragment key={keyExtractor(item, index)}>{renderItem({ item, index })}</Fragment>
        ))}
        {ListFooterComponent}
      </>
    );
  }
  return { FlashList };
});
