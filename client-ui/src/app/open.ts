import { mount } from 'svelte';
import AppShell from './AppShell.svelte';
import { useMediaEngine } from '../media/current';
import { useStudioEngine } from '../studio/engine';
import { NativeEngine } from './native-engine';
import { nativeStudioEngine } from './native-studio';
import { screenChoice } from './screen-choice.svelte';
import { shell } from './shell.svelte';

/** Draws the pages in the window of the app. */
export function openShell(target: Element): void {
  // A web view with WebRTC of its own (WebView2, WKWebView) needs no help.
  if (typeof RTCPeerConnection !== 'function') {
    useMediaEngine(new NativeEngine());
    useStudioEngine(nativeStudioEngine(screenChoice.ask));
  }
  mount(AppShell, { target });
  void shell.start();
}
