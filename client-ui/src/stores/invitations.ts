import { server } from '../server/current';
import { type Invitation, invitationIn } from '../session/invitation';
import { tabStorage } from './storage';
import { TabTokens } from './tab-tokens';

/** The invitations that this tab was opened with. The address shows their tokens no more, and has none when it is loaded again. */
export class Invitations {
  readonly #tokens: TabTokens;
  readonly #origin: () => string;

  /** @param origin - of the server: no other one is to hear of a token that was meant for it */
  constructor(tokens: TabTokens, origin: () => string) {
    this.#tokens = tokens;
    this.#origin = origin;
  }

  /** What the address `href` of a page says about whoever opens it, or has said before. */
  accept(href: string): Invitation {
    const invitation = invitationIn(href);
    const name = this.#nameOf(new URL(href).pathname);
    if (invitation.token === null) {
      return { ...invitation, token: this.#tokens.get(name) };
    }
    this.#tokens.keep(name, invitation.token);
    return invitation;
  }

  /** From now on, the page at `path` is opened as by anybody. */
  forget(path: string): void {
    this.#tokens.forget(this.#nameOf(path));
  }

  #nameOf(path: string): string {
    return this.#origin() + path.replace(/\/+$/, '');
  }
}

export const invitations = new Invitations(new TabTokens('invitation', tabStorage()), () => server().origin);
