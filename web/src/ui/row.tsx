// One row. It is drawn again only when what it shows is another object.

import type { Row as Data } from "@waybill-io/client";
import { Component, createRef } from "preact";
import type { Column } from "./columns.tsx";

export interface RowProps<R extends Data> {
  readonly row: R;
  readonly columns: readonly Column<R>[];
  readonly index: number;
  readonly top: number;
  readonly active: boolean;
  readonly open: boolean;
  readonly leaving: boolean;
}

const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Row<R extends Data> extends Component<RowProps<R>> {
  #element = createRef<HTMLDivElement>();

  override shouldComponentUpdate(next: RowProps<R>): boolean {
    return Object.keys(next).some((key) => next[key as keyof RowProps<R>] !== this.props[key as keyof RowProps<R>]);
  }

  override componentDidUpdate(before: RowProps<R>): void {
    const { row } = this.props;
    if (before.row === row || before.row.id !== row.id || still.matches) return;
    const moved = before.row.status !== row.status;
    this.#element.current?.animate(
      [{ opacity: moved ? 1 : 0.5 }, { opacity: 0 }],
      { duration: moved ? 1600 : 700, easing: "ease-out", pseudoElement: "::after" },
    );
  }

  override render({ row, columns, index, top, active, open, leaving }: RowProps<R>) {
    return (
      <div
        ref={this.#element} id={`row-${row.id}`} role="row" class="row" aria-rowindex={index + 2} aria-selected={open}
        data-row-id={row.id} data-status={row.status} data-v={row.v}
        data-active={active || undefined} data-open={open || undefined} data-leaving={leaving || undefined}
        style={{ transform: `translateY(${top}px)` }}
      >
        {columns.map((column, i) => (
          <div key={column.key} role="gridcell" aria-colindex={i + 1} class="cell" data-col={column.key}>{column.cell(row)}</div>
        ))}
      </div>
    );
  }
}
