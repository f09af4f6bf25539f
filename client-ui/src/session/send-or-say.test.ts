import { expect, it } from 'vitest';
import type { ClientMessage } from '../protocol/bindings';
import { NOT_SENT, sendOrSay } from './send-or-say';

it('says that something was not sent, and nothing where it was', () => {
  let open = true;
  const [sent, told]: [ClientMessage[], string[]] = [[], []];
  const link = { send: (message: ClientMessage) => open && sent.push(message) > 0, listen: () => () => undefined };
  const send = sendOrSay(link, (words) => told.push(words));
  expect(send({ action: 'request_guest' })).toBe(true);
  expect([sent, told]).toEqual([[{ action: 'request_guest' }], []]);
  open = false;
  expect(send({ action: 'request_guest' })).toBe(false);
  expect(told).toEqual([NOT_SENT]);
});
