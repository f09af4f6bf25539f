import type { MediaEngine, Subscription, SubscriptionEvents, Surface, TransportState, Wanted } from '../media/engine';
import type { MediaSample } from '../media/sample';
import { type MediaCommands, type NativeSlot, mediaCommands } from './media-commands';
import { drawPictures } from './moving-picture';
import { NativeOutputs } from './native-outputs';
import { type PageCodec, decodedCodecs } from './slot-decoder';

/** Receives, decodes H.264 and plays in the app; the page decodes what else the web view can, and draws. */
export class NativeEngine implements MediaEngine {
  readonly surface = 'canvas';
  readonly meshless = true;
  readonly outputs: NativeOutputs;
  readonly works = typeof VideoFrame === 'function';
  readonly #commands: MediaCommands;
  readonly #open = new Set<NativeSubscription>();
  #volume = 1;
  /** What the web view decodes. */
  readonly #decoded: Promise<readonly PageCodec[]>;

  constructor(commands: MediaCommands = mediaCommands, decoded: Promise<readonly PageCodec[]> = decodedCodecs()) {
    this.#commands = commands;
    this.outputs = new NativeOutputs(commands);
    this.#decoded = decoded;
  }

  async videoCodecs(): Promise<readonly string[]> {
    return ['H264', ...(await this.#decoded)];
  }

  setVolume(volume: number): void {
    this.#volume = volume;
    this.#open.forEach((subscription) => subscription.setVolume(volume));
  }

  subscribe(wanted: Wanted, events: SubscriptionEvents): Subscription {
    const subscription = new NativeSubscription(this.#commands, this.#decoded, wanted, events, this.#volume, () =>
      this.#open.delete(subscription),
    );
    this.#open.add(subscription);
    return subscription;
  }
}

/** Shows one slot on one surface, once both are there. */
interface Shown {
  readonly surface: HTMLCanvasElement;
  end: () => void;
}

class NativeSubscription implements Subscription {
  readonly offer: Promise<string>;
  readonly #commands: MediaCommands;
  readonly #ended: () => void;
  /** Names it to the app. */
  readonly #id: Promise<number>;
  #slots: readonly NativeSlot[] = [];
  #volume: number;
  readonly #shown = new Map<string, Shown>();
  #closed = false;

  constructor(
    commands: MediaCommands,
    decoded: Promise<readonly PageCodec[]>,
    wanted: Wanted,
    events: SubscriptionEvents,
    volume: number,
    ended: () => void,
  ) {
    this.#commands = commands;
    this.#ended = ended;
    this.#volume = volume;
    const heard = (state: TransportState): void => {
      if (!this.#closed) {
        events.transport(state);
      }
    };
    const made = decoded.then((codecs) => commands.subscribe(wanted, codecs, heard));
    this.#id = made.then(({ subscription }) => subscription);
    this.offer = made.then(({ sdp, slots }) => {
      this.#slots = slots;
      this.setVolume(this.#volume);
      return sdp;
    });
    // It may fail before anybody waits for it; whoever does still sees the failure.
    this.#id.catch(() => undefined);
    this.offer.catch(() => undefined);
  }

  async extend(wanted: Wanted): Promise<string> {
    const { sdp, slots } = await this.#commands.subscribeAgain(await this.#id, wanted);
    this.#slots = slots;
    return sdp;
  }

  async accept(answerSdp: string): Promise<void> {
    await this.#commands.subscribeAccept(await this.#id, answerSdp);
  }

  /** The answer brings all of them: the app asks the server for its candidates by TCP as well. */
  addCandidate(): Promise<void> {
    return Promise.resolve();
  }

  isFirst(mid: string): boolean {
    return this.#first('audio') === mid || this.#first('video') === mid;
  }

  /** Sound needs no element: it comes out of the app. */
  attach(surface: Surface): void {
    void this.offer.then(() => {
      const mid = this.#first('video');
      if (mid !== undefined) {
        this.attachSlot(surface, mid);
      }
    }, ignore);
  }

  attachSlot(element: Surface | HTMLAudioElement, mid: string): void {
    if (element instanceof HTMLCanvasElement && this.#shown.get(mid)?.surface !== element) {
      void this.#show(element, mid);
    }
  }

  async sample(): Promise<MediaSample | null> {
    return this.#commands.subscriptionSample(await this.#id);
  }

  /** @param volume - 0 to 1 */
  setVolume(volume: number): void {
    this.#volume = volume;
    this.#id.then((id) => this.#commands.setVolume(id, volume)).catch(ignore);
  }

  close(): void {
    this.#closed = true;
    this.#ended();
    this.#shown.forEach((shown) => shown.end());
    this.#shown.clear();
    this.#id.then((id) => this.#commands.unsubscribe(id)).catch(ignore);
  }

  #first(kind: NativeSlot['kind']): string | undefined {
    return this.#slots.find((slot) => slot.kind === kind)?.mid;
  }

  async #show(surface: HTMLCanvasElement, mid: string): Promise<void> {
    // A surface shows one slot, and a slot is on one surface.
    for (const [other, shown] of this.#shown) {
      if (other === mid || shown.surface === surface) {
        shown.end();
        this.#shown.delete(other);
      }
    }
    const shown: Shown = { surface, end: () => undefined };
    this.#shown.set(mid, shown);
    try {
      const url = await this.#commands.slotPictures(await this.#id, mid);
      if (this.#shown.get(mid) === shown) {
        shown.end = drawPictures(surface, url);
      }
    } catch {
      // The subscription has ended meanwhile, and the next one is attached anew.
      this.#shown.delete(mid);
    }
  }
}

function ignore(): void {
  // Said by whoever waits for the same promise.
}
