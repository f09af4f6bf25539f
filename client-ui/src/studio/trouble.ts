import { type Browser, permissionSteps } from './browser';

/** What is to be opened. */
export type Device = 'camera' | 'microphone' | 'screen';

/** Why a device could not be opened, or is lost. */
export type Cause =
  'insecure' | 'unsupported' | 'refused' | 'system-refused' | 'busy' | 'missing' | 'unfit' | 'lost' | 'unknown';

/**
 * What a person can do about it. `other`: choose another device. `screen`: show a screen in place of the camera. `secure`:
 * open the same page by https.
 */
export type Way = 'again' | 'without' | 'other' | 'screen' | 'secure';

/** What is said about a device that does not work. */
export interface Trouble {
  readonly cause: Cause;
  /** What happened. */
  readonly headline: string;
  /** What the person can do. */
  readonly explanation: string;
  readonly ways: readonly Way[];
}

/** Where the page stands. */
export interface Place {
  readonly browser: Browser;
  /** The address of this page by https. */
  readonly secureAddress: string;
}

/** Thrown in place of a call that a page without a secure context cannot make (W3C Media Capture and Streams §9.2). */
export class NoMediaDevices extends Error {
  override readonly name: 'InsecureContext' | 'Unsupported';

  constructor(secure: boolean) {
    super(secure ? 'this browser has no media devices' : 'media devices need a secure context');
    this.name = secure ? 'Unsupported' : 'InsecureContext';
  }
}

/** An exception whose message says to a person what happened, and what to do. Those of browsers are for programs. */
export class Explained extends DOMException {}

/**
 * The cause that an exception of `getUserMedia` or `getDisplayMedia` stands for (W3C Media Capture and Streams §10.2), the
 * names of older browsers included.
 */
export function causeOf(error: unknown): Cause {
  const { name = '', message = '' } = (typeof error === 'object' && error !== null ? error : {}) as Partial<Error>;
  switch (name) {
    case 'InsecureContext':
      return 'insecure';
    case 'Unsupported':
      return 'unsupported';
    case 'NotAllowedError':
    case 'PermissionDeniedError':
    case 'SecurityError':
      // Chromium's words where the operating system is the one that refuses.
      return /by system/i.test(message) ? 'system-refused' : 'refused';
    case 'NotReadableError':
    case 'TrackStartError':
    case 'AbortError':
      return 'busy';
    case 'NotFoundError':
    case 'DevicesNotFoundError':
      return 'missing';
    case 'OverconstrainedError':
    case 'ConstraintNotSatisfiedError':
      return 'unfit';
    default:
      return 'unknown';
  }
}

/**
 * The words for a screen that was not shared; `null` where there is nothing to say: whoever closes the browser's own
 * choice of screens knows that.
 */
export function screenTrouble(error: unknown): Trouble | null {
  const cause = causeOf(error);
  if (error instanceof Explained && cause !== 'refused') {
    const headline = 'The screen could not be shared';
    return { cause, headline, explanation: sentence(error.message), ways: ['again'] };
  }
  switch (cause) {
    case 'refused':
      return null;
    case 'system-refused':
      return {
        cause,
        headline: 'The system does not let the browser record the screen',
        explanation: 'Allow screen recording for this browser in the system’s privacy settings, then share again.',
        ways: ['again'],
      };
    case 'insecure':
    case 'unsupported':
      return {
        cause,
        headline: 'This browser cannot share a screen',
        explanation: 'Phones and tablets do not offer it. A browser on a computer does.',
        ways: [],
      };
    default:
      return {
        cause,
        headline: 'The screen could not be shared',
        explanation: 'The browser got no picture of it. Share again, or choose another window.',
        ways: ['again'],
      };
  }
}

/** What the words are about. */
export type About = 'camera' | 'microphone' | 'both';

const NAMES: Record<About, string> = {
  camera: 'camera',
  microphone: 'microphone',
  both: 'camera and microphone',
};

/** The words for a camera or a microphone that `error` kept from being opened. */
export function openingTrouble(error: unknown, about: About, place: Place): Trouble {
  const cause = causeOf(error);
  const trouble = deviceTrouble(cause, about, place);
  // What is missing needs no more words.
  if (!(error instanceof Explained) || cause === 'missing') {
    return trouble;
  }
  const headline = cause === 'refused' ? `Your ${NAMES[about]} is not allowed` : trouble.headline;
  return { ...trouble, headline, explanation: sentence(error.message) };
}

