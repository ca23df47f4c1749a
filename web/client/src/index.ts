// A client of track.v1, Waybill's protocol of live updates.

export { Client } from "./client.ts";
export { ConnectionClosed, SubscriptionRefused } from "./closing.ts";
export type { ServerClock } from "./clock.ts";
export { identityKey, parseEntry, type Alert, type Entry, type Ref } from "./entries.ts";
export type { ClientEvent, LinkState } from "./events.ts";
export { ProtocolError } from "./fields.ts";
export type {
  AlertFields, Bounds, Box, Condition, FieldNames, Filter, OrderFields, ShipmentFields, TimelineFilter,
} from "./filter.ts";
export type { Position, WireRow } from "./frames.ts";
export { isStale, linkState, shownState, type State } from "./freshness.ts";
export type { Options, SubscribeOptions } from "./options.ts";
export { openOrders, openShipments, parseOrder, parseShipment, type Count, type Order, type Row, type Shipment } from "./rows.ts";
export type { Fetch } from "./sse.ts";
export type { Phase, StaleReason, Subscription, SubscriptionEvent } from "./subscription.ts";
export { Table } from "./table.ts";
export { SignInRequired, type TokenProvider } from "./tokens.ts";
export { topics, type FilterOf, type Kind, type RowOf, type Topic, type Topics } from "./topics.ts";
export type { TransportName } from "./transport.ts";
export type { OpenSocket, Socket } from "./websocket.ts";
