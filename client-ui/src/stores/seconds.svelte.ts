import { createSubscriber } from 'svelte/reactivity';

const subscribe = createSubscriber((update) => {
  const ticking = setInterval(update, 1_000);
  return () => clearInterval(ticking);
});

/** The time of day in milliseconds since 1970. What reads it is brought up to date each second while it is shown. */
export function currentTime(): number {
  subscribe();
  return Date.now();
}
