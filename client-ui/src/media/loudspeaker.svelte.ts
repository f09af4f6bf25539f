import { type NamedDevice, type Remembered, recalled } from '../studio/devices';
import { mediaEngine } from './current';
import { type Outputs, SYSTEMS_OWN, type Sounding } from './outputs';

const STORED = 'footlight.loudspeaker';

function recall(): Remembered | null {
  try {
    const { id, name } = JSON.parse(localStorage.getItem(STORED) ?? '{}') as Partial<Remembered>;
    return typeof id === 'string' && typeof name === 'string' ? { id, name } : null;
  } catch {
    // Storage can be forbidden, or hold what another version wrote.
    return null;
  }
}

/** Where the sound of everybody comes out: one choice for all that is heard on a page, kept for the next time. */
export class Loudspeaker {
  /** All that could be chosen besides the system's own. */
  devices = $state.raw<readonly NamedDevice[]>([]);
  /** The one in use. */
  deviceId = $state(SYSTEMS_OWN);
  /** Why it is not the chosen one, for people. */
  trouble = $state('');
  /** Whether the system has a list of its own to show. */
  canAsk = $state(false);
  /** Whether there is anything to choose. */
  readonly offered = $derived.by(() => this.canAsk || this.devices.length > 0);
  readonly #outputs: () => Outputs | undefined;
  #chosen = recall();
  /** One thing after another: a device that is being changed to is neither used nor missed. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param outputs - those of the engine, which is chosen after this is made */
  constructor(outputs: () => Outputs | undefined = () => mediaEngine().outputs) {
    this.#outputs = outputs;
  }

  /** Looks for devices now and whenever some come or go. Returns what ends it. */
  follow(): () => void {
    const outputs = this.#outputs();
    if (outputs === undefined) {
      return () => undefined;
    }
    this.canAsk = outputs.ask !== undefined;
    const changed = (): void => void this.look();
    changed();
    return outputs.follow({
      changed,
      lost: (id) => {
        if (id === this.deviceId) {
          this.deviceId = SYSTEMS_OWN;
          this.#tellOfLoss();
        }
      },
    });
  }

  /** Reads what there is, and follows a chosen device that has gone or come back. */
  look(): Promise<void> {
    return this.#inTurn(async () => {
      this.devices =
        (await this.#outputs()
          ?.list()
          .catch(() => [])) ?? [];
      const wanted = recalled(this.devices, this.#chosen);
      if (wanted !== null) {
        if (wanted.id !== this.deviceId) {
          await this.#use(wanted);
        }
      } else if (this.deviceId !== SYSTEMS_OWN) {
        await this.#use(null);
        this.#tellOfLoss();
      }
    });
  }

  /** @param id - of {@link devices}, or {@link SYSTEMS_OWN} */
  choose(id: string): Promise<void> {
    return this.#inTurn(async () => {
      const device = this.devices.find((one) => one.id === id) ?? null;
      if (await this.#use(device)) {
        this.#keep(device);
      }
    });
  }

  /** Has the system ask the person. To be called from a tap: browsers ask at no other time. */
  async ask(): Promise<void> {
    let picked: NamedDevice | undefined;
    try {
      picked = await this.#outputs()?.ask?.();
    } catch {
      // The person has closed the list.
    }
    const device = picked;
    if (device !== undefined && (await this.#inTurn(() => this.#use(device)))) {
      this.#keep(device);
      await this.look();
    }
  }

  /** Takes charge of where an element's sound comes out. Returns what lets go of it. */
  carry(element: Sounding): () => void {
    return this.#outputs()?.carry?.(element) ?? (() => undefined);
  }

  /**
   * Sends all sound to a device, `null` for the system's own. Where that cannot be, all of it stays.
   *
   * @returns whether it could
   */
  async #use(device: NamedDevice | null): Promise<boolean> {
    const before = this.deviceId;
    this.deviceId = device?.id ?? SYSTEMS_OWN;
    this.trouble = '';
    try {
      await this.#outputs()?.use(this.deviceId);
      return true;
    } catch {
      this.deviceId = before;
      this.trouble = `“${device?.name ?? 'The system’s own loudspeaker'}” cannot be used. Sound comes from where it came before.`;
      await this.#outputs()
        ?.use(before)
        .catch(() => undefined);
      return false;
    }
  }

  #tellOfLoss(): void {
    const name = this.#chosen?.name ?? '';
    this.trouble = `“${name}” is gone. You hear everybody from the system’s own loudspeaker until it is back.`;
  }

  #keep(device: NamedDevice | null): void {
    this.#chosen = device;
    try {
      if (device === null) {
        localStorage.removeItem(STORED);
      } else {
        localStorage.setItem(STORED, JSON.stringify(device));
      }
    } catch {
      // Forgotten with the page, then.
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** The one of this page. */
export const loudspeaker = new Loudspeaker();
