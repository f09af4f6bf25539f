/** As far as the way to its settings differs. */
export type Browser = 'chromium' | 'firefox' | 'firefox-phone' | 'safari' | 'safari-phone' | 'android';

/** Which browser `userAgent` names. Nothing depends on it but words. */
export function browserOf(userAgent: string): Browser {
  if (/iPhone|iPad|iPod/.test(userAgent)) {
    return 'safari-phone';
  }
  if (/Firefox\//.test(userAgent)) {
    return /Android/.test(userAgent) ? 'firefox-phone' : 'firefox';
  }
  if (/Chrome\/|Chromium\//.test(userAgent)) {
    return /Android/.test(userAgent) ? 'android' : 'chromium';
  }
  return /Safari\//.test(userAgent) ? 'safari' : 'chromium';
}

/** What to press so that this page may use its devices after all. */
export function permissionSteps(browser: Browser, device: 'camera' | 'microphone' | 'both'): string {
  const name = { camera: 'Camera', microphone: 'Microphone', both: 'Camera” and “Microphone' }[device];
  switch (browser) {
    case 'chromium':
    case 'android':
      return `Press the sign at the left of the address, and allow “${name}”.`;
    case 'firefox':
      return 'Press the crossed-out sign at the left of the address, and take the block away.';
    case 'firefox-phone':
      return `Press the lock at the left of the address, and allow “${name}”.`;
    case 'safari':
      return `In the menu “Safari”, open “Settings for this website”, and allow “${name}”.`;
    case 'safari-phone':
      return `Press the sign at the left of the address, open “Website Settings”, and allow “${name}”.`;
  }
}
