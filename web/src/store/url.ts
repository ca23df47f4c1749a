// The query as the page's address, so that a view can be kept, sent and returned to.

import { defaultQuery, facets, type Query, type Tab } from "./query.ts";

/** Reads an address. What it does not know it leaves at its default. */
export function parseQuery(search: string): Query {
  const params = new URLSearchParams(search);
  const tab: Tab = params.get("tab") === "orders" ? "orders" : "shipments";
  const query = defaultQuery(tab);
  const facet = facets[tab];
  const wanted = (params.get("status") ?? "").split(",");
  const mark = params.get("mark") ?? "";
  const sort = params.get("sort") ?? "";
  const key = sort.replace(/^-/, "");
  const sortable = Object.hasOwn(facet.sorts, key);
  return {
    ...query,
    status: facet.statuses.filter((s) => wanted.includes(s)),
    mark: Object.hasOwn(facet.marks, mark) ? mark : "",
    search: params.get("q") ?? "",
    sort: sortable ? key : query.sort,
    desc: sortable ? sort.startsWith("-") : query.desc,
    selected: params.get("sel") ?? "",
  };
}

/** Writes the address of a query, from "?"; empty when everything is at its default. */
export function formatQuery(query: Query): string {
  const base = defaultQuery(query.tab);
  const params: string[] = [];
  const add = (name: string, value: string) => params.push(`${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`);
  if (query.tab !== "shipments") add("tab", query.tab);
  if (query.status.length > 0) add("status", query.status.join(","));
  if (query.mark) add("mark", query.mark);
  if (query.search) add("q", query.search);
  if (query.sort !== base.sort || query.desc !== base.desc) add("sort", (query.desc ? "-" : "") + query.sort);
  if (query.selected) add("sel", query.selected);
  return params.length > 0 ? `?${params.join("&")}` : "";
}
