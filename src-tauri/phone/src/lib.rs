//! What a phone's system has to be told of an app that is on air.
//!
//! Android takes camera and microphone from an app that is not in front, unless it runs a *foreground service* of their types
//! and shows it in a notification: `android/` has that service, and the manifest's entries for all that the pages do on a
//! phone. iOS leaves the microphone to an app whose `Info.plist` names the background mode `audio`
//! (`src-tauri/Info.ios.plist`), and has nothing to be told while it runs. And both ask the person before an app reaches their
//! own network, which is where a server of one's own may be; on Android the app has to have them asked.
//!
//! What it is not: it captures nothing. The pages do, with the web view's own `getUserMedia`.
//!
//! On a desktop this library is empty. Its tests hold manifest and property list against what the code uses.

#[cfg(mobile)]
mod phone;

#[cfg(mobile)]
pub use phone::{Phone, PhoneError, PhoneExt, init};
