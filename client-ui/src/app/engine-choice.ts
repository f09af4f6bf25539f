import { useMediaEngine } from '../media/current';
import { useStudioEngine } from '../studio/engine';
import { NativeEngine } from './native-engine';
import { nativeStudioEngine } from './native-studio';
import { screenChoice } from './screen-choice.svelte';

/**
 * Has the app carry the media, on a desktop whose web view has no WebRTC (WebKitGTK). Others need no help (WebView2,
 * WKWebView), and a phone's app has none to give.
 */
export function chooseEngine(phone: boolean): void {
  if (!phone && typeof RTCPeerConnection !== 'function') {
    useMediaEngine(new NativeEngine());
    useStudioEngine(nativeStudioEngine(screenChoice.ask));
  }
}
