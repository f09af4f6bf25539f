import type { Place } from './resume';
import type { OpenSignaling } from './signaling';

/** Signaling that keeps `place` in step with what becomes of its connections. */
export function keepingPlace(open: OpenSignaling, place: Place, now: () => number): OpenSignaling {
  return (sessionId, events) => {
    const signaling = open(sessionId, {
      opened: () => events.opened(),
      message: (message) => {
        if (message.type === 'current_participants') {
          place.taken(message.resume_token);
        } else if (message.type === 'kicked' || message.type === 'session_ended') {
          place.left();
        }
        events.message(message);
      },
      closed: (why) => {
        if (why === 'lost') {
          place.lost(now());
        } else if (why !== 'refused') {
          place.left();
        }
        events.closed(why);
      },
    });
    return {
      send: (message) => signaling.send(message),
      probe: (atOnce) => signaling.probe(atOnce),
      close: (forGood = false) => {
        if (forGood) {
          place.left();
        } else {
          place.lost(now());
        }
        signaling.close(forGood);
      },
    };
  };
}
