import { mount } from 'svelte';
import App from './App.svelte';
import './styles/theme.css';
import './styles/base.css';

const target = document.getElementById('app');
if (target !== null) {
  if ('__TAURI_INTERNALS__' in window) {
    // The window of the app, which brings a server of the person's choice. Browsers need not load that part.
    const { openShell } = await import('./app/open');
    openShell(target);
  } else {
    mount(App, { target });
  }
}