/** What begins in small letters, as errors do, for a person. */
function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? '' : '.'}`;
}

/** The words for a camera, a microphone, or both at once that could not be opened. */
export function deviceTrouble(cause: Cause, about: About, place: Place): Trouble {
  const name = NAMES[about];
  const [are, them] = about === 'both' ? ['are', 'them'] : ['is', 'it'];
  const said = (headline: string, explanation: string, ...ways: Way[]): Trouble => ({
    cause,
    headline,
    explanation,
    // A screen is a picture: it stands in for a camera, and not for a microphone.
    ways: about === 'microphone' ? ways.filter((way) => way !== 'screen') : ways,
  });
  switch (cause) {
    case 'insecure':
      return said(
        `This page may not use your ${name}`,
        'Browsers give camera and microphone only to pages that come by https. The same page is there as well:',
        'secure',
      );
    case 'unsupported':
      return said(
        `This browser cannot use your ${name}`,
        'It has no WebRTC, or it is switched off. Open this page in a current Chrome, Edge, Firefox or Safari.',
      );
    case 'refused':
      return said(
        `Your ${name} ${are} not allowed on this page`,
        `${permissionSteps(place.browser, about)} Then try again.`,
        'again',
        'screen',
        'without',
      );
    case 'system-refused':
      return said(
        `The system keeps your ${name} from the browser`,
        `Allow this browser to use ${them} in the system’s privacy settings. Then try again.`,
        'again',
        'screen',
        'without',
      );
    case 'busy':
      return said(
        `Your ${name} ${are} used by another program`,
        'Close whatever else may be using it, a call or another tab for example. Then try again.',
        'again',
        'other',
        'screen',
        'without',
      );
    case 'missing':
      return said(
        about === 'both' ? 'No camera and no microphone were found' : `No ${name} was found`,
        about === 'both'
          ? 'Plug one of them in, and it is used at once.'
          : 'Plug one in, and it is used at once. Or go on without.',
        'again',
        'screen',
        'without',
      );
    case 'unfit':
      return said(
        `Your ${name} cannot do that`,
        about === 'microphone'
          ? 'It is not plugged in any more. Choose another one.'
          : 'It has no picture of this kind, or is not plugged in any more. Choose another size or another camera.',
        'again',
        'other',
        'screen',
        'without',
      );
    case 'lost':
      return said(
        `Your ${name} ${are} gone`,
        'Unplugged, or taken away by the system. Plug it in again, or choose another one.',
        'again',
        'other',
        'screen',
        'without',
      );
    case 'unknown':
      return said(
        `Your ${name} did not start`,
        'The browser does not say why. Unplug it and plug it in again, or restart the browser. Then try again.',
        'again',
        'other',
        'screen',
        'without',
      );
  }
}

/** The words for a camera or a microphone that was lost, and is used again without a person's doing once it is back. */
export function awaitedTrouble(about: 'camera' | 'microphone', place: Place): Trouble {
  const trouble = deviceTrouble('lost', about, place);
  return {
    ...trouble,
    explanation:
      'Unplugged, or taken away by the system. It is used again as soon as it is back. Or choose another one.',
    ways: trouble.ways.filter((way) => way !== 'again'),
  };
}

/** Something that does not work, and what it is about. */
export interface Problem {
  readonly about: About;
  readonly trouble: Trouble;
}

/** Causes that concern both devices for one and the same reason. */
const JOINT: readonly Cause[] = ['insecure', 'unsupported', 'refused', 'system-refused', 'missing'];

/** What is to be said of both devices: once, where the reason is the same. */
export function problemsOf(camera: Trouble | null, microphone: Trouble | null, place: Place): readonly Problem[] {
  if (camera !== null && camera.cause === microphone?.cause && JOINT.includes(camera.cause)) {
    const trouble = deviceTrouble(camera.cause, 'both', place);
    // Without either of them there is nothing to go on with.
    return [{ about: 'both', trouble: { ...trouble, ways: trouble.ways.filter((way) => way !== 'without') } }];
  }
  const problems: Problem[] = [];
  if (camera !== null) {
    problems.push({ about: 'camera', trouble: camera });
  }
  if (microphone !== null) {
    problems.push({ about: 'microphone', trouble: microphone });
  }
  return problems;
}
