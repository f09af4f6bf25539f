import { Navigation } from './navigation.svelte';

/** The navigation of this tab. */
export const navigation = new Navigation(window);
