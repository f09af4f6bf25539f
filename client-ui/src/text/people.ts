import type { Role } from '../protocol/bindings';

const ROLES: Record<Role, string> = { host: 'Host', cohost: 'Cohost', guest: 'Guest', viewer: 'Viewer' };

/** What a role is called. */
export function roleWords(role: Role): string {
  return ROLES[role];
}
