// Where in the console somebody is: the part of the address after '#', "/devices?query=site%3Dams".
import { Store } from "./store";

export interface Route {
  path: string[]; // ["devices", "camera-17"], decoded
  query: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const text = hash.replace(/^#\/?/, "");
  const at = text.indexOf("?");
  const path = at < 0 ? text : text.slice(0, at);
  const decoded = path
    .split("/")
    .filter((one) => one !== "")
    .map((one) => {
      try {
        return decodeURIComponent(one);
      } catch {
        return one;
      }
    });
  return { path: decoded, query: new URLSearchParams(at < 0 ? "" : text.slice(at + 1)) };
}

export function link(path: string[], query: Record<string, string | undefined> = {}): string {
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) text.set(name, value);
  const tail = text.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${tail ? `?${tail}` : ""}`;
}

export const route = new Store<Route>(parseRoute(globalThis.location?.hash ?? ""));

export function go(to: string): void {
  location.hash = to;
}

export function followAddress(): void {
  addEventListener("hashchange", () => route.set(parseRoute(location.hash)));
}
