//! What the server prints when it is ready, for the person in front of it.

use std::fmt::Write as _;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use crate::Server;
use crate::config::TlsMode;
use crate::self_test::Report;

/// Addresses to open, the ways that the self-test found, certificate, media port, and who may publish.
pub fn summary(server: &Server, tested: Option<&Report>) -> String {
    let mut text = String::from("Footlight is ready.\n\n");
    for (number, url) in server.urls().iter().enumerate() {
        line(&mut text, if number == 0 { "Open" } else { "" }, url);
    }
    line(
        &mut text,
        "Publish",
        &format!("footlight publish {}", server.urls().first().map_or("", |url| url)),
    );
    let media_port = server.media().port();
    let transports = if server.config().ice_tcp { "UDP and TCP" } else { "UDP" };
    line(&mut text, "Media", &format!("{transports} port {media_port}"));
    if let Some(report) = tested {
        line(&mut text, "Reached", &report.to_string());
    }
    if let Some(fingerprint) = server.fingerprint() {
        if server.config().tls == TlsMode::SelfSigned {
            line(
                &mut text,
                "Certificate",
                "self-signed: a browser asks once whether to trust it. Its SHA-256 is",
            );
        } else {
            line(&mut text, "Certificate", "SHA-256");
        }
        line(&mut text, "", fingerprint);
    }
    line(&mut text, "Access", server.authority().summary());
    text
}

fn line(text: &mut String, label: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {label:<12}{value}");
}

/// The first address as a QR code, for phones on the same network. `None` where nothing but this machine reaches it.
pub fn qr_code(server: &Server) -> Option<String> {
    let url = server.urls().into_iter().next()?;
    let local =
        server.config().public_url.is_none() && server.addresses().iter().all(|address| address.ip().is_loopback());
    if local {
        return None;
    }
    let code = QrCode::new(&url).ok()?;
    // Light modules are drawn and dark ones left: terminals are dark, and a scanner wants dark on light.
    let picture = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    Some(format!("{picture}\n  {url}\n"))
}
