// Who is signed in. The token is in sessionStorage alone: it ends with the tab.
import { Store } from "./store";

export type Role = "viewer" | "operator" | "releaser" | "admin";
export const roles: Role[] = ["viewer", "operator", "releaser", "admin"];

export interface Session {
  token: string;
  name: string;
  role: Role;
}

const key = "polder.session";

function stored(): Session | null {
  try {
    const read: unknown = JSON.parse(sessionStorage.getItem(key) ?? "null");
    if (typeof read !== "object" || read === null) return null;
    const { token, name, role } = read as Session;
    return typeof token === "string" && typeof name === "string" && roles.includes(role)
      ? { token, name, role }
      : null;
  } catch {
    return null;
  }
}

export const session = new Store<Session | null>(stored());
// Why the last session ended, if not by the person.
export const ended = new Store<string>("");

export function signIn(value: Session): void {
  sessionStorage.setItem(key, JSON.stringify(value));
  ended.set("");
  session.set(value);
}

// A person who signs out leaves nothing in the tab.
export function signOut(why = ""): void {
  if (why === "") sessionStorage.clear();
  sessionStorage.removeItem(key);
  ended.set(why);
  session.set(null);
}

// Each role may do what those before it may.
export function may(role: Role): boolean {
  const mine = session.get()?.role;
  return mine !== undefined && roles.indexOf(mine) >= roles.indexOf(role);
}
