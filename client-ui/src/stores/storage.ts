/** The tab's own storage; `null` where the browser forbids it. */
export function tabStorage(): Storage | null {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

/** The storage of all tabs; `null` where the browser forbids it. */
export function lastingStorage(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
