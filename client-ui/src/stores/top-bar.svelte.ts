import type { Component } from 'svelte';

/** What an application that embeds these pages adds to the bar at their top. */
class TopBarAdditions {
  extra = $state.raw<Component | null>(null);
}

export const topBar = new TopBarAdditions();
