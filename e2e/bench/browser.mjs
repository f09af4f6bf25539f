// Chromium for measuring: as a person has it, but for the head.
import { chromium } from 'playwright-core';

export const launch = () =>
  chromium.launch({
    executablePath: process.env.FOOTLIGHT_CHROMIUM ?? '/usr/bin/chromium',
    // The new headless mode is the whole browser; the old one had other codecs.
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--autoplay-policy=no-user-gesture-required',
    ],
    ignoreDefaultArgs: ['--headless'],
  });

/**
 * @param {number[]} values at least one
 * @returns {{ p50: number, p99: number }}
 */
export function quantiles(values) {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (/** @type {number} */ share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
  return { p50: at(0.5), p99: at(0.99) };
}
