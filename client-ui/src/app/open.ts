import { mount } from 'svelte';
import AppShell from './AppShell.svelte';
import { shell } from './shell.svelte';

/** Draws the pages in the window of the app. */
export function openShell(target: Element): void {
  mount(AppShell, { target });
  void shell.start();
}
